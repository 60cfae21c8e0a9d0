"""What a setting may be: checks that say what is wrong, and readers of texts with a form."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

MOST_SLOTS = 1000

Check = Callable[[Any], "str | None"]


def one_of(*allowed: str) -> Check:
    """One of some texts."""
    wrong = f"it must be {', '.join(allowed[:-1])} or {allowed[-1]}"
    return lambda value: None if value in allowed else wrong


def at_least(minimum: float) -> Check:
    """A finite number that is not below a minimum."""
    wrong = f"it must be at least {minimum:g}"
    return lambda value: None if minimum <= value < math.inf else wrong


def between(minimum: float, maximum: float) -> Check:
    """A number between two others, or one of them."""
    wrong = f"it must be {minimum:g} to {maximum:g}"
    return lambda value: None if minimum <= value <= maximum else wrong


def bounds_of(text: str) -> tuple[int, int] | None:
    """The bounds in a text such as ``1,8``; None for an empty one.

    Raises:
        ValueError: with what is wrong.
    """
    if not text.strip():
        return None
    found = re.fullmatch(r"\s*([0-9]{1,9})\s*,\s*([0-9]{1,9})\s*", text)
    if found is None:
        raise ValueError(f"{text!r}: allowed is MIN,MAX, as 1,8")
    fewest, most = int(found[1]), int(found[2])
    if not 1 <= fewest <= most <= MOST_SLOTS:
        raise ValueError(f"{text!r}: allowed is 1 <= MIN <= MAX <= {MOST_SLOTS}")
    return fewest, most


def folder_of(text: str) -> Path:
    """The folder that a text names.

    Raises:
        ValueError: it begins with a user that is not there.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError("it names no user's folder; give a path") from error


def wrong_in(read: Callable[[str], object]) -> Check:
    """A text that can be read; ``ValueError`` says why not."""

    def wrong(text: str) -> str | None:
        try:
            read(text)
        except ValueError as error:
            return str(error)
        return None

    return wrong


def paths_of(text: str) -> tuple[Path, ...]:
    """The paths of a text such as ``/data/weights:/opt/licences``.

    Raises:
        ValueError: with what is wrong.
    """
    found = [each.strip() for each in text.split(os.pathsep) if each.strip()]
    for each in found:
        if not Path(each).is_absolute():
            raise ValueError(f"{each!r} is no absolute path; begin it with /")
    return tuple(map(Path, found))
