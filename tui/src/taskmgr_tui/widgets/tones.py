"""The colours of meanings, told apart by those who see fewer colours (Okabe and Ito)."""

from __future__ import annotations

from collections.abc import Iterable

from rich.style import Style
from rich.text import Text
from textual.content import Content

from taskmgr_tui.core.cells import Cell, Tone

_DARK: dict[Tone, str] = {
    "good": "#2fbf9a",
    "bad": "#ff7a33",
    "busy": "#f0b429",
    "waiting": "#6fc3f2",
    "odd": "#e79ac5",
    "quiet": "#8f99a3",
    "strong": "bold",
}
_LIGHT: dict[Tone, str] = {
    "good": "#00664b",
    "bad": "#b34000",
    "busy": "#7a5200",
    "waiting": "#005a8c",
    "odd": "#8f3c6b",
    "quiet": "#5c6670",
    "strong": "bold",
}

_PLAIN = Style()
_RICH: dict[bool, dict[Tone, Style]] = {
    dark: {tone: Style.parse(text) for tone, text in styles.items()}
    for dark, styles in ((True, _DARK), (False, _LIGHT))
}


def style_of(tone: Tone, *, dark: bool) -> str:
    """The style of a meaning on a dark or a light ground."""
    return (_DARK if dark else _LIGHT).get(tone, "")


def rich_style_of(tone: Tone, *, dark: bool) -> Style:
    """The same as a style of rich, for what draws its lines itself."""
    return _RICH[dark].get(tone, _PLAIN)


def content(cells: Iterable[Cell], *, dark: bool) -> Content:
    """Texts side by side, each in its colour."""
    return Content.assemble(*((each.text, style_of(each.tone, dark=dark)) for each in cells))


def label(cells: Iterable[Cell], *, dark: bool) -> Text:
    """The same for the widgets that take texts of rich: tables and trees."""
    return Text.assemble(*((each.text, style_of(each.tone, dark=dark)) for each in cells))
