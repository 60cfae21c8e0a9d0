"""Pictures made of half blocks: every terminal with colours can show them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from taskmgr_tui.core.pictures import Drawn

NONE = "no picture was given or made"


class HalfBlocks(VerticalScroll):
    """Pictures, one below the other."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False),
        Binding("k", "scroll_up", "Up", show=False),
        Binding("g", "scroll_home", "First", show=False),
        Binding("G", "scroll_end", "Last", show=False),
    ]

    def compose(self) -> ComposeResult:
        """All of them as one text."""
        yield Static("drawing ...", markup=False)

    def show(self, pictures: Sequence[Drawn]) -> None:
        """Show these."""
        lines = [line for each in pictures for line in _lines(each)]
        self.query_one(Static).update(Content("\n").join(lines) if lines else NONE)


def _lines(picture: Drawn) -> Iterator[Content]:
    found = [part for label, colour in picture.legend for part in ((" ■ ", colour), label)]
    yield Content.assemble((picture.name, "bold"), *found, ("   v: in full", "dim"))
    if picture.problem:
        yield Content(f"! {picture.problem}")
    for row in picture.rows:
        yield Content.assemble(*(("▀", f"rgb{upper} on rgb{lower}") for upper, lower in row))
    yield Content("")
