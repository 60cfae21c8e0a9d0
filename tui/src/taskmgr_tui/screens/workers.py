"""The workers: what they use and run; telling them to leave; their logs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import DataTable

from taskmgr_core.attending import workers
from taskmgr_core.attending.workers import LogPart, LogPlace
from taskmgr_core.errors import NotFoundError
from taskmgr_core.report.formats import counted
from taskmgr_core.specs import Worker
from taskmgr_core.watching import Watcher
from taskmgr_tui.core import workerlist
from taskmgr_tui.core.cells import Cell
from taskmgr_tui.screens.asking import Question
from taskmgr_tui.screens.runs import RunsScreen
from taskmgr_tui.screens.view import View
from taskmgr_tui.widgets.lines import Line
from taskmgr_tui.widgets.tables import Table
from taskmgr_tui.widgets.texts import Texts

LOG_SECONDS = 1.0
Found = Sequence[tuple[Worker, bool]]


class WorkersScreen(View):
    """A table of the workers, and all that is known of the one under the cursor."""

    title_of = "Workers"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "log", "Log"),
        Binding("x", "leave('drain')", "Drain"),
        Binding("X", "leave('now')", "Stop now"),
    ]

    class Log(Message):
        """The log of a worker is to be followed."""

        def __init__(self, worker: str) -> None:
            super().__init__()
            self.worker = worker

    def __init__(self, watcher: Watcher) -> None:
        super().__init__(watcher)
        self._found: dict[str, Worker] = {}

    def body(self) -> Iterable[Widget]:
        """A line, the table, the details."""
        yield Line(id="headline")
        yield Table(workerlist.COLUMNS, workerlist.NUMBERS, id="workers")
        with Vertical(classes="panel", id="details-panel"):
            yield Texts(id="details")

    def on_mount(self) -> None:
        """The table has the keys."""
        self.query_one("#workers").focus()

    def ask(self) -> Found:
        """Read the workers: one query."""
        return sorted(self.watcher.workers(), key=lambda each: (not each[1], each[0].id))

    def show(self, found: Any) -> None:
        """Fill the table."""
        self._found = {worker.id: worker for worker, _ in found}
        self.query_one("#workers", Table).fill(workerlist.rows(found, self.watcher.clock()))
        living = [worker for worker, alive in found if alive]
        busy, slots = sum(len(e.running) for e in living), sum(e.slots for e in living)
        said = [Cell(f"{counted(len(living), 'worker')} alive, {busy} of {slots} slots busy")]
        if not found:
            said = [Cell("nobody works: taskmgr worker start", "busy")]
        self.query_one("#headline", Line).show(said)
        self._show_details()

    @property
    def chosen(self) -> Worker | None:
        """The worker under the cursor."""
        return self._found.get(self.query_one("#workers", Table).current or "")

    def on_data_table_row_highlighted(self) -> None:
        """Another one."""
        self._show_details()

    def on_data_table_row_selected(self, message: DataTable.RowSelected) -> None:
        """The first run that it has a step of."""
        worker = self._found.get(message.row_key.value or "")
        if worker is not None and worker.running:
            self.post_message(RunsScreen.Opened(worker.running[0].partition("/")[0]))
        else:
            self.complain("it runs nothing now")

    def action_log(self) -> None:
        """Follow its log."""
        if (worker := self.chosen) is not None:
            self.post_message(self.Log(worker.id))

    def action_leave(self, how: Literal["drain", "now"]) -> None:
        """Tell it to leave, once the user has said that it is meant."""
        if (worker := self.chosen) is None:
            return
        running = counted(len(worker.running), "step")
        text, yes = (
            (f"Drain {worker.id}? It takes nothing more and leaves when its {running} ended.",
             "Drain it")
            if how == "drain"
            else (f"Stop {worker.id} now? Its {running} are given back, for other workers.",
                  "Stop it")
        )  # fmt: skip

        def answered(meant: bool | None) -> None:
            if meant:
                self.do(lambda: self.watcher.tell(worker.id, how), told)

        def told(_: None) -> None:
            self.notify(f"{worker.id} is told to leave", markup=False)
            self.action_hurry()

        self.app.push_screen(Question(text, yes), answered)

    def _show_details(self) -> None:
        worker, panel = self.chosen, self.query_one("#details-panel")
        panel.border_title = "" if worker is None else worker.id
        lines = [] if worker is None else workerlist.details(worker, self.watcher.clock())
        self.query_one("#details", Texts).show(lines)


class LogScreen(View):
    """The log of a worker, followed.

    Arguments:
        watcher: asked.
        worker: its id.
    """

    every = LOG_SECONDS

    def __init__(self, watcher: Watcher, worker: str) -> None:
        super().__init__(watcher)
        self.worker = worker
        self.title_of = f"log of {worker}"
        self._place: LogPlace | None = None

    def body(self) -> Iterable[Widget]:
        """A line and the lines of the log."""
        yield Line(id="headline")
        yield Texts(id="lines")

    def on_mount(self) -> None:
        """The lines have the keys."""
        self.query_one("#lines").focus()

    def ask(self) -> tuple[Worker, LogPlace | None, LogPart]:
        """Read what was written since; one that has left has no log that we would know of."""
        known = {each.id: each for each, _ in self.watcher.workers()}
        if self.worker not in known:
            raise NotFoundError(f"worker {self.worker} has left; this is what it had logged")
        seen = self._place
        return known[self.worker], seen, workers.log_part(known[self.worker], seen)

    def show(self, found: Any) -> None:
        """Add the new lines; an answer that comes twice is shown once."""
        worker, seen, part = found
        lines = self.query_one("#lines", Texts)
        if part.problem:
            self.query_one("#headline", Line).show([Cell(f"! {part.problem}", "busy")])
            return
        self.query_one("#headline", Line).show(
            [Cell(f"{worker.log}  ", "strong"), Cell("followed; G to its end", "quiet")]
        )
        if seen != self._place:
            return
        self._place = part.place
        new = [[Cell("the log goes on in a new file", "odd")]] if part.anew else []
        lines.add([*new, *([Cell(each)] for each in part.lines)])
