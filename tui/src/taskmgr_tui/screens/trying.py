"""A task is tried: a form for its inputs, and then its run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Button

from taskmgr_core.attending.tasks import Submitted
from taskmgr_core.errors import Problem
from taskmgr_core.inputs import InvalidInputsError
from taskmgr_core.specs import TaskVersion
from taskmgr_core.watching import Watcher
from taskmgr_tui.core.cells import Cell
from taskmgr_tui.core.forms import entries_of, fault_of, sorted_faults, values_of
from taskmgr_tui.screens.view import View
from taskmgr_tui.widgets.forms import FormField
from taskmgr_tui.widgets.lines import Line

# A version does not change; it is asked for once, and again only while the store is away.
SECONDS = 3600.0


class TryScreen(View):
    """The form.

    Arguments:
        watcher: asked.
        task: its name.
        version: which one; None for the one that new runs get.
    """

    every = SECONDS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r", "run", "Run it"),
        Binding("tab", "app.focus_next", "Next field"),
    ]

    class Began(Message):
        """The run of what was entered."""

        def __init__(self, run: str) -> None:
            super().__init__()
            self.run = run

    def __init__(self, watcher: Watcher, task: str, version: str | None = None) -> None:
        super().__init__(watcher)
        self.task_name, self.version = task, version
        self.title_of = f"try {task}"
        self.folder = watcher.working
        self._known: TaskVersion | None = None
        self._sending = False

    def body(self) -> Iterable[Widget]:
        """A line, the fields, the button."""
        yield Line(id="headline")
        yield VerticalScroll(id="form", can_focus=False)

    def ask(self) -> TaskVersion:
        """Read the version."""
        return self.watcher.version(self.task_name, self.version)

    def show(self, found: Any) -> None:
        """Build the form, once: what somebody has entered stays."""
        if self._known is not None:
            return
        self._known = found
        self._say([])
        form = self.query_one("#form")
        fields = [FormField(each, self.folder) for each in entries_of(found.task.inputs)]
        form.mount(*fields, Button("Run it", variant="primary", compact=True, id="send"))
        self.call_after_refresh(fields[0].take if fields else self.query_one("#send").focus)

    @property
    def fields(self) -> list[FormField]:
        """The fields of the form."""
        return [*self.query(FormField)]

    def on_form_field_changed(self, message: FormField.Changed) -> None:
        """Say at once what is wrong with what is being typed."""
        field = message.field
        field.say(fault_of(field.entry, field.text, self.watcher, self.folder))

    def on_form_field_entered(self) -> None:
        """Enter in a field."""
        self.action_run()

    def on_button_pressed(self) -> None:
        """The button."""
        self.action_run()

    def action_run(self) -> None:
        """Submit what was entered, in a thread: files are stored, which takes its time."""
        known = self._known
        if known is None or self._sending:
            return
        self._sending = True
        fields = self.fields
        inputs = values_of([each.entry for each in fields], {e.entry.name: e.text for e in fields})

        def send() -> Submitted | tuple[Problem, ...]:
            try:
                return self.watcher.submit(known.name, known.version, inputs)
            except InvalidInputsError as error:
                return error.problems

        self.do(send, self._sent)

    def complain(self, why: str) -> None:
        """What was entered stays, and can be sent again."""
        self._sending = False
        super().complain(why)

    def _sent(self, came: Submitted | tuple[Problem, ...]) -> None:
        self._sending = False
        if isinstance(came, Submitted):
            if came.waits:
                self.notify(
                    "no worker takes it now; it waits for one: taskmgr worker start",
                    severity="warning",
                )
            self.post_message(self.Began(came.run))
            return
        fields = self.fields
        beside, above = sorted_faults([each.entry for each in fields], came)
        for each in fields:
            each.say(beside.get(each.entry.name, ""))
        self._say(above)
        wrong = [each for each in fields if each.entry.name in beside]
        if wrong:
            wrong[0].take()

    def _say(self, problems: list[str]) -> None:
        known = self._known
        cells = [Cell(f"{each}  ", "bad") for each in problems]
        if known is not None and not problems:
            cells = [
                Cell(f"{known.name} {known.version}  ", "strong"),
                Cell(f"paths from {self.folder}; → takes a suggestion", "quiet"),
            ]
        self.query_one("#headline", Line).show(cells)
