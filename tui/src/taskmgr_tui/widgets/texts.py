"""Many lines of texts in their colours, which can be scrolled, and which may grow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from taskmgr_tui.core.cells import Cell
from taskmgr_tui.widgets.tones import content

MOST_LINES = 5000


class Texts(VerticalScroll):
    """Lines, one below the other; the last ``MOST_LINES`` of them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False),
        Binding("k", "scroll_up", "Up", show=False),
        Binding("g", "scroll_home", "First", show=False),
        Binding("G", "scroll_end", "Last", show=False),
    ]

    _lines: Sequence[Sequence[Cell]] = ()

    def compose(self) -> ComposeResult:
        """One text, as high as its lines."""
        yield Static(markup=False)

    def on_mount(self) -> None:
        """Draw anew where the colours change."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())

    def show(self, lines: Sequence[Sequence[Cell]]) -> None:
        """Show these lines and no others."""
        if list(lines) != list(self._lines):
            self._lines = lines
            self._draw()

    def add(self, lines: Iterable[Sequence[Cell]]) -> None:
        """Show further lines; whoever is at the end stays at the end."""
        follows = self.scroll_offset.y >= self.max_scroll_y
        if new := list(lines):
            self._lines = [*self._lines, *new][-MOST_LINES:]
            self._draw()
            if follows:
                self.scroll_end(animate=False)

    def _draw(self) -> None:
        dark = self.app.current_theme.dark
        shown = Content("\n").join(content(line, dark=dark) for line in self._lines)
        self.query_one(Static).update(shown)
