"""The line with the keys at the bottom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

import attrs
from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.binding import ActiveBinding
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget


@attrs.frozen
class Part:
    """A key and what it does.

    Attributes:
        key: what is pressed when it is clicked.
        shown, meaning: both as they are written, with the room between and beside them.
    """

    key: str
    shown: str
    meaning: str
    enabled: bool

    @property
    def width(self) -> int:
        """How many columns it takes."""
        return cell_len(self.shown + self.meaning)


class Keys(Widget):
    """The keys of what is seen; a click presses one.

    It is one widget that draws one line. Textual's own makes a widget for each key, and all of
    them anew when one changes: half of what opening another tab took.
    """

    DEFAULT_CSS = """
    Keys {
        dock: bottom;
        height: 1;
        color: $footer-foreground;
        background: $footer-background;
        & > .keys--key { color: $footer-key-foreground; text-style: bold; }
        & > .keys--off { text-style: dim; }
        & > .keys--hover { background: $block-hover-background; }
        & > .keys--edge { color: $foreground 20%; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "keys--key",
        "keys--off",
        "keys--hover",
        "keys--edge",
    }
    ALLOW_SELECT = False

    _parts: Sequence[Part] = ()
    _palette: Part | None = None
    _hovered: Part | None = None

    def on_mount(self) -> None:
        """Follow the keys of the screen, and draw anew where the colours change."""
        self.screen.bindings_updated_signal.subscribe(self, self.bindings_changed)
        self.app.theme_changed_signal.subscribe(self, lambda _: self.refresh())

    def bindings_changed(self, screen: Screen[object]) -> None:
        """Draw those of what has the keys now, where they are others."""
        if screen is not self.screen or not screen.app.app_focus:
            return
        active = screen.active_bindings
        parts = tuple(self._part(each, " {} ", "{} ") for each in _of_actions(active.values()))
        found = active.get(self.app.COMMAND_PALETTE_BINDING)
        palette = None if found is None else self._part(found, "{}", " {}")
        if (parts, palette) != (self._parts, self._palette):
            self._parts, self._palette = parts, palette
            self.refresh()

    def render_line(self, _: int) -> Strip:
        """The keys from the left, and that of the palette at the right."""
        ground, width = self.rich_style, self.size.width
        left = Strip([each for part in self._parts for each in self._drawn(part)])
        if self._palette is None:
            return left.adjust_cell_length(width, ground)
        edge = Segment("▏", self.get_component_rich_style("keys--edge"))
        right = Strip([edge, *self._drawn(self._palette), Segment(" ", ground)])
        room = max(width - right.cell_length, 0)
        return Strip.join([left.adjust_cell_length(room, ground), right])

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """As if the key were pressed."""
        if (part := self._part_at(event.x)) is None:
            return
        if part.enabled:
            self.app.simulate_key(part.key)
        else:
            self.app.bell()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Show what would be pressed."""
        self._hover(self._part_at(event.x))

    def on_leave(self) -> None:
        """The mouse is elsewhere."""
        self._hover(None)

    def _hover(self, part: Part | None) -> None:
        if part != self._hovered:
            self._hovered = part
            self.refresh()

    def _part(self, active: ActiveBinding, key: str, meaning: str) -> Part:
        binding = active.binding
        shown = key.format(self.app.get_key_display(binding))
        return Part(binding.key, shown, meaning.format(binding.description), active.enabled)

    def _part_at(self, x: int) -> Part | None:
        if self._palette is not None and x >= self.size.width - self._palette.width - 1:
            return self._palette
        for part in self._parts:
            if x < part.width:
                return part
            x -= part.width
        return None

    def _drawn(self, part: Part) -> Iterator[Segment]:
        style, key = self.rich_style, self.get_component_rich_style("keys--key")
        if not part.enabled:
            off = self.get_component_rich_style("keys--off", partial=True)
            style, key = style + off, key + off
        if part == self._hovered:
            over = self.get_component_rich_style("keys--hover", partial=True)
            style, key = style + over, key + over
        yield Segment(part.shown, key)
        yield Segment(part.meaning, style)


def _of_actions(bindings: Iterable[ActiveBinding]) -> list[ActiveBinding]:
    """The first of each action that is to be shown."""
    found: dict[str, ActiveBinding] = {}
    for each in bindings:
        if each.binding.show:
            found.setdefault(each.binding.action, each)
    return [*found.values()]
