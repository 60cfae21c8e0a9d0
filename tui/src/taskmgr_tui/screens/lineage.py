"""Lineage: up and down from a value, across runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from taskmgr_core.report.formats import counted
from taskmgr_core.watching import Watcher
from taskmgr_tui.core import ancestry
from taskmgr_tui.core.ancestry import Ancestry
from taskmgr_tui.core.cells import Cell
from taskmgr_tui.screens.run import RunScreen
from taskmgr_tui.screens.runs import RunsScreen
from taskmgr_tui.screens.view import View
from taskmgr_tui.widgets.lineages import LineageTree
from taskmgr_tui.widgets.lines import Line

# What was recorded of a value does not change; new runs may have been made from it.
SECONDS = 60.0


class LineageScreen(View):
    """A tree with a value in its middle: above what it was made from, below what it led to.

    Arguments:
        watcher: asked.
        run: the run's full id.
        port: of the value.
    """

    every = SECONDS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "open", "Open its run"),
    ]

    def __init__(self, watcher: Watcher, run: str, port: str) -> None:
        super().__init__(watcher)
        self.run, self.port = run, port
        self.title_of = f"lineage of {port}, run {run[-8:]}"
        self._known: Ancestry | None = None

    def body(self) -> Iterable[Widget]:
        """A line and the tree."""
        yield Line(id="headline")
        yield LineageTree(id="tree")

    def on_mount(self) -> None:
        """The tree has the keys."""
        self.query_one(LineageTree).focus()

    def ask(self) -> tuple[Ancestry, str]:
        """Read the run, and the runs around it."""
        return ancestry.begun(self.watcher, self.run, self.port)

    def show(self, found: Any) -> None:
        """Build the tree; later answers change nothing of what somebody has opened."""
        if self._known is not None:
            return
        self._known, digest = found
        self.query_one(LineageTree).begin(found[0], digest)
        self._draw_headline()

    def on_lineage_tree_further(self, message: LineageTree.Further) -> None:
        """Ask for the other runs that have a file, and then show what came of it."""
        known = self._known
        if known is None:
            return

        def extended() -> Ancestry:
            more = known.copy()
            more.extend(self.watcher, message.digest)
            return more

        def show(more: Ancestry) -> None:
            self._known = more
            self.query_one(LineageTree).grow(more, message.node)
            self._draw_headline()

        self.do(extended, show)

    def on_tree_node_selected(self) -> None:
        """The value in full."""
        node = self.query_one(LineageTree).current
        if node is not None:
            self.post_message(RunScreen.Field(node.value))

    def action_open(self) -> None:
        """The run in which the value was made."""
        node = self.query_one(LineageTree).current
        if node is not None:
            self.post_message(RunsScreen.Opened(next(iter(node.places)).run))

    def _draw_headline(self) -> None:
        nodes = {} if self._known is None else self._known.nodes
        runs = {place.run for node in nodes.values() for place in node.places}
        self.query_one("#headline", Line).show(
            [
                Cell(f"{counted(len(nodes), 'value')} in {counted(len(runs), 'run')}   ", "strong"),
                Cell("equal values are one; space opens a branch, o its run", "quiet"),
            ]
        )
