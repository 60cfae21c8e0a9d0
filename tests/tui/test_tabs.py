"""The line of keys and the titles of tabs, each one widget that draws itself."""

from __future__ import annotations

from typing import Any

from driving import Driven, driven, press, text_of, told
from recorded_home import Home, run_id

from taskmgr_tui.screens.asking import Help
from taskmgr_tui.screens.run import RunScreen
from taskmgr_tui.widgets.keys import Keys
from taskmgr_tui.widgets.tabs import Tabs, Titles


def test_click_on_a_title_opens_its_tab(recorded: Home) -> None:
    """The title, or the line below it; what is right of them all opens nothing."""

    async def play(pilot: Driven) -> list[str]:
        seen = []
        titles = text_of(pilot.app).splitlines()[2]
        for title, below in (("Fields", 0), ("Log", 1), ("Failure", 0)):
            await pilot.click(Titles, offset=(titles.index(title) + 1, below))
            await told(pilot)
            seen.append(pilot.app.screen.query_one(Tabs).active)
        await pilot.click(Titles, offset=(70, 0))
        return [*seen, pilot.app.screen.query_one(Tabs).active]

    found = driven(recorded.watcher(), play, run_id=run_id(6))
    assert found == ["fields", "log", "failure", "failure"]


def test_content_that_is_opened_has_the_keys(recorded: Home) -> None:
    """Whichever tab is opened, one of its widgets has the focus, and no other is seen."""

    async def play(pilot: Driven) -> list[Any]:
        seen = []
        tabs = pilot.app.screen.query_one(Tabs)
        for _ in tabs.names:
            await press(pilot, "right_square_bracket")
            shown = [each.name for each in tabs.tabs if each.content.display]
            seen.append((shown, pilot.app.focused is tabs.content))
        return seen

    names = ["graph", "timeline", "fields", "picture", "log", "failure"]
    found = driven(recorded.watcher(), play, run_id=run_id(6))
    assert found == [([name], True) for name in names]


def test_click_on_a_key_presses_it(recorded: Home) -> None:
    """Also that of the palette at the right; between and beside them nothing is pressed."""

    async def play(pilot: Driven) -> list[bool]:
        line = text_of(pilot.app).splitlines()[-1]
        await pilot.click(Keys, offset=(60, 0))
        before = isinstance(pilot.app.screen, RunScreen)
        await pilot.click(Keys, offset=(line.index("palette"), 0))
        await pilot.pause()
        palette = "CommandPalette" in type(pilot.app.screen).__name__
        await pilot.press("escape")
        await pilot.click(Keys, offset=(line.index("Help"), 0))
        await pilot.pause()
        return [before, palette, isinstance(pilot.app.screen, Help)]

    assert driven(recorded.watcher(), play, run_id=run_id(6)) == [True, True, True]
