"""The table: what is drawn of it, and where its cursor stays."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from driving import Driven, driven, press, text_of, until
from recorded_home import Home
from textual.app import App, ComposeResult
from textual.strip import Strip

from taskmgr_core.watching import Watcher
from taskmgr_tui.core import listing
from taskmgr_tui.core.cells import Cell
from taskmgr_tui.core.searching import Search
from taskmgr_tui.screens.runs import RunsScreen
from taskmgr_tui.widgets.keys import Keys
from taskmgr_tui.widgets.tables import Table

Rows = dict[str, tuple[Cell, ...]]


class Watched(Table):
    """A table that tells which of its lines were drawn."""

    drawn: set[int]

    def render_line(self, y: int) -> Strip:
        """One line."""
        self.drawn.add(y)
        return super().render_line(y)


class Shown(App[None]):
    """A table alone."""

    def compose(self) -> ComposeResult:
        """The table."""
        table = Watched(("name", "number"), {"number"}, id="table")
        table.drawn = set()
        yield table


def rows(*numbers: int) -> Rows:
    """A row for each number."""
    return {f"r{each}": (Cell(f"row {each}"), Cell(str(each))) for each in numbers}


def on_table(play: Callable[[Driven, Watched], Awaitable[Any]]) -> Any:
    """Do something with a table of four rows."""

    async def carry_out() -> Any:
        app = Shown()
        async with app.run_test(size=(40, 12)) as pilot:
            table = app.query_one(Watched)
            table.fill(rows(1, 2, 3, 4))
            await pilot.pause()
            table.drawn.clear()
            return await play(pilot, table)

    return asyncio.run(carry_out())


def test_lines_that_have_changed_are_drawn_and_no_others() -> None:
    """One cell that changes is one line; the same rows again are none."""

    async def play(pilot: Driven, table: Watched) -> list[set[int]]:
        seen = []
        for filled in (rows(1, 2, 3, 4), {**rows(1, 2, 3, 4), "r3": (Cell("row 3"), Cell("9"))}):
            table.fill(filled)
            await pilot.pause()
            seen.append(set(table.drawn))
            table.drawn.clear()
        return seen

    assert on_table(play) == [set(), {3}]


def test_cursor_that_moves_is_two_lines() -> None:
    """The line that it leaves and the one that it comes to."""

    async def play(pilot: Driven, table: Watched) -> set[int]:
        await pilot.press("j")
        await pilot.pause()
        return set(table.drawn)

    assert on_table(play) == {1, 2}


def test_cursor_goes_with_its_row_and_begins_another_list_at_the_top() -> None:
    """Rows that come and go do not move it; where its row is gone it stays where it is."""

    async def play(pilot: Driven, table: Watched) -> list[str | None]:
        seen = []
        await pilot.press("j", "j")
        for filled in (rows(9, 1, 2, 3, 4), rows(9, 1, 2, 4), rows(9)):
            table.fill(filled)
            seen.append(table.current)
        table.fill(rows(5, 6, 9))
        table.expect_another()
        table.fill(rows(6, 9))
        return [*seen, table.current]

    assert on_table(play) == ["r3", "r4", "r9", "r6"]


def test_columns_do_not_get_narrower_while_rows_change() -> None:
    """What stands beside a long text that goes stays where it is, until there is another list."""

    async def play(pilot: Driven, table: Watched) -> list[int]:
        seen = []
        for text, another in (("a very long text", False), ("short", False), ("short", True)):
            if another:
                table.expect_another()
            table.fill({"r1": (Cell(text), Cell("77"))})
            await pilot.pause()
            seen.append(text_of(pilot.app).splitlines()[1].index("77"))
        return seen

    assert on_table(play) == [23, 23, 12]


def test_keys_below_are_drawn_anew_only_where_they_are_others(
    recorded: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Going from table to table changes none of them; another screen has its own."""
    drawn: list[int] = []
    draw = Keys.render_line

    def counted(keys: Keys, line: int) -> Strip:
        drawn.append(line)
        return draw(keys, line)

    monkeypatch.setattr(Keys, "render_line", counted)

    async def play(pilot: Driven) -> list[object]:
        drawn.clear()
        await press(pilot, "tab", "tab")
        between = len(drawn)
        await press(pilot, "2")
        return [between, "Older" in text_of(pilot.app).splitlines()[-1]]

    assert driven(recorded.watcher(), play) == [0, True]


def test_list_of_another_question_is_not_acted_upon(
    recorded: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the answer comes no run is meant; where it takes long the old list goes."""
    look, gate = listing.look, threading.Event()

    def slow(watcher: Watcher, search: Search, before: str | None) -> listing.Listing:
        if search.status == "running":
            gate.wait(10)
        return look(watcher, search, before)

    monkeypatch.setattr(listing, "look", slow)

    async def play(pilot: Driven) -> list[object]:
        await press(pilot, "2")
        screen = pilot.app.screen
        assert isinstance(screen, RunsScreen)
        await pilot.press("s")
        meant = screen.chosen
        await pilot.press("enter")
        there = pilot.app.screen is screen
        await until(pilot, lambda: not screen.query_one(Table).rows, "the list to go")
        gate.set()
        await until(pilot, lambda: screen.query_one(Table).rows, "the answer")
        return [meant, there, len(screen.query_one(Table).rows)]

    assert driven(recorded.watcher(), play) == [None, True, 3]


def test_run_screen_has_nothing_of_the_run_before(recorded: Home) -> None:
    """Its log and its failure are those of the run that was opened, though the screen is kept."""

    async def play(pilot: Driven) -> list[str]:
        seen = []
        for keys in (("2", "s", "s", "s", "enter"), ("escape", "s", "enter")):
            await press(pilot, *keys, "left_square_bracket")
            seen.append(text_of(pilot.app))
            await press(pilot, "right_square_bracket")
        return seen

    failed, cancelled = driven(recorded.watcher(), play)
    assert "kept 0 of 2 numbers" in failed
    assert "kept 0 of 2 numbers" not in cancelled
