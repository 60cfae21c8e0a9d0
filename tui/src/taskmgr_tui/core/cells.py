"""Texts with a meaning: what a widget shows in a colour, and with a sign beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import attrs

Tone = Literal["", "good", "bad", "busy", "waiting", "odd", "quiet", "strong"]

_SIGNS: dict[str, tuple[str, Tone]] = {
    "succeeded": ("✓", "good"),
    "failed": ("✗", "bad"),
    "running": ("●", "busy"),
    "mapping": ("▦", "busy"),
    "looping": ("↻", "busy"),
    "ready": ("○", "waiting"),
    "pending": ("·", "quiet"),
    "skipped": ("↷", "quiet"),
    "cancelled": ("⊘", "odd"),
    "ok": ("✓", "good"),
    "warn": ("!", "busy"),
    "fault": ("✗", "bad"),
    "alive": ("●", "good"),
    "draining": ("↷", "busy"),
    "preparing": ("…", "busy"),
    "lost": ("✗", "bad"),
}
_BARS = "▁▂▃▄▅▆▇█"


@attrs.frozen
class Cell:
    """A text on one line and what it means.

    Attributes:
        text: what is shown.
        tone: which colour it gets; no meaning is told by a colour alone.
    """

    text: str
    tone: Tone = ""


def state(status: str) -> Cell:
    """A status with its sign, which tells the same as its colour."""
    sign, tone = _SIGNS.get(status, ("?", ""))
    return Cell(f"{sign} {status}", tone)


def sign(status: str) -> Cell:
    """The sign of a status alone."""
    found, tone = _SIGNS.get(status, ("?", ""))
    return Cell(found, tone)


def spark(numbers: Sequence[float]) -> str:
    """A row of bars, the highest for the greatest number, the lowest for nothing."""
    greatest = max(numbers, default=0)
    steps = len(_BARS) - 1
    return "".join(
        _BARS[max(1, round(each / greatest * steps))] if each > 0 else _BARS[0] for each in numbers
    )


def slots(busy: int, of: int, width: int = 8) -> Cell:
    """How many slots are busy, as a bar and as numbers."""
    shown = min(of, width)
    filled = 0 if of == 0 else min(shown, -(-busy * shown // of))
    bar = "▰" * filled + "▱" * (shown - filled)
    return Cell(f"{bar} {busy}/{of}", "busy" if busy else "quiet")
