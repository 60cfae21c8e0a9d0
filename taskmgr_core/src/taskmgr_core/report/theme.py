"""The colours of reports and drawings, safe for colour-blind readers, in light and dark.

The hues are those of Okabe and Ito, "Color Universal Design" (2008); text on a
page uses darker or lighter shades of them, for a contrast of 4.5 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

Colour = tuple[int, int, int]

# Okabe and Ito's eight without black, which is lost on dark pictures; the order
# puts far apart what stands side by side.
ITEM_COLOURS: Final[tuple[str, ...]] = (
    "#56b4e9",
    "#e69f00",
    "#009e73",
    "#f0e442",
    "#cc79a7",
    "#d55e00",
    "#0072b2",
)

STAGE_COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "queue": "#a9b2bc",
        "environment": "#cc79a7",
        "start": "#f0e442",
        "load": "#e69f00",
        "inputs": "#56b4e9",
        "compute": "#0072b2",
        "outputs": "#009e73",
        "record": "#d55e00",
        "other": "#c9cfd6",
    }
)

# Each status has a shape of its own beside its colour: drawn in a square of 16.
STATUS_SIGNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "succeeded": "M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0Zm3.9 5.1 1.2 1.1-6 6.4-3.5-3.4 "
        "1.1-1.2 2.3 2.3Z",
        "failed": "M8 0 16 8 8 16 0 8ZM5.9 4.8 4.8 5.9 6.9 8 4.8 10.1 5.9 11.2 8 9.1 10.1 11.2 "
        "11.2 10.1 9.1 8 11.2 5.9 10.1 4.8 8 6.9Z",
        "running": "M2 0 15 8 2 16Z",
        "mapping": "M0 0H7V7H0ZM9 0H16V7H9ZM0 9H7V16H0ZM9 9H16V16H9Z",
        "looping": "M8 1a7 7 0 1 0 7 7h-2.4A4.6 4.6 0 1 1 8 3.4V6L13 2.3 8-1.2Z",
        "ready": "M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0Zm0 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2Zm-1 2v5h5"
        "V7.4H8.6V4Z",
        "pending": "M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0Zm0 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2Z",
        "skipped": "M0 2 7 8 0 14ZM8 2 15 8 8 14Z",
        "cancelled": "M0 0H16V16H0ZM3 6.8V9.2H13V6.8Z",
    }
)

# The same as characters, for where nothing can be drawn.
STATUS_MARKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "succeeded": "✓",
        "failed": "✗",
        "running": "●",
        "mapping": "▦",
        "looping": "↻",
        "ready": "○",
        "pending": "·",
        "skipped": "↷",
        "cancelled": "⊘",
    }
)

_LIGHT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "page": "#f5f6f8",
        "card": "#ffffff",
        "ink": "#1b1f24",
        "muted": "#59636e",
        "line": "#d8dde3",
        "faint": "#eef1f4",
        "wire": "#98a3af",
        "accent": "#0067a3",
        "succeeded": "#00704f",
        "failed": "#b14500",
        "running": "#0067a3",
        "mapping": "#0067a3",
        "looping": "#0067a3",
        "ready": "#0067a3",
        "pending": "#59636e",
        "skipped": "#59636e",
        "cancelled": "#8b4573",
    }
)
_DARK: Final[Mapping[str, str]] = MappingProxyType(
    {
        "page": "#0f1215",
        "card": "#181c21",
        "ink": "#e6e9ed",
        "muted": "#9aa5b1",
        "line": "#2e353d",
        "faint": "#21262c",
        "wire": "#66717d",
        "accent": "#62b8ea",
        "succeeded": "#35c79b",
        "failed": "#ff9a5c",
        "running": "#62b8ea",
        "mapping": "#62b8ea",
        "looping": "#62b8ea",
        "ready": "#62b8ea",
        "pending": "#9aa5b1",
        "skipped": "#9aa5b1",
        "cancelled": "#dd9dc2",
    }
)


def variables(selector: str) -> str:
    """The colours as CSS variables of a selector; dark where the reader's screen is.

    Paper is white, so dark is for screens only.
    """
    return (
        f"{selector}{{{_declarations(_LIGHT)}}}"
        f"@media screen and (prefers-color-scheme:dark){{{selector}{{{_declarations(_DARK)}}}}}"
    )


def light(name: str) -> str:
    """A colour of light pages as ``#rrggbb``, for what knows no CSS variables.

    Arguments:
        name: of a part of the page or of a status; of others the colour is that of pending.
    """
    return _LIGHT.get(name, _LIGHT["pending"])


def item_colour(item: int) -> str:
    """The colour of the item of that number, as ``#rrggbb``."""
    return ITEM_COLOURS[item % len(ITEM_COLOURS)]


def stage_colour(stage: str) -> str:
    """The colour of a stage of a step; the one of ``other`` where it has none."""
    return STAGE_COLOURS.get(stage, STAGE_COLOURS["other"])


def rgb(colour: str) -> Colour:
    """``#rrggbb`` as three numbers from 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def text_colour(background: str) -> str:
    """Black or white, whichever stands out more from the background.

    By the relative luminance of WCAG 2.2.
    """
    luminance = _luminance(rgb(background))
    black, white = (luminance + 0.05) / 0.05, 1.05 / (luminance + 0.05)
    return "#000000" if black >= white else "#ffffff"


def _luminance(colour: Colour) -> float:
    red, green, blue = (_linear(channel / 255) for channel in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    linear: float = channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
    return linear


def _declarations(colours: Mapping[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())
