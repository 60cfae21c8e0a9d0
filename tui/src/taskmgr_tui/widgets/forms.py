"""A field of a form: what it takes, where it is entered, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Checkbox, Input, Select

from taskmgr_tui.core.cells import Cell
from taskmgr_tui.core.forms import Entry, paths_of
from taskmgr_tui.widgets.lines import Line

MOST_SHOWN = 8


class Paths(Suggester):
    """How a path can go on; the arrow to the right takes it.

    Arguments:
        folder: what relative paths start from.
        pictures: whether only pictures are meant.
    """

    def __init__(self, folder: Path, *, pictures: bool) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.folder, self.pictures = folder, pictures

    def found(self, text: str) -> list[str]:
        """All ways."""
        return paths_of(text, self.folder, pictures=self.pictures)

    async def get_suggestion(self, value: str) -> str | None:
        """The first way."""
        return next(iter(self.found(value)), None)


class FormField(Vertical):
    """A field.

    Arguments:
        entry: what it is for.
        folder: what relative paths start from.
    """

    class Changed(Message):
        """What stands in it is another text."""

        def __init__(self, field: FormField) -> None:
            super().__init__()
            self.field = field

    class Entered(Message):
        """Enter was pressed in it."""

    def __init__(self, entry: Entry, folder: Path) -> None:
        super().__init__(id=f"field-{entry.name}", classes="field")
        self.entry = entry
        self._paths = (
            Paths(folder, pictures=entry.kind == "picture")
            if entry.kind in ("file", "picture")
            else None
        )

    def compose(self) -> ComposeResult:
        """Name and type, the field, what is wrong."""
        yield Line(classes="name")
        yield self._control()
        yield Line(classes="fault")

    def on_mount(self) -> None:
        """Say what it takes."""
        entry = self.entry
        always = entry.required or entry.kind == "boolean"
        needed = "" if always else "  may be left empty"
        cells = [Cell(entry.name, "strong"), Cell(f"  {entry.type}{needed}", "quiet")]
        self.query_one(".name", Line).show(cells)

    @property
    def text(self) -> str:
        """What stands in it; empty for nothing."""
        control = self.query_one(".control")
        if isinstance(control, Checkbox):
            return "true" if control.value else "false"
        if isinstance(control, Select):
            return "" if control.is_blank() else str(control.value)
        return control.value if isinstance(control, Input) else ""

    def say(self, fault: str) -> None:
        """Show what is wrong with it; empty where nothing is, then how a path can go on."""
        cells = [Cell(f"✗ {fault}", "bad")] if fault else [Cell(self._ways(), "quiet")]
        self.query_one(".fault", Line).show(cells)

    def take(self) -> None:
        """Give it the keys."""
        self.query_one(".control").focus()

    def on_input_changed(self, message: Input.Changed) -> None:
        """Tell of it."""
        message.stop()
        self.post_message(self.Changed(self))

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Tell of it."""
        message.stop()
        self.post_message(self.Entered())

    def on_checkbox_changed(self, message: Checkbox.Changed) -> None:
        """Tell of it."""
        message.stop()
        self.post_message(self.Changed(self))

    def on_select_changed(self, message: Select.Changed) -> None:
        """Tell of it."""
        message.stop()
        self.post_message(self.Changed(self))

    def _control(self) -> Widget:
        entry = self.entry
        if entry.kind == "boolean":
            return Checkbox("yes", entry.preset == "true", compact=True, classes="control")
        if entry.kind == "choice":
            shown = [(each, each) for each in entry.choices]
            return Select(shown, prompt=entry.hint or "choose", compact=True, classes="control")
        return Input(placeholder=entry.hint, suggester=self._paths, compact=True, classes="control")

    def _ways(self) -> str:
        if self._paths is None or not self.text:
            return ""
        ways = [each for each in self._paths.found(self.text) if each != self.text]
        found = [each.rstrip("/").rpartition("/")[2] for each in ways]
        more = " …" if len(found) > MOST_SHOWN else ""
        return "  ".join(found[:MOST_SHOWN]) + more
