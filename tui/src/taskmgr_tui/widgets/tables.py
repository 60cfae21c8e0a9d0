"""A table that can be filled again and again under the eyes of who reads it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Literal

from rich.cells import cell_len
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from taskmgr_tui.core.cells import Cell
from taskmgr_tui.widgets.tones import style_of


class Table(DataTable[Text]):
    """Rows with keys; the cursor stays on its row when others come and go.

    Arguments:
        columns: the headings.
        numbers: those whose cells are aligned right.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Open"),
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
        Binding("h", "scroll_left", "Left", show=False),
        Binding("g", "scroll_top", "First", show=False),
        Binding("G", "scroll_bottom", "Last", show=False),
    ]

    def __init__(
        self, columns: Sequence[str], numbers: Collection[str] = (), **attributes: Any
    ) -> None:
        super().__init__(cursor_type="row", zebra_stripes=False, **attributes)
        self.headings = tuple(columns)
        self.numbers = frozenset(numbers)
        self._shown: dict[str, tuple[Cell, ...]] = {}

    def on_mount(self) -> None:
        """Make the columns; draw anew where the colours change."""
        for each in self.headings:
            self.add_column(self._heading(each), key=each, width=cell_len(each))
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw_all())

    def fill(self, rows: Mapping[str, tuple[Cell, ...]]) -> None:
        """Show these rows and no others; what is as it was is not drawn again."""
        before, current = self._shown, self.current
        self._shown = dict(rows)
        if list(rows) != list(before) or self._widths(rows) != self._widths(before):
            self._draw_all(current)
            return
        for key, cells in rows.items():
            for heading, new, old in zip(self.headings, cells, before[key], strict=True):
                if new != old:
                    self.update_cell(key, heading, self._text(heading, new))

    @property
    def current(self) -> str | None:
        """The key of the row that the cursor is on."""
        keys = list(self._shown)
        return keys[self.cursor_row] if 0 <= self.cursor_row < len(keys) else None

    def _draw_all(self, current: str | None = None) -> None:
        current, top = current or self.current, self.scroll_offset.y
        self.clear()
        # Widths that a table finds out by itself come too late: it keeps what it drew before.
        for column, width in zip(self.ordered_columns, self._widths(self._shown), strict=True):
            column.auto_width, column.width = False, width
        for key, cells in self._shown.items():
            self.add_row(*map(self._text, self.headings, cells), key=key)
        if current in self._shown:
            self.move_cursor(row=list(self._shown).index(current), scroll=False)
            self.scroll_to(y=top, animate=False)

    def _widths(self, rows: Mapping[str, tuple[Cell, ...]]) -> list[int]:
        columns = zip(*rows.values(), strict=True) if rows else ((),) * len(self.headings)
        return [
            max([cell_len(heading), *(cell_len(each.text) for each in cells)])
            for heading, cells in zip(self.headings, columns, strict=True)
        ]

    def _heading(self, name: str) -> Text:
        return Text(name, justify=self._justify(name))

    def _text(self, heading: str, cell: Cell) -> Text:
        style = style_of(cell.tone, dark=self.app.current_theme.dark)
        return Text(cell.text, style=style, justify=self._justify(heading), no_wrap=True, end="")

    def _justify(self, heading: str) -> Literal["left", "right"]:
        return "right" if heading in self.numbers else "left"
