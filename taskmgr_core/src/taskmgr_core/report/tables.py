"""The result of a run as tables, whatever it is: records, joined records, single values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from taskmgr_core.report.cells import NONE, Cell, cell, is_single
from taskmgr_core.report.formats import printable, shortened, words
from taskmgr_core.report.overlays import Overlay, identity
from taskmgr_core.specs import Graph, ResultSpec, RunDetail

ROWS = 500
_COLUMNS = 48
_DEEPEST = 3
_SOURCE = "source"

FieldPath = tuple[str, ...]
Schema = Mapping[str, Any]


@attrs.frozen
class Heading:
    """The head of a column or of a group of columns.

    Attributes:
        text: what it says.
        span: how many columns it heads.
        source: the port that its values come from, where that is one.
        number: whether all its values are numbers.
    """

    text: str
    span: int = 1
    source: str = ""
    number: bool = False


@attrs.frozen
class Row:
    """A record: its name, its values, and the item on a picture that it is about."""

    head: str
    cells: tuple[Cell, ...]
    item: int | None = None


@attrs.frozen
class Table:
    """A declared result as a table.

    Attributes:
        name: of the result.
        source: the port it comes from; empty for joined ports.
        head: what the rows are named by.
        groups: the upper row of headings; empty where there is but one.
        columns: the headings of the cells.
        rows: at most ``ROWS``.
        count: how many rows there are.
    """

    name: str
    source: str
    head: str
    groups: tuple[Heading, ...]
    columns: tuple[Heading, ...]
    rows: tuple[Row, ...]
    count: int


@attrs.frozen
class Fact:
    """A single value of a result."""

    name: str
    source: str
    cell: Cell


@attrs.frozen
class ResultView:
    """A run's result: what is a list of records, and what is single values."""

    tables: tuple[Table, ...]
    facts: tuple[Fact, ...]


def result_view(detail: RunDetail, overlays: Sequence[Overlay]) -> ResultView:
    """Bring the assembled result into tables.

    Arguments:
        detail: the run.
        overlays: what is drawn, so that rows can show the colour of their marks.
    """
    tables: list[Table] = []
    facts: list[Fact] = []
    items = _items(overlays)
    for name, value in (detail.result or {}).items():
        if name not in detail.run.graph.result:
            continue  # the platform's own summary: the page has sections for it
        declared = detail.run.graph.result[name]
        if isinstance(declared, ResultSpec):
            tables.append(_joined(name, value, declared, detail.run.graph, items))
        elif _is_records(value):
            schema = detail.run.graph.schemas.get(declared, {}).get("items", {})
            tables.append(_listed(name, value, declared, schema, items))
        else:
            schema = detail.run.graph.schemas.get(declared, {})
            facts += [
                Fact(" · ".join(map(words, (name, *path))), declared, shown)
                for path, shown in _flattened(value, schema)
            ]
    return ResultView(tuple(tables), tuple(facts))


def _items(overlays: Sequence[Overlay]) -> dict[tuple[str, str], int]:
    """Which item a key of a joined result, or an element of a port, is on the pictures."""
    items: dict[tuple[str, str], int] = {}
    for overlay in overlays:
        for mark in overlay.marks:
            if mark.result:
                items[mark.result, identity(mark.key)] = mark.item
            elif mark.path:
                items[mark.port, identity(mark.path[0])] = mark.item
    return items


def _is_records(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(not is_single(each, {}) for each in value)
    )


def _joined(
    name: str,
    value: Any,
    declared: ResultSpec,
    graph: Graph,
    items: Mapping[tuple[str, str], int],
) -> Table:
    entries = [each for each in value if isinstance(each, Mapping)] if _is_list(value) else []
    schemas = {
        inner: graph.schemas.get(port, {}).get("items", {})
        for inner, port in declared.ports.items()
    }
    records: list[tuple[str, int | None, dict[FieldPath, Cell]]] = []
    for entry in entries[:ROWS]:
        key = entry.get(declared.join)
        cells = {
            (inner, *path): shown
            for inner in declared.ports
            for path, shown in _flattened(_without_source(entry.get(inner)), schemas[inner])
        }
        records.append((str(key), items.get((name, identity(key))), cells))
    return _table(name, "", declared.join, records, len(entries), declared.ports)


def _listed(
    name: str,
    value: Sequence[Any],
    port: str,
    schema: Any,
    items: Mapping[tuple[str, str], int],
) -> Table:
    records = [
        (str(index + 1), items.get((port, identity(index))), dict(_flattened(element, schema)))
        for index, element in enumerate(value[:ROWS])
    ]
    return _table(name, port, "#", records, len(value), {})


def _table(
    name: str,
    source: str,
    head: str,
    records: Sequence[tuple[str, int | None, Mapping[FieldPath, Cell]]],
    count: int,
    ports: Mapping[str, str],
) -> Table:
    paths = _grouped(dict.fromkeys(path for _, _, cells in records for path in cells))[:_COLUMNS]
    columns = tuple(
        Heading(
            shortened(" · ".join(map(words, path[1:] if ports else path)) or "value", 60),
            number=all(cells.get(path, NONE).kind in ("number", "none") for _, _, cells in records),
        )
        for path in paths
    )
    rows = tuple(
        Row(shortened(key, 60), tuple(cells.get(path, NONE) for path in paths), item)
        for key, item, cells in records
    )
    return Table(
        name,
        source,
        words(head),
        tuple(_groups(paths, ports)) if ports else (),
        columns,
        rows,
        count,
    )


def _grouped(paths: Mapping[FieldPath, None]) -> list[FieldPath]:
    """The columns with equal beginnings brought together, otherwise in order of appearance."""
    order = {first: at for at, first in enumerate(dict.fromkeys(path[:1] for path in paths))}
    return sorted(paths, key=lambda path: order[path[:1]])


def _groups(paths: Sequence[FieldPath], ports: Mapping[str, str]) -> Iterator[Heading]:
    for first in dict.fromkeys(path[0] for path in paths):
        span = sum(path[0] == first for path in paths)
        yield Heading(shortened(words(first), 60), span, ports.get(first, ""))


def _flattened(value: Any, schema: Any, path: FieldPath = ()) -> Iterator[tuple[FieldPath, Cell]]:
    """The fields of nested objects, each with the names that lead to it."""
    schema = _record_schema(schema)
    if is_single(value, schema) or len(path) >= _DEEPEST:
        yield path, cell(value, schema)
        return
    properties = schema.get("properties", {})
    for name, inner in value.items():
        yield from _flattened(inner, properties.get(name, {}), (*path, printable(str(name))))


def _record_schema(schema: Any) -> Schema:
    """The schema itself, or the alternative of an optional value that is not null."""
    if not isinstance(schema, Mapping):
        return {}
    choices = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    return choices[0] if len(choices) == 1 and isinstance(choices[0], Mapping) else schema


def _without_source(element: Any) -> Any:
    """The port's id stands over the columns already."""
    if not isinstance(element, Mapping):
        return element
    return {name: value for name, value in element.items() if name != _SOURCE}


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)
