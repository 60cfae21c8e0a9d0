"""Compares outputs with what was expected; numbers and arrays up to a tolerance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from taskmgr_plugins.fields import File, Points
from taskmgr_plugins.strict_types import is_numpy_array, plain, shown

MOST_DIFFERENCES = 10


def assert_outputs(
    result: Any, expected: Any, *, tolerance: float = 0.0, relative: float = 0.0
) -> None:
    """Compare what a task gave with what was expected of it, and say each place that differs.

    Objects of attrs classes, mappings, lists and arrays are gone into. An expected mapping may
    stand for an object, and then names the fields that matter; a list may stand for an array.
    Files are compared by their content.

    Arguments:
        result: what ``run_task`` or a run gave.
        expected: what it should be.
        tolerance: how much a number may be off.
        relative: how much of the expected number it may be off; the larger of both counts.

    Raises:
        AssertionError: it is something else; with the places and by how much.
    """
    __tracebackhide__ = True
    differences = list(_differences(result, expected, "result", tolerance, relative))
    if not differences:
        return
    lines = differences[:MOST_DIFFERENCES]
    if len(differences) > len(lines):
        lines.append(f"and {len(differences) - len(lines)} more")
    raise AssertionError("the outputs differ:\n  " + "\n  ".join(lines))


def _differences(
    found: Any, wanted: Any, place: str, tolerance: float, relative: float
) -> Iterator[str]:
    found, wanted = _simple(found), _simple(wanted)
    if is_numpy_array(type(found)) or is_numpy_array(type(wanted)):
        yield from _of_arrays(found, wanted, place, tolerance, relative)
    elif isinstance(found, File) and isinstance(wanted, File | bytes):
        content = wanted.read_bytes() if isinstance(wanted, File) else wanted
        if found.read_bytes() != content:
            yield f"{place}: the content of {found!r} is another than that of {shown(wanted)}"
    elif isinstance(wanted, Mapping) or attrs.has(type(wanted)):
        yield from _of_records(found, wanted, place, tolerance, relative)
    elif isinstance(wanted, list | tuple) and isinstance(found, list | tuple):
        yield from _of_lists(found, wanted, place, tolerance, relative)
    elif not _same(found, wanted, tolerance, relative):
        yield f"{place}: {shown(found)}, not {shown(wanted)}"


def _simple(value: Any) -> Any:
    """A member of an enum as its value, points as their rows: what JSON has for them."""
    return [*value.coordinates] if isinstance(value, Points) else plain(value)


def _of_records(
    found: Any, wanted: Any, place: str, tolerance: float, relative: float
) -> Iterator[str]:
    """A mapping may stand for an object; two objects have to be of one class."""
    if not isinstance(wanted, Mapping | type(found)) and not isinstance(found, Mapping):
        yield f"{place}: {shown(found)} is no {type(wanted).__name__}"
        return
    have, want = _fields(found), _fields(wanted)
    if have is None or want is None:
        yield f"{place}: {shown(found)}, not {shown(wanted)}"
        return
    for name in want:
        if name not in have:
            yield f"{place}.{name}: is not there"
        else:
            yield from _differences(have[name], want[name], f"{place}.{name}", tolerance, relative)
    if isinstance(found, Mapping):
        yield from (f"{place}.{name}: was not expected" for name in have if name not in want)


def _fields(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, Mapping):
        return value
    if attrs.has(type(value)):
        return {each.name: getattr(value, each.name) for each in attrs.fields(type(value))}
    return None


def _of_lists(
    found: Any, wanted: Any, place: str, tolerance: float, relative: float
) -> Iterator[str]:
    if len(found) != len(wanted):
        yield f"{place}: {len(found)} entries, not {len(wanted)}"
    for index, (one, other) in enumerate(zip(found, wanted, strict=False)):
        yield from _differences(one, other, f"{place}[{index}]", tolerance, relative)


def _of_arrays(
    found: Any, wanted: Any, place: str, tolerance: float, relative: float
) -> Iterator[str]:
    import numpy

    if not is_numpy_array(type(found)) and not isinstance(found, list | tuple):
        yield f"{place}: {shown(found)} is no array"
        return
    have, want = numpy.asarray(found), numpy.asarray(wanted)
    if have.shape != want.shape:
        yield f"{place}: of shape {have.shape}, not {want.shape}"
        return
    if is_numpy_array(type(found)) and is_numpy_array(type(wanted)) and have.dtype != want.dtype:
        yield f"{place}: of dtype {have.dtype}, not {want.dtype}"
        return
    numbers = have.dtype.kind in "fciub" and want.dtype.kind in "fciub"
    same = (
        numpy.isclose(
            have.astype(_wide(have)), want.astype(_wide(want)), relative, tolerance, equal_nan=True
        )
        if numbers
        else have == want
    )
    if not numpy.all(same):
        at = tuple(int(each) for each in numpy.argwhere(~numpy.atleast_1d(same))[0])
        where = f"{place}{list(at)}" if have.ndim else place
        one, other = numpy.atleast_1d(have)[at].item(), numpy.atleast_1d(want)[at].item()
        count = int(numpy.sum(~numpy.atleast_1d(same)))
        yield f"{where}: {one!r}, not {other!r} ({count} of {have.size} elements differ)"


def _wide(array: Any) -> str:
    """A type in which small unsigned numbers do not wrap around when they are subtracted."""
    return "complex128" if array.dtype.kind == "c" else "float64"


def _same(found: Any, wanted: Any, tolerance: float, relative: float) -> bool:
    numbers = all(
        isinstance(each, int | float) and not isinstance(each, bool) for each in (found, wanted)
    )
    if not numbers:
        return type(found) is type(wanted) and bool(found == wanted)
    if math.isnan(found) or math.isnan(wanted):
        return math.isnan(found) and math.isnan(wanted)
    return bool(found == wanted or abs(found - wanted) <= max(tolerance, relative * abs(wanted)))
