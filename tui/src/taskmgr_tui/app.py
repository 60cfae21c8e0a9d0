"""The dashboard: which screens there are, and the keys that all of them have."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import ClassVar

from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from taskmgr_core.watching import Watcher
from taskmgr_tui.core.garbage import QUIET_SECONDS, Garbage
from taskmgr_tui.core.searching import Search
from taskmgr_tui.screens.asking import Help
from taskmgr_tui.screens.field import FieldScreen
from taskmgr_tui.screens.lineage import LineageScreen
from taskmgr_tui.screens.overview import OverviewScreen
from taskmgr_tui.screens.run import RunScreen
from taskmgr_tui.screens.runs import RunsScreen
from taskmgr_tui.screens.tasks import TaskScreen, TasksScreen, Trial
from taskmgr_tui.screens.trying import TryScreen
from taskmgr_tui.screens.view import View
from taskmgr_tui.screens.workers import LogScreen, WorkersScreen

LOOK_SECONDS = 1.0


class Dashboard(App[None]):
    """The dashboard.

    Arguments:
        watcher: what it asks.
        run_id: a run to begin with.
        window: whether it is a window of a served dashboard, which ends with its server.
        garbage: told of keys and of quiet moments; None where the process is not its own.
    """

    CSS_PATH = "dashboard.tcss"
    TITLE = "taskmgr"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "overview", "Overview", show=False),
        Binding("2", "runs", "Runs", show=False),
        Binding("3", "tasks", "Tasks", show=False),
        Binding("4", "workers", "Workers", show=False),
        Binding("slash", "search", "Search", show=False),
        Binding("d", "dark", "Dark/light", show=False),
        Binding("question_mark", "keys", "Help"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(
        self,
        watcher: Watcher,
        run_id: str | None = None,
        *,
        window: bool = False,
        garbage: Garbage | None = None,
    ) -> None:
        super().__init__()
        self.window, self.garbage = window, garbage
        self.animation_level = "none"  # what moves by itself costs a slow connection, and eyes
        self.watcher = watcher
        self.begin_with = run_id
        # Kept: making a screen takes longer than filling it.
        self._runs = RunsScreen(watcher)
        self._run = RunScreen(watcher, run_id or "")

    def on_mount(self) -> None:
        """Begin with the overview, or with a run above it."""
        self.install_screen(self._runs, "runs")
        self.install_screen(self._run, "run")
        self.push_screen(OverviewScreen(self.watcher))
        if self.begin_with is not None:
            self.push_screen(self._run)
        if self.garbage is not None:
            self.set_interval(QUIET_SECONDS, self.garbage.look)
        if self.window:
            server = os.getppid()
            self.set_interval(LOOK_SECONDS, lambda: self.exit() if os.getppid() != server else None)

    async def on_event(self, event: events.Event) -> None:
        """Handle it; of a key those are told before who then leave it the processor."""
        if isinstance(event, events.Key):
            if self.garbage is not None:
                self.garbage.pressed()
            if isinstance(self.screen, View) and self.screen.feed is not None:
                self.screen.feed.pressed()
        await super().on_event(event)

    def get_system_commands(self, _: Screen[object]) -> Iterable[SystemCommand]:
        """What the palette lists: our commands, then those of Textual that are of use here."""
        yield SystemCommand("Overview", "Queues, workers, tasks, services", self.action_overview)
        yield SystemCommand("Runs", "All runs, newest first", self.action_runs)
        yield SystemCommand("Tasks", "Versions, fields; try one", self.action_tasks)
        yield SystemCommand("Workers", "What they run; drain, stop, log", self.action_workers)
        failed = Search(status="failed")
        yield SystemCommand("Failed runs", "Only those", lambda: self.show_runs(failed))
        yield SystemCommand("Search runs", "By status, name, time or id", self.action_search)
        yield SystemCommand("Dark or light", "The other theme", self.action_dark)
        yield SystemCommand("Keys", "Every key", self.action_keys)
        yield SystemCommand("Quit", "Close the dashboard", self.action_quit)
        yield SystemCommand("Save a picture", "Of this screen, as SVG", self.deliver_screenshot)

    # which screen

    def action_overview(self) -> None:
        """The overview, whatever lies above it."""
        while len(self.screen_stack) > 2:
            self.pop_screen()

    def action_runs(self) -> None:
        """All runs."""
        self.show_runs(Search())

    def action_search(self) -> None:
        """The runs, with the field for a search open."""
        runs = self.show_runs(Search())
        runs.call_after_refresh(runs.action_search)

    def action_tasks(self) -> None:
        """The tasks."""
        self.action_overview()
        self.push_screen(TasksScreen(self.watcher))

    def action_workers(self) -> None:
        """The workers."""
        self.action_overview()
        self.push_screen(WorkersScreen(self.watcher))

    def show_runs(self, search: Search) -> RunsScreen:
        """The runs that are searched for, right above the overview."""
        runs = self._runs
        if runs in self.screen_stack:
            while self.screen is not runs:
                self.pop_screen()
            runs.look_for(search)
        else:
            self.action_overview()
            runs.begin_with(search)
            self.push_screen(runs)
        return runs

    def show_run(self, run_id: str) -> None:
        """A run, above what is seen: lineage leads from one to another."""
        if self._run in self.screen_stack:
            self.push_screen(RunScreen(self.watcher, run_id))
        else:
            self._run.begin_with(run_id)
            self.push_screen(self._run)

    def on_overview_screen_wanted(self, message: OverviewScreen.Wanted) -> None:
        """A task's runs, or a run."""
        if message.run:
            self.show_run(message.run)
        else:
            self.show_runs(Search(name=message.task))

    def on_runs_screen_opened(self, message: RunsScreen.Opened) -> None:
        """A run."""
        self.show_run(message.run)

    def on_tasks_screen_opened(self, message: TasksScreen.Opened) -> None:
        """A task."""
        self.push_screen(TaskScreen(self.watcher, message.task))

    def on_trial(self, message: Trial) -> None:
        """The form of a task."""
        self.push_screen(TryScreen(self.watcher, message.task, message.version))

    def on_try_screen_began(self, message: TryScreen.Began) -> None:
        """The run instead of the form that it was made with."""
        self.switch_screen(RunScreen(self.watcher, message.run))

    def on_workers_screen_log(self, message: WorkersScreen.Log) -> None:
        """The log of a worker."""
        self.push_screen(LogScreen(self.watcher, message.worker))

    def on_run_screen_lineage(self, message: RunScreen.Lineage) -> None:
        """The lineage of a value."""
        self.push_screen(LineageScreen(self.watcher, message.run, message.port))

    def on_run_screen_field(self, message: RunScreen.Field) -> None:
        """A value."""
        self.push_screen(FieldScreen(message.value))

    # what all screens have

    def action_keys(self) -> None:
        """Every key."""
        self.push_screen(Help())

    def action_dark(self) -> None:
        """The other theme."""
        self.theme = "textual-light" if self.current_theme.dark else "textual-dark"

    def let_go(self) -> None:
        """End every wait for the platform."""
        self.watcher.wake()
