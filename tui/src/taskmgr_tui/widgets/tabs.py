"""Contents of which one is seen, under a line with their titles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import attrs
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget


@attrs.frozen
class Tab:
    """A content and what it is called.

    Attributes:
        name: what the program calls it.
        title: what stands above.
    """

    name: str
    title: str
    content: Widget

    @property
    def width(self) -> int:
        """The columns that its title takes, with the room beside it."""
        return cell_len(self.title) + 2


class Tabs(Vertical):
    """Contents of which one is seen; those that are not are neither laid out nor drawn.

    Textual's own has eleven widgets more for six contents, whose styles it looks up and which
    it lays out whenever another is shown.

    Arguments:
        tabs: the first is seen in the beginning.
    """

    class Activated(Message):
        """Another content is seen."""

        def __init__(self, tabs: Tabs, name: str) -> None:
            super().__init__()
            self.tabs, self.name = tabs, name

        @property
        def control(self) -> Tabs:
            """The tabs."""
            return self.tabs

    active: reactive[str] = reactive("", repaint=False)

    def __init__(self, tabs: Sequence[Tab], **attributes: Any) -> None:
        super().__init__(**attributes)
        self.tabs = tuple(tabs)
        self.set_reactive(Tabs.active, self.tabs[0].name)

    def compose(self) -> ComposeResult:
        """The titles and the contents."""
        yield Titles(self.tabs)
        for tab in self.tabs:
            tab.content.display = tab.name == self.active
            yield tab.content

    @property
    def names(self) -> list[str]:
        """Of all contents, in their order."""
        return [each.name for each in self.tabs]

    @property
    def content(self) -> Widget:
        """The content that is seen."""
        return next(each.content for each in self.tabs if each.name == self.active)

    def open(self, name: str) -> None:
        """Show a content and give it the keys.

        What is hidden while it has the keys hands them on; they are given to the next before,
        so that they move, and what follows from that is done, once.
        """
        shown = next(each.content for each in self.tabs if each.name == name)
        shown.display = True
        shown.focus()
        self.active = name

    def open_beside(self, by: int) -> None:
        """Show the content so many titles further; behind the last comes the first."""
        names = self.names
        self.open(names[(names.index(self.active) + by) % len(names)])

    def watch_active(self, name: str) -> None:
        """Show it in place of the one before."""
        for tab in self.tabs:
            tab.content.display = tab.name == name
        if self.is_mounted:
            self.query_one(Titles).mark(name)
            self.post_message(self.Activated(self, name))


class Titles(Widget):
    """The titles with a line below, whose part under the one that is seen stands out.

    Arguments:
        tabs: what they are titles of.
    """

    DEFAULT_CSS = """
    Titles {
        height: 2;
        & > .titles--other { color: $foreground 50%; }
        & > .titles--bar { color: $block-cursor-background; background: $foreground 10%; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"titles--other", "titles--bar"}
    ALLOW_SELECT = False

    def __init__(self, tabs: Sequence[Tab]) -> None:
        super().__init__()
        self.tabs, self.marked = tabs, tabs[0].name

    def mark(self, name: str) -> None:
        """The content of this name is seen."""
        self.marked = name
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """The titles, or the line below them."""
        parts = self._titles() if y == 0 else self._bar()
        return Strip(parts).adjust_cell_length(self.size.width, self.rich_style)

    def on_click(self, event: events.Click) -> None:
        """Show what is under the title, or the part of the line, that is clicked."""
        x = event.x
        for tab in self.tabs:
            if 0 <= x < tab.width and isinstance(self.parent, Tabs):
                self.parent.open(tab.name)
            x -= tab.width

    def _titles(self) -> Iterator[Segment]:
        ground, other = self.rich_style, self.get_component_rich_style("titles--other")
        room = Segment(" ", ground)
        for tab in self.tabs:
            style = ground if tab.name == self.marked else other
            yield from (room, Segment(tab.title, style), room)

    def _bar(self) -> Iterator[Segment]:
        bar = self.get_component_rich_style("titles--bar")
        ground = Style.from_color(bar.bgcolor, self.rich_style.bgcolor)
        start = 1
        for tab in self.tabs:
            if tab.name == self.marked:
                end = start + tab.width - 2
                if start > 1:
                    yield Segment("━" * (start - 1), ground)
                yield Segment("╸", ground)
                yield Segment("━" * (end - start), Style.from_color(bar.color, ground.bgcolor))
                rest = self.size.width - end - 1
                yield from (Segment("╺", ground), Segment("━" * rest, ground))
            start += tab.width
