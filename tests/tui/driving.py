"""Drives the dashboard as a user does, without a terminal."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from textual.pilot import Pilot

from taskmgr_core.watching import Watcher
from taskmgr_tui.app import Dashboard
from taskmgr_tui.screens.view import View

SMALL = (80, 24)
SECONDS = 10.0

Driven = Pilot[None]


async def until(pilot: Driven, true: Callable[[], object], what: str = "it") -> None:
    """Wait until something is so.

    Raises:
        AssertionError: it was not so in time; with what is on the screen.
    """
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, f"waited for {what}; shown is\n{text_of(pilot.app)}"
        await pilot.pause(0.01)
    await pilot.pause()


async def told(pilot: Driven) -> None:
    """Wait until the screen on top has shown what it asked for."""

    def answered() -> bool:
        screen = pilot.app.screen
        return not isinstance(screen, View) or screen.told is not None

    await until(pilot, answered, "an answer")
    await pilot.pause(0.05)  # what is drawn after the next refresh


async def press(pilot: Driven, *keys: str) -> None:
    """Press keys one after the other, each when the answer to the one before is shown."""
    for key in keys:
        await pilot.press(key)
        await told(pilot)


def text_of(app: Any) -> str:
    """What is on the screen, line by line."""
    strips = app.screen._compositor.render_strips(app.size)
    return "\n".join(strip.text.rstrip() for strip in strips)


def svg_of(app: Any) -> str:
    """The screen as a picture that asks nobody for a font."""
    drawn = app.export_screenshot(title="taskmgr top")
    return re.sub(r"\s*@font-face \{.*?\}", "", drawn, flags=re.DOTALL)


def driven(
    watcher: Watcher,
    play: Callable[[Driven], Awaitable[Any]],
    size: tuple[int, int] = SMALL,
    run_id: str | None = None,
) -> Any:
    """Open the dashboard, do something, close it; what was done gives.

    Arguments:
        watcher: what the dashboard asks.
        play: gets the dashboard, its first screen shown.
        size: columns and lines.
        run_id: a run to begin with.
    """

    async def carry_out() -> Any:
        app = Dashboard(watcher, run_id)
        async with app.run_test(size=size) as pilot:
            await told(pilot)
            return await play(pilot)

    return asyncio.run(carry_out())


def after(watcher: Watcher, *keys: str, size: tuple[int, int] = SMALL) -> str:
    """What is on the screen after some keys."""

    async def play(pilot: Driven) -> str:
        await press(pilot, *keys)
        return text_of(pilot.app)

    return str(driven(watcher, play, size))
