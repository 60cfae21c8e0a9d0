"""The tasks, and one task: its versions, fields, virtualenvs and runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widget import Widget
from textual.widgets import DataTable

from taskmgr_core.watching import Watcher
from taskmgr_tui.core import listing, tasklist
from taskmgr_tui.core.cells import Cell
from taskmgr_tui.screens.runs import RunsScreen
from taskmgr_tui.screens.view import View
from taskmgr_tui.widgets.lines import Line
from taskmgr_tui.widgets.tables import Table
from taskmgr_tui.widgets.tabs import Tab, Tabs
from taskmgr_tui.widgets.texts import Texts


class Trial(Message):
    """A task is to be tried."""

    def __init__(self, task: str, version: str | None = None) -> None:
        super().__init__()
        self.task, self.version = task, version


class TasksScreen(View):
    """A table of the published tasks."""

    title_of = "Tasks"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "try", "Try it"),
    ]

    class Opened(Message):
        """A task is to be shown."""

        def __init__(self, task: str) -> None:
            super().__init__()
            self.task = task

    def body(self) -> Iterable[Widget]:
        """A line and the table."""
        yield Line(id="headline")
        yield Table(tasklist.COLUMNS, tasklist.NUMBERS, id="tasks")

    def on_mount(self) -> None:
        """The table has the keys."""
        self.query_one("#tasks").focus()

    def ask(self) -> tasklist.TaskList:
        """Read the tasks."""
        return tasklist.look(self.watcher)

    def show(self, found: Any) -> None:
        """Fill the table."""
        self.query_one("#tasks", Table).fill(tasklist.rows(found))
        if not found.known:
            said = [Cell("no task is published yet: taskmgr publish DIR", "busy")]
        else:
            span = f"{max(found.window.minutes, 0.1):.2g} min"
            said = [Cell(f"steps and times are of the last {span}; t tries a task", "quiet")]
        self.query_one("#headline", Line).show(said)

    def on_data_table_row_selected(self, message: DataTable.RowSelected) -> None:
        """Open the task."""
        self.post_message(self.Opened(message.row_key.value or ""))

    def action_try(self) -> None:
        """A form for the inputs of the task under the cursor."""
        if (task := self.query_one("#tasks", Table).current) is not None:
            self.post_message(Trial(task))


class TaskScreen(View):
    """A task.

    Arguments:
        watcher: asked.
        task: its name.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left_square_bracket", "tab(-1)", "Tab before", show=False),
        Binding("right_square_bracket", "tab(1)", "Next tab", key_display="[ ]"),
        Binding("t", "try", "Try it"),
    ]

    def __init__(self, watcher: Watcher, task: str) -> None:
        super().__init__(watcher)
        self.task_name = task
        self.title_of = f"task {task}"
        self._view: tasklist.TaskView | None = None

    def body(self) -> Iterable[Widget]:
        """A line, and a tab for each way to look at it."""
        yield Line(id="headline")
        runs = Table(listing.COLUMNS, listing.NUMBERS, id="runs")
        environments = Table(tasklist.ENVIRONMENT_COLUMNS, id="environment")
        yield Tabs(
            [
                Tab("versions", "Versions", Table(tasklist.VERSION_COLUMNS, id="version")),
                Tab("fields", "Fields", Texts(id="schemas")),
                Tab("environments", "Virtualenvs", environments),
                Tab("latest", "Runs", runs),
            ],
            id="tabs",
        )

    def on_mount(self) -> None:
        """The versions have the keys."""
        self.query_one("#version").focus()

    def ask(self) -> tasklist.TaskView:
        """Read the task."""
        return tasklist.look_at(self.watcher, self.task_name)

    def show(self, found: Any) -> None:
        """Fill every tab."""
        first, self._view = self._view is None, found
        self.query_one("#headline", Line).show(tasklist.headline(found))
        versions = tasklist.version_rows(found)
        self.query_one("#version", Table).fill(versions)
        if first:  # on what most new runs get
            current = [*versions].index(found.book.current.known.version)
            self.query_one("#version", Table).move_cursor(row=current)
        self.query_one("#runs", Table).fill(tasklist.run_rows(found))
        self._show_version()

    def on_data_table_row_highlighted(self, message: DataTable.RowHighlighted) -> None:
        """Another version: its fields and virtualenvs."""
        if message.data_table.id == "version":
            self._show_version()

    def on_data_table_row_selected(self, message: DataTable.RowSelected) -> None:
        """A run is opened; of a version the fields are shown."""
        if message.data_table.id == "runs":
            self.post_message(RunsScreen.Opened(message.row_key.value or ""))
        elif message.data_table.id == "version":
            self.query_one(Tabs).open("fields")

    def action_tab(self, by: int) -> None:
        """The tab beside this one."""
        self.query_one(Tabs).open_beside(by)

    def action_try(self) -> None:
        """A form for the inputs of the version under the cursor."""
        self.post_message(Trial(self.task_name, self.chosen))

    @property
    def chosen(self) -> str | None:
        """The version under the cursor."""
        return self.query_one("#version", Table).current

    def _show_version(self) -> None:
        if (view := self._view) is not None:
            chosen = self.chosen
            self.query_one("#schemas", Texts).show(tasklist.field_lines(view, chosen))
            rows = tasklist.environment_rows(view, chosen)
            self.query_one("#environment", Table).fill(rows)
