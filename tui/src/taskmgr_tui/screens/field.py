"""One value in full."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from taskmgr_core.report.formats import size
from taskmgr_core.specs import FieldValue
from taskmgr_tui.core.cells import Cell
from taskmgr_tui.core.rundown import whole
from taskmgr_tui.widgets.texts import Texts

MOST_LINES = 2000


class FieldScreen(ModalScreen[None]):
    """A value, over the screen that it was chosen on."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "close", "Close")]

    def __init__(self, value: FieldValue) -> None:
        super().__init__()
        self.value = value

    def compose(self) -> ComposeResult:
        """The facts, then the JSON."""
        texts = Texts(id="whole", classes="dialog wide")
        texts.border_title = self.value.port
        yield texts

    def on_mount(self) -> None:
        """Show the value."""
        value = self.value
        made = f"made by step {value.producer}" if value.producer else "given to the run"
        facts = [Cell(f"{value.type}, {size(value.size)}, {made}", "strong")]
        lines = [[Cell(each)] for each in whole(value).splitlines()]
        cut = [[Cell(f"... and {len(lines) - MOST_LINES} lines more", "odd")]]
        rest = cut if len(lines) > MOST_LINES else []
        digest = [Cell(value.digest, "quiet")]
        self.query_one(Texts).show([facts, digest, [], *lines[:MOST_LINES], *rest])
        self.query_one(Texts).focus()

    def action_close(self) -> None:
        """Back."""
        self.dismiss(None)
