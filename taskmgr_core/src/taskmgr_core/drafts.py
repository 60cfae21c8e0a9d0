"""What can be read of a document that has faults, so that the rest of it is checked as well."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Generic, TypeVar, get_args, get_origin

import attrs

from taskmgr_core.documents import Fault, Path, faults_in, place_of, structure
from taskmgr_core.errors import Problem

T = TypeVar("T")


@attrs.frozen
class Draft(Generic[T]):
    """A document as far as it can be read.

    Attributes:
        value: the model; where something cannot be read it is empty.
        problems: everything that does not fit the model.
        holes: the places that cannot be read, as in ``steps[2].inputs``. Of what
            is there, and of all that is inside, nothing is known.
    """

    value: T
    problems: tuple[Problem, ...]
    holes: frozenset[str]


def draft(document: Mapping[str, Any], model: type[T]) -> Draft[T]:
    """Read a document that may have faults.

    Each part that does not fit becomes a hole and is filled with an empty value
    of its type; then the document is read again, until it fits.

    Arguments:
        document: a JSON object.
        model: an attrs class of texts, objects, lists and further classes.
    """
    readable: Any = document
    problems: list[Problem] = []
    holes: set[str] = set()
    while faults := faults_in(readable, model):
        # What is missing in an empty value that was filled in is no further fault.
        problems += [
            fault.problem for fault in faults if not is_inside(place_of(fault.path), holes)
        ]
        for fault in faults:
            readable, left = _pruned(readable, fault)
            holes.update(place_of(path) for path in left)
    return Draft(structure(readable, model), tuple(problems), frozenset(holes))


def is_inside(place: str, holes: Collection[str]) -> bool:
    """Whether a place is one of the holes, or inside of one."""
    return any(
        place == hole or (place.startswith(hole) and place[len(hole)] in ".[") for hole in holes
    )


def _pruned(document: Any, fault: Fault) -> tuple[Any, Sequence[Path]]:
    """The document without a fault, and the holes that this leaves."""
    if not fault.unknown:
        return _replaced(document, fault.path, _empty(fault.wanted)), [fault.path]
    found = document
    for step in fault.path:
        found = found[step]
    kept = {key: value for key, value in found.items() if key not in fault.unknown}
    names = [each.name for each in attrs.fields(fault.wanted)]
    from difflib import get_close_matches

    # A misspelt key: what was meant to stand under the right one is not known.
    meant = {name for key in fault.unknown for name in get_close_matches(key, names, n=1)}
    left = [(*fault.path, name) for name in sorted(meant.difference(kept))]
    return _replaced(document, fault.path, kept), left


def _replaced(document: Any, path: Path, value: Any) -> Any:
    """The document with another value in a place; one that YAML has in two places stays whole."""
    if not path:
        return value
    first, *rest = path
    copied: Any = list(document) if isinstance(document, list) else dict(document)
    copied[first] = _replaced(copied[first] if rest else None, tuple(rest), value)
    return copied


def _empty(wanted: Any) -> Any:
    if type(None) in get_args(wanted):
        return None
    if wanted in (int, float):
        return 0
    if get_origin(wanted) is tuple:
        return []
    return {} if attrs.has(wanted) or get_origin(wanted) is Mapping else ""
