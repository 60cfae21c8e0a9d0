"""What a benchmark gives: figures, each with what is wanted of it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

import attrs


@attrs.frozen
class Figure:
    """One measured number.

    Attributes:
        name: its key in ``bench.json``.
        value: as measured.
        unit: ``ms``, ``s``, ``ratio``, ...
        wanted: the limit; None for a number that only explains others.
        at_most: whether the limit is an upper one.
        note: what it was measured against.
    """

    name: str
    value: float
    unit: str
    wanted: float | None = None
    at_most: bool = True
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the number is as wanted; None where nothing is wanted."""
        if self.wanted is None:
            return None
        return self.value <= self.wanted if self.at_most else self.value >= self.wanted


def median(samples: Sequence[float]) -> float:
    """The middle sample."""
    return statistics.median(samples)


def table(figures: Sequence[Figure]) -> str:
    """The figures as a text table."""
    marks = {True: "holds", False: "MISSED", None: ""}
    rows = [("name", "value", "unit", "wanted", "", "note")]
    for each in figures:
        sign = "<=" if each.at_most else ">="
        wanted = "" if each.wanted is None else f"{sign} {each.wanted:g}"
        value = f"{each.value:.3g}" if each.value < 100 else f"{each.value:.0f}"
        rows.append((each.name, value, each.unit, wanted, marks[each.holds], each.note))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def write(figures: Sequence[Figure], path: Path) -> None:
    """Write ``{name: {value, unit, wanted, holds}}``, keeping other figures that are there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(path.read_text()) if path.exists() else {}
    for each in figures:
        known[each.name] = {
            "value": round(each.value, 4),
            "unit": each.unit,
            "wanted": each.wanted,
            "holds": each.holds,
        }
    path.write_text(json.dumps(known, indent=2) + "\n")
