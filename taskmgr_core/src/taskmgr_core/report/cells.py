"""Any JSON value as one cell of a table: what is seen at once, and what can be unfolded."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, cast

import attrs

from taskmgr_core.report.formats import counted, number, printable, short_digest, shortened, size
from taskmgr_core.report.recorded import is_artifact
from taskmgr_core.results import present
from taskmgr_plugins.schemas import TYPE_KEY

_SHORT_TEXT = 80
_SHORT_LIST = 4
_LONGEST = 20_000
_SPARK_POINTS = 64
_SPARK_HEIGHT = 20
_SHOWN_SCORES = 2


@attrs.frozen
class Cell:
    """A value as shown.

    Attributes:
        text: what is seen at once.
        kind: how it is set: ``number`` to the right, ``none`` muted, ``code`` in
            a typewriter face.
        full: what can be unfolded; empty where ``text`` is everything.
        spark: the points of a small curve, ``x,y x,y ...`` within 0 to
            ``SPARK_POINTS`` and 0 to 20; empty for none.
    """

    text: str
    kind: Literal["text", "number", "none", "code"] = "text"
    full: str = ""
    spark: str = ""


NONE = Cell("–", "none")  # noqa: RUF001 - a dash is what an empty cell of a table holds


def cell(value: Any, schema: Any = None) -> Cell:
    """A value as a cell.

    Arguments:
        value: any JSON value.
        schema: its JSON Schema where it is known.
    """
    if value is None or value == [] or value == {}:
        return NONE
    if isinstance(value, bool):
        return Cell("true" if value else "false")
    if isinstance(value, int | float):
        return Cell(number(value), "number", full=_exact(value))
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return _object(value, schema if isinstance(schema, Mapping) else {})
    return _list(value) if isinstance(value, list | tuple) else _text(str(value))


def is_single(value: Any, schema: Any) -> bool:
    """Whether an object is one value for its readers, and not a record of fields."""
    return (
        not isinstance(value, Mapping)
        or not value
        or "$artifact" in value
        or "$array" in value
        or _is_box(value, schema)
        or _is_dictionary(schema)
    )


def folded_json(value: Any) -> str:
    """A value as indented JSON, cut where it is longer than anybody reads."""
    try:
        written = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):
        return "nested too deeply to be shown"
    return _limited(written)


def _exact(value: float) -> str:
    """What rounding has hidden."""
    shown = number(value)
    return "" if shown == repr(value) or float(shown) == value else repr(value)


def _text(value: str) -> Cell:
    short = shortened(value, _SHORT_TEXT)
    return Cell(short or '""', full="" if short == value else _limited(printable(value)))


def _object(value: Mapping[str, Any], schema: Mapping[str, Any]) -> Cell:
    if is_artifact(value):
        return _artifact(value)
    if isinstance(value.get("$array"), Mapping):
        return _array(value)
    if _is_box(value, schema):
        x, y, width, height = (number(value[side]) for side in ("x", "y", "width", "height"))
        return Cell(f"{width} × {height} at {x}, {y}")  # noqa: RUF001
    if all(_is_number(each) for each in value.values()):
        return _scores(value)
    return Cell(counted(len(value), "entry", "entries"), full=folded_json(value))


def _artifact(value: Mapping[str, Any]) -> Cell:
    """A file by its name, with what is known of it."""
    name = str(value.get("name") or value.get("media_type") or "file")
    shape = value.get("shape")
    known = [short_digest(str(value["$artifact"]))]
    if isinstance(value.get("size"), int):
        known.insert(0, size(value["size"]))
    if isinstance(shape, list):
        known.insert(0, f"{value.get('dtype', '')} {_shape(shape)}".strip())
    return Cell(shortened(f"{name} ({', '.join(known)})", 120))


def _array(value: Mapping[str, Any]) -> Cell:
    """An array recorded inline, by its numbers."""
    array = value["$array"]
    shape = array.get("shape")
    head = f"{array.get('dtype', 'array')} {_shape(shape if isinstance(shape, list) else [])}"
    numbers = list(_numbers(present(value)))
    if not numbers:
        return Cell(shortened(head, _SHORT_TEXT), full=folded_json(array))
    return attrs.evolve(_vector(numbers), text=shortened(head, 40))


def _numbers(value: Any) -> Iterator[float]:
    """The numbers inside lists inside one another."""
    if isinstance(value, list):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, int | float):
        yield value


def _shape(sides: Sequence[Any]) -> str:
    return " × ".join(str(side) for side in sides)  # noqa: RUF001


def _scores(value: Mapping[str, Any]) -> Cell:
    """Named numbers, the greatest first."""
    ranked = sorted(value.items(), key=lambda each: -each[1])
    shown = [f"{shortened(name, 24)} {number(score, 2)}" for name, score in ranked[:_SHOWN_SCORES]]
    if len(ranked) <= _SHOWN_SCORES:
        return Cell(" · ".join(shown))
    lines = "\n".join(f"{printable(name)}: {score!r}" for name, score in ranked)
    return Cell(" · ".join((*shown, f"+{len(ranked) - _SHOWN_SCORES}")), full=_limited(lines))


def _list(value: Sequence[Any]) -> Cell:
    if all(_is_number(each) for each in value):
        return _vector([cast("float", each) for each in value])
    if all(_is_pair(each) for each in value):
        rows = "\n".join(f"{x!r}, {y!r}" for x, y in value)
        return Cell(counted(len(value), "point"), full=_limited(rows))
    if all(isinstance(each, str) for each in value):
        line = ", ".join(value)
        return _text(line)
    return Cell(counted(len(value), "entry", "entries"), full=folded_json(value))


def _vector(numbers: Sequence[float]) -> Cell:
    if len(numbers) <= _SHORT_LIST:
        return Cell(", ".join(map(number, numbers)))
    return Cell(
        counted(len(numbers), "number"),
        full=_limited(", ".join(map(repr, numbers))),
        spark=spark(numbers),
    )


def spark(numbers: Sequence[float]) -> str:
    """The points of a small curve: as many means as there is room for, scaled to its height."""
    finite = [float(each) for each in numbers if abs(each) < 1e300]  # false for NaN
    if len(finite) < 2:
        return ""
    each = math.ceil(len(finite) / _SPARK_POINTS)
    means = [
        sum(part) / len(part)
        for part in (finite[at : at + each] for at in range(0, len(finite), each))
    ]
    low, high = min(means), max(means)
    scale = (_SPARK_HEIGHT - 2) / ((high - low) or 1.0)
    step = _SPARK_POINTS / max(len(means) - 1, 1)
    return " ".join(
        f"{at * step:.1f},{1 + (high - mean) * scale:.1f}" for at, mean in enumerate(means)
    )


def _is_box(value: Mapping[str, Any], schema: Any) -> bool:
    if isinstance(schema, Mapping) and schema.get(TYPE_KEY, "Box") != "Box":
        return False
    return set(value) == {"x", "y", "width", "height"} and all(map(_is_number, value.values()))


def _is_dictionary(schema: Any) -> bool:
    """Whether the names of an object are data, not fields."""
    return (
        isinstance(schema, Mapping)
        and isinstance(schema.get("additionalProperties"), Mapping)
        and "properties" not in schema
    )


def _is_pair(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_number, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _limited(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}\n… and {len(text) - _LONGEST} characters more"
