"""Any JSON value on little room: nothing here knows what a task's values mean."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from taskmgr_core.report.formats import counted, number, printable, shortened, size

CELL = 32
SHOWN_NUMBERS = 2
MOST_SHORT_NUMBERS = 4
ELLIPSIS = "…"

_BOX = {"x", "y", "width", "height"}


def cell(value: Any, limit: int = CELL) -> str:
    """A value on one line of at most so many characters, as far as that can be.

    ``128 numbers: 0.03 -0.01 …``, ``5 points: 12,34 …``, ``67 x 80 at 152, 34``,
    ``photo.png (83 kB)``.
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, str):
        return shortened(value, limit)
    if isinstance(value, Mapping):
        return _mapping(value, limit)
    return _sequence(value, limit)


def exact(value: Any, limit: int = 2000) -> str:
    """A value where there is room: a scalar in full, a text with its lines."""
    if isinstance(value, str):
        return printable(value if len(value) <= limit else value[:limit] + ELLIPSIS)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return cell(value, 120)


def flat(entry: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of an object: ``age.confidence`` and its value; boxes and files are leaves."""
    for name, value in entry.items():
        inner = f"{path}.{name}" if path else name
        if isinstance(value, Mapping) and value and not _is_leaf(value):
            yield from flat(value, inner)
        else:
            yield inner, value


def is_file(value: Any) -> bool:
    """Whether a value stands for a stored file."""
    return isinstance(value, Mapping) and isinstance(value.get("$artifact"), str)


def is_records(value: Any) -> bool:
    """Whether a value is a list of objects, for which there is a table."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, Mapping) and not _is_leaf(each) for each in value)
    )


def _is_leaf(value: Mapping[str, Any]) -> bool:
    return is_file(value) or _is_box(value) or "$array" in value


def _is_box(value: Mapping[str, Any]) -> bool:
    return set(value) == _BOX and all(_is_number(each) for each in value.values())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _mapping(value: Mapping[str, Any], limit: int) -> str:
    if is_file(value):
        name = shortened(str(value.get("name") or value.get("media_type") or "file"), limit)
        return f"{name} ({size(int(value.get('size', 0)))})"
    if _is_box(value):
        x, y, width, height = (f"{value[each]:.0f}" for each in ("x", "y", "width", "height"))
        return f"{width} x {height} at {x}, {y}"
    return _written(value, limit) or counted(len(value), "field")


def _sequence(value: Sequence[Any], limit: int) -> str:
    if not value:
        return "none"
    if all(_is_number(each) for each in value):
        return _numbers(value)
    if _is_matrix(value):
        if len(value[0]) == SHOWN_NUMBERS:
            first = ",".join(f"{each:.0f}" for each in value[0])
            return f"{counted(len(value), 'point')}: {first} {ELLIPSIS}"
        return f"{len(value)} x {_numbers(value[0])}"
    return _written(value, limit) or counted(len(value), "entry", "entries")


def _numbers(value: Sequence[Any]) -> str:
    if len(value) <= MOST_SHORT_NUMBERS:
        return " ".join(number(each) for each in value)
    first = " ".join(f"{each:.2f}" for each in value[:SHOWN_NUMBERS])
    return f"{len(value)} numbers: {first} {ELLIPSIS}"


def _is_matrix(value: Sequence[Any]) -> bool:
    """Whether all are lists of numbers of one length."""
    return all(
        isinstance(each, list)
        and each
        and len(each) == len(value[0])
        and all(map(_is_number, each))
        for each in value
    )


def _written(value: Any, limit: int) -> str:
    """The JSON, if it is short."""
    if len(value) > limit:
        return ""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return ""
    return printable(text) if len(text) <= limit else ""
