"""The runs: paged and filtered by the store, live."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import Any, ClassVar

import attrs
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.suggester import SuggestFromList
from textual.widget import Widget
from textual.widgets import DataTable, Input

from taskmgr_core.attending.runs import LOOKED
from taskmgr_core.errors import InvalidValueError
from taskmgr_core.specs.runs import RUN_STATUSES, RunStatus
from taskmgr_core.watching import Watcher
from taskmgr_tui.core import listing
from taskmgr_tui.core.cells import Cell
from taskmgr_tui.core.searching import Search, parsed
from taskmgr_tui.screens.steering import Steering
from taskmgr_tui.widgets.lines import Line
from taskmgr_tui.widgets.tables import Table

EMPTY_SECONDS = 0.3
# A search in inputs looks at many runs: for so long what it has found is good enough.
INPUTS_SECONDS = 15.0


class RunsScreen(Steering):
    """A table of runs.

    Arguments:
        watcher: asked.
        search: which runs to begin with.
    """

    title_of = "Runs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search"),
        Binding("s", "status", "Status"),
        Binding("n", "next", "Older"),
        Binding("p", "previous", "Page before", show=False),
    ]

    class Opened(Message):
        """A run is to be shown."""

        def __init__(self, run: str) -> None:
            super().__init__()
            self.run = run

    def __init__(self, watcher: Watcher, search: Search | None = None) -> None:
        super().__init__(watcher)
        self.search = search or Search()
        self._before: list[str] = []  # the page that is shown, and those before it
        self._next: str | None = None
        self._partly = False
        self._kept: tuple[tuple[Search, str | None], float, listing.Listing] | None = None

    def body(self) -> Iterable[Widget]:
        """What is searched for, and the table."""
        yield Line(id="searched")
        field = Input(
            id="search", placeholder="failed face_processing since:2h in:ada.png, or an id"
        )
        field.display = False
        yield field
        yield Table(listing.COLUMNS, listing.NUMBERS, id="runs")

    def on_mount(self) -> None:
        """Say at once what is listed; the table has the keys."""
        self._draw_searched()
        self.query_one("#runs").focus()

    def ask(self) -> listing.Listing:
        """Read the page; looking into inputs again is not worth each change of some run."""
        page = (self.search, self._before[-1] if self._before else None)
        kept, now = self._kept, time.monotonic()
        if kept is not None and kept[0] == page and now - kept[1] < INPUTS_SECONDS:
            return attrs.evolve(kept[2], at=self.watcher.clock())
        found = listing.look(self.watcher, *page)
        self._kept = (page, now, found) if self.search.text else None
        return found

    def show(self, found: Any) -> None:
        """Fill the table."""
        self._next, self._partly = found.next, found.partly
        self.query_one("#runs", Table).fill(listing.rows(found))
        self._draw_searched()

    @property
    def chosen(self) -> str | None:
        """The run that the cursor is on; none while the list is that of the question before."""
        return None if self.told is None else self.query_one("#runs", Table).current

    def look_for(self, search: Search) -> None:
        """List these runs from now on, or open the one that is meant."""
        if search.run:
            self.do(lambda: self.watcher.run(search.run).run.id, self._open)
            return
        self.search, self._before = search, []
        self._turn()

    def begin_with(self, search: Search) -> None:
        """List these runs when it is shown next: it is kept while other screens are."""
        self.search, self._before, self._next, self.told = search, [], None, None
        if self.is_mounted:
            self.query_one("#runs", Table).fill({})
            self._close_field()
            self._draw_searched()

    def on_data_table_row_selected(self, message: DataTable.RowSelected) -> None:
        """Open the run."""
        if self.told is not None:
            self._open(message.row_key.value or "")

    def action_search(self) -> None:
        """Ask what to search for; the names come when they come."""
        field = self.query_one("#search", Input)
        field.value, field.display = str(self.search), True
        field.focus()
        self.do(self.watcher.names, self._suggest)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Search; what means nothing stays in the field."""
        text, now = message.value, self.watcher.clock()
        self.do(self.watcher.names, lambda names: self._search(text, names, now))

    def action_back(self) -> None:
        """Out of the field, then out of the search, then to the screen below."""
        if self.query_one("#search").display:
            self._close_field()
        elif self.search != Search():
            self.look_for(Search())
        else:
            super().action_back()

    def action_hurry(self) -> None:
        """Ask now, whatever is known."""
        self._kept = None
        super().action_hurry()

    def action_status(self) -> None:
        """The next status, and after the last one all."""
        ways: list[RunStatus | None] = [None, *RUN_STATUSES]
        found = ways[(ways.index(self.search.status) + 1) % len(ways)]
        search = self.search
        self.look_for(attrs.evolve(search, status=found))

    def action_next(self) -> None:
        """Older runs."""
        if self._next is not None:
            self._before.append(self._next)
            self._turn()

    def action_previous(self) -> None:
        """Newer runs."""
        if self._before:
            self._before.pop()
            self._turn()

    def _turn(self) -> None:
        self._next = None
        self.query_one("#runs", Table).expect_another()
        self._draw_searched()
        self.ask_anew()
        self.set_timer(EMPTY_SECONDS, self._empty)

    def _empty(self) -> None:
        """Where the answer takes long, what is listed must not pass for it."""
        if self.told is None:
            self.query_one("#runs", Table).fill({})

    def _search(self, text: str, names: Collection[str], now: float) -> None:
        try:
            search = parsed(text, names, now)
        except InvalidValueError as error:
            self.complain(str(error))
            return
        self._close_field()
        self.look_for(search)

    def _suggest(self, names: Collection[str]) -> None:
        self.query_one("#search", Input).suggester = SuggestFromList([*RUN_STATUSES, *names])

    def _close_field(self) -> None:
        self.query_one("#search").display = False
        self.query_one("#runs").focus()

    def _open(self, run: str) -> None:
        self.post_message(self.Opened(run))

    def _draw_searched(self) -> None:
        found = str(self.search)
        page = f"page {len(self._before) + 1}" + ("" if self._next is None else ", n: older")
        if self._partly:
            page += f"; {LOOKED:,} runs were looked at, n looks at older ones"
        what = [Cell(f"only {found}", "busy")] if found else [Cell("all runs", "strong")]
        self.query_one("#searched", Line).show([*what, Cell(f"   {page}", "quiet")])
