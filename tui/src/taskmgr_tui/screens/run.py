"""One run: graph, timeline, fields, pictures, log, failure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from textual import events
from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widget import Widget
from textual.widgets import DataTable, Tree

from taskmgr_core.specs import FieldValue
from taskmgr_core.watching import Watcher
from taskmgr_tui.core import pictures, rundown, viewing
from taskmgr_tui.core.graphics import Pixels
from taskmgr_tui.screens.steering import Steering
from taskmgr_tui.widgets.graphs import Graph
from taskmgr_tui.widgets.halfblocks import HalfBlocks
from taskmgr_tui.widgets.lines import Line
from taskmgr_tui.widgets.tables import Table
from taskmgr_tui.widgets.tabs import Tab, Tabs
from taskmgr_tui.widgets.texts import Texts

# A run that has ended does not change any more; its log may still grow for a moment.
ENDED_SECONDS = 30.0


class RunScreen(Steering):
    """A run and all that is recorded of it.

    Arguments:
        watcher: asked.
        run_id: the run's full id.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left_square_bracket", "tab(-1)", "Tab before", show=False),
        Binding("right_square_bracket", "tab(1)", "Next tab", key_display="[ ]"),
        Binding("l", "lineage", "Lineage"),
        Binding("v", "view", "Pictures", show=False),
    ]

    class Lineage(Message):
        """The lineage of a value is to be shown."""

        def __init__(self, run: str, port: str) -> None:
            super().__init__()
            self.run, self.port = run, port

    class Field(Message):
        """A value is to be shown in full."""

        def __init__(self, value: FieldValue) -> None:
            super().__init__()
            self.value = value

    def __init__(self, watcher: Watcher, run_id: str) -> None:
        super().__init__(watcher)
        self.begin_with(run_id)

    def begin_with(self, run_id: str) -> None:
        """Show this run, as if the screen had been made for it."""
        self.run_id = self._run = run_id
        self.title_of = f"run {run_id[-8:]}"
        self.told, self._last_line = None, 0
        self._view: rundown.RunView | None = None
        self._drawn: tuple[FieldValue, ...] | None = None
        if self.is_mounted:
            self.query_one("#headline", Line).show([])
            self.query_one(Graph).show([])
            self.query_one("#values", Table).fill({})
            self.query_one(HalfBlocks).show([])
            for each in self.query(Texts):
                each.show([])

    def body(self) -> Iterable[Widget]:
        """A line, and a tab for each way to look at it."""
        yield Line(id="headline")
        values = Table(rundown.FIELD_COLUMNS, rundown.FIELD_NUMBERS, id="values")
        yield Tabs(
            [
                Tab("graph", "Graph", Graph(id="cards")),
                Tab("timeline", "Timeline", Texts(id="bars")),
                Tab("fields", "Fields", values),
                Tab("picture", "Picture", HalfBlocks(id="pictures")),
                Tab("log", "Log", Texts(id="lines")),
                Tab("failure", "Failure", Texts(id="tracebacks")),
            ],
            id="tabs",
        )

    def ask(self) -> rundown.RunView:
        """Read the run."""
        return rundown.look(self.watcher, self.chosen, self._last_line)

    def show(self, found: Any) -> None:
        """Fill every tab."""
        first, self._view = self._view is None, found
        view: rundown.RunView = found
        self.query_one("#headline", Line).show(rundown.headline(view))
        self.query_one(Graph).show(rundown.cards(view))
        self._draw_timeline()
        self.query_one("#values", Table).fill(rundown.field_rows(view))
        self.query_one("#tracebacks", Texts).show(rundown.failure_text(view))
        new = [each for each in view.lines if each.number > self._last_line]
        if new:
            self._last_line = new[-1].number
            self.query_one("#lines", Texts).add(map(rundown.log_line, new))
            self.action_hurry()  # there may be another page
        if self.feed is not None:
            self.feed.every = ENDED_SECONDS if view.ended else self.every
        if first:
            failed = view.detail.run.status == "failed"
            self.query_one(Tabs).open("failure" if failed else "graph")

    @property
    def chosen(self) -> str:
        """This run."""
        return self._run

    def on_tabs_activated(self, message: Tabs.Activated) -> None:
        """Draw the pictures, once they are wanted: it takes a while, and a thread."""
        if message.name == "picture":
            self._draw_pictures()

    def on_resize(self, _: events.Resize) -> None:
        """The timeline is as wide as the screen."""
        self._draw_timeline()

    def on_tree_node_selected(self, message: Tree.NodeSelected[str]) -> None:
        """A port: its value in full."""
        self._show_field(message.node.data)

    def on_data_table_row_selected(self, message: DataTable.RowSelected) -> None:
        """A field: its value in full."""
        self._show_field(message.row_key.value)

    def action_tab(self, by: int) -> None:
        """The tab beside this one."""
        self.query_one(Tabs).open_beside(by)

    def action_lineage(self) -> None:
        """Where the field under the cursor came from, or on Failure what was given."""
        if port := self._port():
            self.post_message(self.Lineage(self.chosen, port))
        else:
            self.complain("put the cursor on a field that has a value, in Graph or Fields")

    def action_view(self) -> None:
        """The pictures in the terminal's full resolution, where it has one."""
        if (view := self._view) is not None:
            self.do(lambda: pictures.whole(self.watcher, view.detail), self._view_all)

    def _view_all(self, found: Sequence[tuple[str, Pixels]]) -> None:
        if not found:
            self.complain("no picture was given or made")
            return
        try:
            with self.app.suspend():
                shown = viewing.view(viewing.Place(0, 1), found)
        except SuspendNotSupported:
            self.complain("in a browser, or without a terminal, there are half blocks alone")
            return
        self.refresh()
        if not shown:
            self.complain(
                "this terminal shows half blocks alone: it says neither that it has Kitty's "
                "graphics nor that it has Sixel"
            )

    def _draw_timeline(self) -> None:
        if self._view is not None:
            lines = rundown.timeline(self._view, max(self.size.width - 4, 40))
            self.query_one("#bars", Texts).show(lines)

    def _draw_pictures(self) -> None:
        view, blocks = self._view, self.query_one(HalfBlocks)
        if view is None or view.detail.values == self._drawn:
            return
        self._drawn = view.detail.values
        columns, lines = max(self.size.width - 4, 20), max(self.size.height - 8, 8)
        self.do(lambda: pictures.draw_all(self.watcher, view.detail, columns, lines), blocks.show)

    def _port(self) -> str | None:
        """The port with a value that the cursor is on."""
        active = self.query_one(Tabs).active
        if active == "failure" and self._view is not None:
            port = rundown.suspect(self._view)
        elif active == "graph":
            port = self.query_one(Graph).current
        else:
            port = self.query_one(Table).current
        return port if self._value(port) is not None else None

    def _value(self, port: str | None) -> FieldValue | None:
        if self._view is None or port is None:
            return None
        values = {each.port: each for each in self._view.detail.values}
        found = values.get(port)
        while found is not None and found.source:
            found = values.get(found.source)
        return found

    def _show_field(self, port: str | None) -> None:
        if (value := self._value(port)) is not None:
            self.post_message(self.Field(value))
