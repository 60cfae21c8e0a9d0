"""What values were made from and what was made from them, over all runs that were looked at.

A value is its content: equal digests are one node, in however many runs and ports it is.
Inside a run the recorded edges are followed; from one run into another files alone, because
that two runs had an equal number says nothing about where it came from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

import attrs

from taskmgr_core.errors import NotFoundError
from taskmgr_core.report.formats import short_digest, size
from taskmgr_core.specs import Edge, FieldValue
from taskmgr_core.watching import Watcher
from taskmgr_tui.core.cells import Cell
from taskmgr_tui.core.rundown import preview

Way = Literal["up", "down"]


@attrs.frozen
class Place:
    """Where a value stands: a port of a run; ``producer`` is the step that made it."""

    run: str
    port: str
    producer: str


@attrs.define
class Node:
    """A value.

    Attributes:
        value: as one of its places has it.
        places: all that are known.
        up, down: the digests of what it was made from, and of what was made from it, in the
            order in which they became known.
    """

    value: FieldValue
    places: dict[Place, None] = attrs.field(factory=dict)
    up: dict[str, None] = attrs.field(factory=dict)
    down: dict[str, None] = attrs.field(factory=dict)

    @property
    def is_file(self) -> bool:
        """Whether it is a file, or has files inside, by which other runs are reached."""
        document = self.value.document
        alone = isinstance(document, Mapping) and "$artifact" in document
        return alone or bool(self.value.artifacts)


@attrs.define
class Ancestry:
    """The nodes that are known, by digest."""

    nodes: dict[str, Node] = attrs.field(factory=dict)
    _runs: set[str] = attrs.field(factory=set)
    _asked: set[str] = attrs.field(factory=set)

    def add(self, run: str, values: Iterable[FieldValue], edges: Iterable[Edge]) -> None:
        """Add a run, or a part of it; what is known stays."""
        ports = {}
        for value in values:
            ports[value.port] = value.digest
            if value.source:
                continue
            node = self.nodes.setdefault(value.digest, Node(value))
            node.places[Place(run, value.port, value.producer)] = None
            for file in value.artifacts:
                if file in self.nodes and file != value.digest:
                    self._connect(file, value.digest)
        for edge in edges:
            source, target = ports.get(edge.source), ports.get(edge.target)
            if source in self.nodes and target in self.nodes and source != target:
                self._connect(str(source), str(target))

    def around(self, digest: str, way: Way) -> list[str]:
        """What a value was made from, or what was made from it."""
        node = self.nodes[digest]
        return [*(node.up if way == "up" else node.down)]

    def open_files(self, digest: str) -> list[str]:
        """The files of a value that no other run was asked about yet."""
        node = self.nodes[digest]
        files = [digest, *node.value.artifacts] if node.is_file else []
        return [each for each in dict.fromkeys(files) if each not in self._asked]

    def extend(self, watcher: Watcher, digest: str) -> None:
        """Ask for the other runs that have a value's files; a page of each direction.

        It waits for the store: call it in a thread, on an ancestry that nobody reads
        meanwhile.
        """
        for file in self.open_files(digest):
            self._asked.add(file)
            try:
                found = watcher.trace(file)
            except NotFoundError:
                continue
            for part in (*found.made_from.parts, *found.led_to.parts):
                if part.run not in self._runs:
                    self.add_run(watcher, part.run)

    def add_run(self, watcher: Watcher, run: str) -> None:
        """Add all of a run; it waits for the store."""
        self._runs.add(run)
        detail = watcher.run(run)
        self.add(run, detail.values, detail.edges)

    def copy(self) -> Ancestry:
        """Another one with the same nodes, to be extended while this one is shown."""
        made = Ancestry()
        made._runs, made._asked = set(self._runs), set(self._asked)
        for digest, node in self.nodes.items():
            made.nodes[digest] = Node(node.value, {**node.places}, {**node.up}, {**node.down})
        return made

    def _connect(self, source: str, target: str) -> None:
        self.nodes[target].up[source] = None
        self.nodes[source].down[target] = None


def begun(watcher: Watcher, run: str, port: str) -> tuple[Ancestry, str]:
    """The ancestry of one value of a run, and its digest; it waits for the store.

    Raises:
        NotFoundError: the run has no such value.
    """
    ancestry = Ancestry()
    detail = watcher.run(run)
    ancestry.add(detail.run.id, detail.values, detail.edges)
    ancestry._runs.add(detail.run.id)
    digest = next((each.digest for each in detail.values if each.port == port), None)
    if digest is None or digest not in ancestry.nodes:
        raise NotFoundError(f"run {run} has no value {port!r}")
    ancestry.extend(watcher, digest)
    return ancestry, digest


def label(node: Node, seen: Collection[str]) -> list[Cell]:
    """A node on one line.

    Arguments:
        node: the value.
        seen: the digests that stand in the tree already.
    """
    place = next(iter(node.places))
    runs = len({each.run for each in node.places})
    others = f" and {runs - 1} more" if runs > 1 else ""
    origin = f"step {place.producer}" if place.producer else "given"
    again = "↑ see above: " if node.value.digest in seen else ""
    return [
        Cell(again, "odd"),
        Cell(place.port, "good" if place.producer else "waiting"),
        Cell(f"  {node.value.type} {size(node.value.size)}", "quiet"),
        Cell(f"  {preview(node.value, 40)}"),
        Cell(f"  {origin}, run {place.run[-8:]}{others}", "quiet"),
        Cell(f"  {short_digest(node.value.digest)}", "quiet"),
    ]
