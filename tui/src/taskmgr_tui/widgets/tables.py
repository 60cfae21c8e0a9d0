"""A table that can be filled again and again under the eyes of who reads it.

It draws the lines that are seen, and of those the cells that have changed: Textual's own
table draws all that it shows anew, through rich, whenever one cell changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import attrs
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size, Spacing
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from taskmgr_tui.core.cells import Cell
from taskmgr_tui.widgets.tones import rich_style_of

HEADER_LINES = 1
PADDING = 1  # columns on each side of a cell


@attrs.frozen
class RowKey:
    """What a row is called."""

    value: str


class Table(ScrollView, can_focus=True):
    """Rows with keys; the cursor stays on its row when others come and go.

    Arguments:
        columns: the headings.
        numbers: those whose cells are aligned right.
    """

    DEFAULT_CSS = """
    Table {
        background: $surface;
        color: $foreground;
        & > .table--header { text-style: bold; background: $panel; color: $foreground; }
        & > .table--hover { background: $block-hover-background; }
        & > .table--cursor {
            background: $block-cursor-blurred-background;
            color: $block-cursor-blurred-foreground;
            text-style: $block-cursor-blurred-text-style;
        }
        &:focus {
            background-tint: $foreground 5%;
            & > .table--header { background-tint: $foreground 5%; }
            & > .table--cursor {
                background: $block-cursor-background;
                color: $block-cursor-foreground;
                text-style: $block-cursor-text-style;
            }
        }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"table--header", "table--cursor", "table--hover"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Open"),
        Binding("j,down", "cursor(1)", "Down", show=False),
        Binding("k,up", "cursor(-1)", "Up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("g,ctrl+home", "scroll_top", "First", show=False),
        Binding("G,ctrl+end", "scroll_bottom", "Last", show=False),
        Binding("h,left", "scroll_left", "Left", show=False),
        Binding("right", "scroll_right", "Right", show=False),
    ]

    cursor_row: reactive[int] = reactive(0, repaint=False)
    hover_row: reactive[int | None] = reactive(None, repaint=False)

    class RowSelected(Message, namespace="data_table"):
        """A row was chosen; it is handled as that of Textual's own table."""

        def __init__(self, table: Table, key: str) -> None:
            super().__init__()
            self.data_table, self.row_key = table, RowKey(key)

        @property
        def control(self) -> Table:
            """The table."""
            return self.data_table

    class RowHighlighted(RowSelected, namespace="data_table"):
        """The cursor is on another row; it is handled as that of Textual's own table."""

    def __init__(
        self, columns: Sequence[str], numbers: Collection[str] = (), **attributes: Any
    ) -> None:
        super().__init__(**attributes)
        self.headings = tuple(columns)
        self.numbers = frozenset(numbers)
        self._keys: list[str] = []
        self._cells: list[tuple[Cell, ...]] = []
        self._widths = self._least = [cell_len(each) for each in self.headings]
        self._another = False
        self._ground = Style()
        self.virtual_size = self._extent()

    def on_mount(self) -> None:
        """Draw anew where the colours change."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self.refresh())

    # what is shown

    def fill(self, rows: Mapping[str, tuple[Cell, ...]]) -> None:
        """Show these rows and no others; what is as it was is not drawn again."""
        current, before = self.current, self._cells
        self._keys, self._cells = list(rows), list(rows.values())
        # A column does not get narrower while the rows change: that would make all of them jump.
        known = self._widths if rows and not self._another else self._least
        self._widths = [
            max([width, *(cell_len(row[column].text) for row in self._cells)])
            for column, width in enumerate(known)
        ]
        if self._widths != known or not rows or not before or self._another:
            self.refresh()
        else:
            self._refresh_changed(before)
        if (extent := self._extent()) != self.virtual_size:
            self.virtual_size = extent
        if self._another:
            self._another = False
            self.cursor_row = 0
        else:
            self._place_cursor(current)
        if self.current != current:
            self._tell()

    def move_cursor(self, row: int) -> None:
        """Put the cursor on a row, which is scrolled to."""
        self.cursor_row = row

    def _tell(self) -> None:
        """Tell on which row the cursor is."""
        if self.current is not None:
            self.post_message(self.RowHighlighted(self, self.current))

    def expect_another(self) -> None:
        """What it is filled with next is another list, and begins with its first row."""
        self._another = True

    @property
    def rows(self) -> dict[RowKey, tuple[Cell, ...]]:
        """What is shown."""
        return {RowKey(key): row for key, row in zip(self._keys, self._cells, strict=True)}

    @property
    def current(self) -> str | None:
        """The key of the row that the cursor is on."""
        return self._keys[self.cursor_row] if 0 <= self.cursor_row < len(self._keys) else None

    def _place_cursor(self, key: str | None) -> None:
        """The cursor goes with its row; where that is gone it stays where it is."""
        before = self.cursor_row
        at = self._keys.index(key) if key in self._keys else self.validate_cursor_row(before)
        if at != before:
            self.set_reactive(Table.cursor_row, at)  # what is seen is not scrolled
            self._refresh_row(before)
            self._refresh_row(at)

    # drawing

    def render_lines(self, crop: Region) -> list[Strip]:
        """Some lines; what all of them are drawn on is looked up once."""
        self._ground = self.rich_style
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """One line of what is seen, the headings first."""
        width, (across, down) = self.size.width, self.scroll_offset
        row = y - HEADER_LINES + down
        if y < HEADER_LINES:
            style = self.get_component_rich_style("table--header")
            cells = [(each, style) for each in self.headings]
        elif row < len(self._cells):
            style = self._style_of(row)
            cells = [(each.text, self._toned(each, style, row)) for each in self._cells[row]]
        else:
            return Strip.blank(width, self._ground)
        strip = Strip(self._segments(cells, style)).crop(across, across + width)
        return strip.adjust_cell_length(width, style)

    def _segments(self, cells: Sequence[tuple[str, Style]], style: Style) -> Iterator[Segment]:
        padding = Segment(" " * PADDING, style)
        for heading, width, (text, toned) in zip(self.headings, self._widths, cells, strict=True):
            room = " " * (width - cell_len(text))
            shown = room + text if heading in self.numbers else text + room
            if toned == style:
                yield Segment(f"{padding.text}{shown}{padding.text}", style)
            else:
                yield from (padding, Segment(shown, toned), padding)

    def _style_of(self, row: int) -> Style:
        """How a line is drawn where nothing stands."""
        style = self._ground
        if row == self.hover_row:
            style += self.get_component_rich_style("table--hover")
        if row == self.cursor_row:
            style += self.get_component_rich_style("table--cursor")
        return style

    def _toned(self, cell: Cell, style: Style, row: int) -> Style:
        """How a cell is drawn; on the line of the cursor all have its colours."""
        if not cell.text or not cell.tone:
            return style
        toned = style + rich_style_of(cell.tone, dark=self.app.current_theme.dark)
        if row not in (self.cursor_row, self.hover_row):
            return toned
        return toned + Style.from_color(style.color, style.bgcolor)

    def _refresh_changed(self, before: Sequence[tuple[Cell, ...]]) -> None:
        """Have those cells drawn that are seen and are others than before."""
        first = self.scroll_offset.y
        seen = range(first, min(first + self.size.height, max(len(before), len(self._cells))))
        for row in seen:
            old = before[row] if row < len(before) else None
            new = self._cells[row] if row < len(self._cells) else None
            if old is None or new is None:
                self._refresh_row(row)
            elif old != new:
                self._refresh_cells(row, old, new)

    def _refresh_cells(self, row: int, old: tuple[Cell, ...], new: tuple[Cell, ...]) -> None:
        (across, down), left = self.scroll_offset, 0
        for width, one, other in zip(self._widths, old, new, strict=True):
            if one != other:
                place = Region(left - across, row + HEADER_LINES - down, width + 2 * PADDING, 1)
                self.refresh(place)
            left += width + 2 * PADDING

    def _refresh_row(self, row: int) -> None:
        line = row + HEADER_LINES - self.scroll_offset.y
        if HEADER_LINES <= line < self.size.height:
            self.refresh(Region(0, line, self.size.width, 1))

    def _extent(self) -> Size:
        width = sum(each + 2 * PADDING for each in self._widths)
        return Size(width, HEADER_LINES + len(self._cells))

    # keys and mouse

    def validate_cursor_row(self, row: int) -> int:
        """The cursor stays in the table."""
        return min(max(row, 0), max(len(self._keys) - 1, 0))

    def watch_cursor_row(self, before: int, now: int) -> None:
        """Draw the two lines anew, and keep the cursor in view."""
        self._refresh_row(before)
        self._refresh_row(now)
        if self.is_mounted:
            self._tell()
        line = Region(self.scroll_offset.x, now + HEADER_LINES, self.size.width, 1)
        self.scroll_to_region(line, animate=False, spacing=Spacing(HEADER_LINES), force=True)

    def watch_hover_row(self, before: int | None, now: int | None) -> None:
        """Draw the two lines anew."""
        for row in (before, now):
            if row is not None:
                self._refresh_row(row)

    def action_cursor(self, by: int) -> None:
        """The next row, or the one before."""
        self.hover_row = None
        self.cursor_row += by

    def action_page(self, by: int) -> None:
        """As many rows on as are seen."""
        self.action_cursor(by * max(self.scrollable_content_region.height - HEADER_LINES, 1))

    def action_scroll_top(self) -> None:
        """The first row."""
        self.cursor_row = 0

    def action_scroll_bottom(self) -> None:
        """The last row."""
        self.cursor_row = len(self._keys) - 1

    def action_select_cursor(self) -> None:
        """Choose the row that the cursor is on."""
        if (key := self.current) is not None:
            self.post_message(self.RowSelected(self, key))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Show which row would be clicked."""
        self.hover_row = self._row_at(event.y)

    def on_leave(self) -> None:
        """The mouse is elsewhere."""
        self.hover_row = None

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor; one on the cursor chooses its row."""
        if (row := self._row_at(event.y)) is None:
            return
        if row == self.cursor_row:
            self.action_select_cursor()
        else:
            self.cursor_row = row

    def _row_at(self, y: int) -> int | None:
        row = y - HEADER_LINES + self.scroll_offset.y
        return row if y >= HEADER_LINES and row < len(self._keys) else None
