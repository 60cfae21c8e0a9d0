"""A line of texts, each in the colour of its meaning."""

from __future__ import annotations

from collections.abc import Iterable

from textual.widgets import Static

from taskmgr_tui.core.cells import Cell
from taskmgr_tui.widgets.tones import content


class Line(Static):
    """Texts side by side; they keep their meanings when the theme changes."""

    _cells: tuple[Cell, ...] = ()

    def on_mount(self) -> None:
        """Draw anew where the colours change."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())

    def show(self, cells: Iterable[Cell]) -> None:
        """Show these."""
        self._cells = tuple(cells)
        self._draw()

    def _draw(self) -> None:
        self.update(content(self._cells, dark=self.app.current_theme.dark))
