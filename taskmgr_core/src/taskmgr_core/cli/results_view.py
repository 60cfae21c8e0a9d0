"""The result of a run on the terminal: a table for each list, a line for everything else."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Table

from taskmgr_core.cli.cells import cell, exact, flat, is_records
from taskmgr_core.cli.screen import Screen, facts, plain, table
from taskmgr_core.report.formats import counted

MOST_ROWS = 40
MOST_SIDE_BY_SIDE = 3
GAP = 2


def print_result(screen: Screen, result: Mapping[str, Any]) -> None:
    """Print a result, whatever is in it.

    Arguments:
        screen: the terminal.
        result: name -> JSON, arrays as lists.
    """
    lists = {name: value for name, value in result.items() if is_records(value)}
    rest = {name: value for name, value in result.items() if name not in lists}
    if rest:
        screen.print(facts([(name, plain(exact(value))) for name, value in _rows_of(rest)]))
    for name, entries in lists.items():
        screen.heading(name, counted(len(entries), "entry", "entries"))
        for each in _tables(entries, screen.out.width):
            screen.print(each)
        if len(entries) > MOST_ROWS:
            screen.line(f"... and {len(entries) - MOST_ROWS} more; --json has all", style="dim")


def _rows_of(rest: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Objects are told field by field."""
    yield from flat(rest)


@attrs.frozen
class _Column:
    """A field of all entries.

    Attributes:
        path: the names that lead to it.
        cells: one for each entry.
        numeric: whether all are numbers.
    """

    path: tuple[str, ...]
    cells: tuple[str, ...]
    numeric: bool

    @property
    def width(self) -> int:
        return max(map(cell_len, (*self.cells, *self.path))) + GAP


def _tables(entries: Sequence[Mapping[str, Any]], width: int) -> Iterator[RenderableType]:
    """One table where it fits; else one field below another, or several tables."""
    columns, same = _columns([dict(flat(each)) for each in entries[:MOST_ROWS]])
    if sum(each.width for each in columns) <= width:
        yield _table(columns)
    elif len(entries) <= MOST_SIDE_BY_SIDE:
        yield _turned(columns)
    else:
        yield from _several(columns, width)
    if same:
        yield ""
        yield facts([(f"{name} in all", plain(value, "dim")) for name, value in same.items()])


def _columns(rows: Sequence[Mapping[str, Any]]) -> tuple[list[_Column], dict[str, str]]:
    """The columns, and apart from them the fields that are the same in all of several rows."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns, same = [], {}
    for position, name in enumerate(names):
        cells = tuple(cell(row[name]) if name in row else "" for row in rows)
        values = [row.get(name) for row in rows]
        if position and len(rows) > 1 and len(set(cells)) == 1 and _is_scalar(values[0]):
            same[name] = cells[0]
        else:
            numeric = all(isinstance(value, int | float) for value in values)
            columns.append(_Column(tuple(name.split(".")), cells, numeric))
    return columns, same


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _several(columns: Sequence[_Column], width: int) -> Iterator[RenderableType]:
    """Tables that fit the width, each beginning with the first column."""
    first, *others = columns
    while others:
        count = _fitting(others, width - first.width)
        yield _table([first, *others[:count]])
        others = others[count:]
        if others:
            yield ""


def _fitting(columns: Sequence[_Column], room: int) -> int:
    """For how many columns there is room, one at least; what belongs together stays together."""
    used = list(itertools.accumulate(each.width for each in columns))
    most = max(sum(each <= room for each in used), 1)
    for count in range(most, 0, -1):
        if count == len(columns) or columns[count].path[0] != columns[count - 1].path[0]:
            return count
    return most


def _table(columns: Sequence[_Column]) -> Table:
    made = table()
    depth = max(len(each.path) for each in columns)
    before: tuple[str, ...] = ()
    for each in columns:
        made.add_column(
            plain("\n".join(_heading(each.path, before, depth))),
            justify="right" if each.numeric else "left",
            no_wrap=True,
        )
        before = each.path
    for row in zip(*(each.cells for each in columns), strict=True):
        made.add_row(*(plain(each) for each in row))
    return made


def _heading(path: tuple[str, ...], before: tuple[str, ...], depth: int) -> list[str]:
    """The name at the bottom, above it what it belongs to, said once for neighbours."""
    *groups, name = path
    shown = [
        "" if path[: level + 1] == before[: level + 1] else group
        for level, group in enumerate(groups)
    ]
    return [*shown, *[""] * (depth - len(path)), name]


def _turned(columns: Sequence[_Column]) -> Table:
    """One field below another, the entries side by side."""
    made = table()
    for _ in range(1 + len(columns[0].cells)):
        made.add_column(overflow="fold")
    made.show_header = False
    for each in columns:
        made.add_row(plain(".".join(each.path), "dim"), *(plain(text) for text in each.cells))
    return made
