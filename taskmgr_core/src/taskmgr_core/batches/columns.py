"""The columns of a batch's results: who it was, which run, and the declared result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

import attrs

from taskmgr_core.batches.running import BatchResult
from taskmgr_core.documents import canonical, digest_of
from taskmgr_core.errors import ConflictError
from taskmgr_core.specs import Graph, ResultSpec
from taskmgr_plugins.schemas import TYPE_KEY

ITEM, RUN, BATCH = "item", "run", "batch"
OWN = (ITEM, RUN, BATCH)
Row = dict[str, Any]
Kind = Literal["string", "integer", "number", "boolean", "json"]
_SCALARS: tuple[Kind, ...] = ("string", "integer", "number", "boolean")


@attrs.frozen
class Columns:
    """The columns of one batch.

    Attributes:
        batch: what tells it from others: the pipeline, and a digest of what is the same
            for all its items.
        entries: entry of the result -> its column.
        kinds: column -> what it holds; ``json`` is written as text where a cell holds one value.
    """

    batch: str
    entries: Mapping[str, str]
    kinds: Mapping[str, Kind]

    @classmethod
    def of(cls, graph: Graph, constants: Mapping[str, Any], version: str | None = None) -> Columns:
        """The columns for a graph.

        Arguments:
            graph: the compiled pipeline.
            constants: the inputs that are the same for all items, as they were given.
            version: of a task, where one was asked for.
        """
        same = {**constants, **({"version": version} if version else {})}
        digest = digest_of(canonical(same)).rpartition(":")[2][:8]
        entries = {name: f"result_{name}" if name in OWN else name for name in graph.result}
        own: dict[str, Kind] = dict.fromkeys(OWN, "string")
        kinds = {entries[name]: _kind(graph, each) for name, each in graph.result.items()}
        batch = f"{graph.name}-{digest}" if same else graph.name
        return cls(batch, entries, {**own, **kinds})

    def row(self, result: BatchResult) -> Row:
        """The row of an item that succeeded.

        Raises:
            ConflictError: the result has other entries than when the batch began.
        """
        found = result.result or {}
        if found.keys() - self.entries.keys():
            more = ", ".join(sorted(found.keys() - self.entries.keys()))
            raise ConflictError(
                f"run {result.run} gave {more}, which the results have no column for: another "
                f"version was published meanwhile; begin again with another --out"
            )
        own = {ITEM: result.item.id, RUN: result.run, BATCH: self.batch}
        return own | {column: found.get(name) for name, column in self.entries.items()}

    def cells(self, row: Row) -> Row:
        """A row of single values: JSON as text."""
        return {
            name: json.dumps(row.get(name), ensure_ascii=False)
            if kind == "json" and row.get(name) is not None
            else row.get(name)
            for name, kind in self.kinds.items()
        }

    def values(self, cells: Row) -> Row:
        """The row that ``cells`` was made of."""
        return {
            name: json.loads(cells[name])
            if kind == "json" and cells[name] is not None
            else cells[name]
            for name, kind in self.kinds.items()
        }


def _kind(graph: Graph, entry: str | ResultSpec) -> Kind:
    schema = graph.schemas.get(entry, {}) if isinstance(entry, str) else {}
    for scalar in _SCALARS:
        if schema.get("type") == scalar and TYPE_KEY not in schema:
            return scalar
    return "json"
