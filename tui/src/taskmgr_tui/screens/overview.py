"""The overview: queues, workers, tasks, services."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import DataTable

from taskmgr_core.health import ServiceHealth
from taskmgr_core.watching import Watcher
from taskmgr_tui.core import overview
from taskmgr_tui.core.cells import Cell
from taskmgr_tui.core.feed import Failed, Feed, Told
from taskmgr_tui.screens.view import View
from taskmgr_tui.widgets.lines import Line
from taskmgr_tui.widgets.tables import Table

SERVICES_SECONDS = 10.0


class OverviewScreen(View):
    """The platform at a glance."""

    title_of = "Overview"
    every = 1.0

    class Services(Message):
        """How the services are."""

        def __init__(self, answer: Told | Failed) -> None:
            super().__init__()
            self.answer = answer

    class Wanted(Message):
        """The runs of a task, or one run, are to be shown."""

        def __init__(self, *, task: str = "", run: str = "") -> None:
            super().__init__()
            self.task, self.run = task, run

    def __init__(self, watcher: Watcher) -> None:
        super().__init__(watcher)
        self._services: Feed | None = None
        self._run_of: dict[str, str] = {}

    def body(self) -> Iterable[Widget]:
        """Two lines and three tables."""
        yield Line(id="headline")
        yield Line(id="services")
        for name, columns in (
            ("queues", overview.QUEUE_COLUMNS),
            ("workers", overview.WORKER_COLUMNS),
            ("tasks", overview.TASK_COLUMNS),
        ):
            with Vertical(classes="panel", id=f"{name}-panel") as panel:
                panel.border_title = name.capitalize()
                yield Table(columns, overview.NUMBERS, id=name)

    def ask(self) -> overview.Overview:
        """Read the platform."""
        return overview.look(self.watcher)

    def show(self, found: Any) -> None:
        """Fill the tables."""
        self.query_one("#headline", Line).show(overview.headline(found))
        self.query_one("#queues", Table).fill(overview.queue_rows(found))
        self.query_one("#workers", Table).fill(overview.worker_rows(found))
        self.query_one("#tasks", Table).fill(overview.task_rows(found))
        self._say_below("workers", overview.nobody(found))
        span = f"steps that ended in the last {max(found.window.minutes, 0.1):.2g} min"
        self._say_below("tasks", span)
        self._run_of = {
            worker.id: worker.running[0].partition("/")[0]
            for worker, _ in found.picture.workers
            if worker.running
        }

    def on_screen_resume(self) -> None:
        """Ask the services too, in a thread of their own: one that hangs must not hide the rest."""
        self._stop_services()
        self._services = Feed(
            self.watcher,
            self.watcher.services,
            lambda answer: self.post_message(self.Services(answer)),
            SERVICES_SECONDS,
        )
        self._services.start()

    def on_screen_suspend(self) -> None:
        """Ask no more."""
        self._stop_services()

    def on_unmount(self) -> None:
        """Ask no more."""
        self._stop_services()

    def on_overview_screen_services(self, message: Services) -> None:
        """Show how the services are."""
        line = self.query_one("#services", Line)
        if isinstance(message.answer, Failed):
            line.show([Cell(f"! services: {message.answer.why}", "bad")])
        else:
            services: Sequence[ServiceHealth] = message.answer.found
            line.show(overview.services_line(services))

    def on_data_table_row_selected(self, message: DataTable.RowSelected) -> None:
        """A task's runs, or the run that a worker runs."""
        key = message.row_key.value or ""
        if message.data_table.id == "tasks":
            self.post_message(self.Wanted(task=key))
        elif run := self._run_of.get(key, ""):
            self.post_message(self.Wanted(run=run))

    def _say_below(self, table: str, text: str) -> None:
        """Write below a table; a border that is set is drawn with all that it has in it."""
        panel = self.query_one(f"#{table}-panel")
        if text != panel.border_subtitle:
            panel.border_subtitle = text

    def _stop_services(self) -> None:
        if self._services is not None:
            self._services.stop()
            self._services = None
