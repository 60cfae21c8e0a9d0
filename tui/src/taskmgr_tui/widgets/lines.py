"""A line of texts, each in the colour of its meaning."""

from __future__ import annotations

from collections.abc import Iterable

from textual.widgets import Static

from taskmgr_tui.core.cells import Cell
from taskmgr_tui.widgets.tones import content


class Line(Static):
    """Texts side by side; they keep their meanings when the theme changes."""

    _cells: tuple[Cell, ...] = ()
    _long: bool = True

    def on_mount(self) -> None:
        """Draw anew where the colours change."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())

    def on_resize(self) -> None:
        """What fitted on a line may not do so any more."""
        self._long = True

    def show(self, cells: Iterable[Cell]) -> None:
        """Show these; where they are those that are shown nothing is drawn."""
        if (new := tuple(cells)) != self._cells:
            self._cells = new
            self._draw()

    def _draw(self) -> None:
        """Draw; only a text that may take, or took, more than a line has the screen laid out."""
        shown = content(self._cells, dark=self.app.current_theme.dark)
        long = not shown or shown.cell_length > self.content_size.width
        self.update(shown, layout=long or self._long)
        self._long = long
