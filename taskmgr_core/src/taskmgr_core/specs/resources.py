"""Resources: what steps need and workers offer, in units. Pure.

As text they are sorted and without blanks, one unit unsaid: ``gpu``, ``gpu=2+licence``. The
same needs are always the same text; it is what stores look steps up by, and a part of the
names of broker queues.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from taskmgr_plugins.tasks import resources_fault

SEPARATOR = "+"
_PART = r"[a-z][a-z0-9_]*(=[0-9]{1,9})?"
_TEXT = re.compile(rf"{_PART}(\+{_PART})*\Z")
NO_RESOURCES: Mapping[str, int] = MappingProxyType({})


def as_text(resources: Mapping[str, int]) -> str:
    """Resources as text; empty for none."""
    return SEPARATOR.join(
        name if units == 1 else f"{name}={units}" for name, units in sorted(resources.items())
    )


def from_text(text: str) -> dict[str, int]:
    """Resources from their text; of what is none the whole is a name, which nobody offers."""
    if not is_text(text):
        return {str(text): 1}
    parts = [each.partition("=") for each in text.split(SEPARATOR) if each]
    return {name: int(units) if units else 1 for name, _, units in parts}


def offer_from(text: str) -> dict[str, int]:
    """Resources as a person writes them: ``gpu=2,licence``.

    Raises:
        ValueError: with what is wrong.
    """
    found: dict[str, int] = {}
    for part in (each.strip() for each in text.split(",") if each.strip()):
        name, _, units = part.partition("=")
        if re.fullmatch(r"[^=]*(=[0-9]{1,9})?", part) is None:
            raise ValueError(f"{part!r}: allowed is NAME=UNITS, as gpu=2")
        if name in found:
            raise ValueError(f"{name!r} is given twice")
        found[name] = int(units) if units else 1
    if fault := resources_fault(found):
        raise ValueError(fault)
    return found


def is_text(text: object) -> bool:
    """Whether it is the text of resources."""
    return isinstance(text, str) and (not text or _TEXT.match(text) is not None)


def fit(needs: Mapping[str, int], units: Mapping[str, int]) -> bool:
    """Whether so many units are enough."""
    return all(units.get(name, 0) >= wanted for name, wanted in needs.items())


def subsets(offered: Mapping[str, int], most: int) -> Iterator[dict[str, int]] | None:
    """Everything but nothing that could be needed of an offer; None where it is more than ``most``.

    Arguments:
        offered: units by name.
        most: how many may be made.
    """
    if math.prod(units + 1 for units in offered.values()) - 1 > most:
        return None
    names = sorted(offered)
    counts = itertools.product(*(range(offered[name] + 1) for name in names))
    made = ({name: n for name, n in zip(names, each, strict=True) if n} for each in counts)
    return (each for each in made if each)
