"""Every key does what the help says, on a real store."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from driving import SMALL, Driven, after, driven, press, text_of, until
from recorded_home import NOW, Home, run_id

from taskmgr_tui.core import listing
from taskmgr_tui.screens.asking import KEYS
from taskmgr_tui.screens.lineage import LineageScreen
from taskmgr_tui.screens.overview import OverviewScreen
from taskmgr_tui.screens.run import RunScreen
from taskmgr_tui.screens.runs import RunsScreen
from taskmgr_tui.widgets.tables import Table
from taskmgr_tui.widgets.tabs import Tabs

Play = Callable[[Driven], Awaitable[Any]]
FAILED = ("2", "s", "s", "s")
NEXT = "right_square_bracket"


def shown_runs(pilot: Driven) -> list[int]:
    """The runs in the table, by the numbers that they were made with."""
    table = pilot.app.screen.query_one("#runs", Table)
    return [int(str(key.value)[-8:], 16) for key in table.rows]


def test_numbers_lead_to_the_places(recorded: Home) -> None:
    """1 and 2 lead to overview and runs from anywhere, and escape leads back."""

    async def play(pilot: Driven) -> list[type]:
        seen = []
        for key in ("2", "enter", "1", "2", "2", "escape"):
            await press(pilot, key)
            seen.append(type(pilot.app.screen))
        return seen

    places = [RunsScreen, RunScreen, OverviewScreen, RunsScreen, RunsScreen, OverviewScreen]
    assert driven(recorded.watcher(), play) == places


def test_vim_keys_and_arrows_move_alike(recorded: Home) -> None:
    """j and down, k and up move the cursor by one row; G and g to the ends."""

    async def play(pilot: Driven) -> list[int]:
        seen = []
        await press(pilot, "2")
        for key in ("j", "down", "k", "up", "G", "g"):
            await press(pilot, key)
            seen.append(pilot.app.screen.query_one(Table).cursor_row)
        return seen

    assert driven(recorded.watcher(), play) == [1, 2, 1, 0, 9, 0]


def test_status_key_goes_through_all_states(recorded: Home) -> None:
    """Running, succeeded, failed, cancelled, and all again; the line above says which."""

    async def play(pilot: Driven) -> list[list[int]]:
        seen = []
        await press(pilot, "2")
        for _ in range(5):
            await press(pilot, "s")
            seen.append(shown_runs(pilot))
        return seen

    every = list(range(10, 0, -1))
    found = driven(recorded.watcher(), play)
    assert found == [[10, 9, 8], [5, 4, 3, 2, 1], [6], [7], every]


def test_pages_are_turned_with_n_and_p(recorded: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """n shows older runs as long as there are some, p those before."""
    monkeypatch.setattr(listing, "PAGE", 4)

    async def play(pilot: Driven) -> list[list[int]]:
        seen = []
        await press(pilot, "2")
        for key in ("n", "n", "n", "p"):
            await press(pilot, key)
            seen.append(shown_runs(pilot))
        return seen

    middle, last = [6, 5, 4, 3], [2, 1]
    assert driven(recorded.watcher(), play) == [middle, last, last, middle]


def test_search_lists_what_is_written(recorded: Home) -> None:
    """/ opens the field, enter searches, escape shows all runs again."""

    async def play(pilot: Driven) -> None:
        await press(pilot, "slash")
        await until(pilot, lambda: pilot.app.screen.query_one("#search").has_focus, "the field")
        await press(pilot, *"succeeded", "space", *"since:10m")
        await press(pilot, "enter")
        await until(pilot, lambda: shown_runs(pilot) == [5, 4, 3, 2], "the runs that are meant")
        await press(pilot, "escape")
        await until(pilot, lambda: len(shown_runs(pilot)) == 10, "all runs")

    driven(recorded.watcher(), play)


def test_search_for_an_id_opens_the_run(recorded: Home) -> None:
    """The last eight characters of an id are enough."""

    async def play(pilot: Driven) -> None:
        await press(pilot, "2", "slash", *"00000006", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen), "the run")
        assert pilot.app.screen.chosen == run_id(6)  # type: ignore[attr-defined]

    driven(recorded.watcher(), play)


def test_wrong_search_keeps_the_list_and_says_why(recorded: Home) -> None:
    """A word that means nothing is named, with the nearest right one; the field stays open."""

    async def play(pilot: Driven) -> None:
        await press(pilot, "2", "slash", *"faild", "enter")
        await until(pilot, lambda: "did you mean 'failed'" in _told(pilot), "the reason")
        assert pilot.app.screen.query_one("#search").display
        assert len(shown_runs(pilot)) == 10

    driven(recorded.watcher(), play)


def _told(pilot: Driven) -> str:
    return " ".join(each.message for each in pilot.app._notifications)


def test_failed_run_opens_on_its_failure(recorded: Home) -> None:
    """Two keys from the list: the traceback, and what the step was given."""
    shown = after(recorded.watcher(), *FAILED, "enter")
    assert "ZeroDivisionError: division by zero" in shown
    assert "numbers = []  from output_002_kept" in shown


def test_brackets_go_round_the_tabs(recorded: Home) -> None:
    """] leads through all tabs and back to the first, [ the other way."""

    async def play(pilot: Driven) -> list[str]:
        seen = []
        await press(pilot, *FAILED, "enter")
        for key in (*(NEXT,) * 6, "left_square_bracket"):
            await press(pilot, key)
            seen.append(pilot.app.screen.query_one(Tabs).active)
        return seen

    found = driven(recorded.watcher(), play)
    assert found == ["graph", "timeline", "fields", "picture", "log", "failure", "log"]


def test_lineage_leads_from_a_value_to_the_input_it_came_from(recorded: Home) -> None:
    """From the failed run's empty list up to the table, and with o to the run that has it."""

    async def play(pilot: Driven) -> str:
        await press(pilot, *FAILED, "enter", NEXT, NEXT, NEXT, "j", "j", "l")
        assert isinstance(pilot.app.screen, LineageScreen)
        shown = text_of(pilot.app)
        await press(pilot, "o")
        assert isinstance(pilot.app.screen, RunScreen)
        return shown

    shown = driven(recorded.watcher(), play, size=(110, 30))
    made_from = shown[shown.index("made from") : shown.index("led to")]
    assert re.search(r"output_001_numbers .*\[-3, -1\].*\n.*table  File 33 B", made_from)


def test_failure_leads_to_the_lineage_of_what_was_given(recorded: Home) -> None:
    """l where the traceback is asks for the first value that the failed step was given."""
    shown = after(recorded.watcher(), *FAILED, "enter", "l", size=(110, 30))
    assert "lineage of output_002_kept, run 00000006" in shown


def test_branch_of_a_file_opens_into_other_runs(recorded: Home) -> None:
    """The plot of the first run leads down into the seventh, which was given it."""

    async def play(pilot: Driven) -> None:
        app = pilot.app
        await app.push_screen(LineageScreen(recorded.watcher(), run_id(1), "output_002_kept"))
        await until(pilot, lambda: "plot-1.csv" in text_of(app), "what was made of the value")
        await press(pilot, "G", "space")
        wanted = "output_001_numbers  array 5 B  [1.0]  step 001, run 00000007"
        await until(pilot, lambda: wanted in text_of(app), "what was made from the file")

    driven(recorded.watcher(), play, size=(110, 30))


def test_cancel_asks_first(own: Home) -> None:
    """No leaves the run as it is; yes cancels it, durably, and the list shows it."""

    async def play(pilot: Driven) -> None:
        await press(pilot, "2", "c", "n")
        assert own.client.metadata.status(run_id(10)) == "running"
        await press(pilot, "c", "y")
        await until(pilot, lambda: "cancelled" in text_of(pilot.app).splitlines()[3], "its end")

    driven(own.watcher(), play)
    assert own.client.metadata.status(run_id(10)) == "cancelled"


def test_trying_again_needs_the_published_pipeline(own: Home) -> None:
    """A run whose pipeline is gone cannot be tried again, and the reason is told."""

    async def play(pilot: Driven) -> None:
        await press(pilot, "2", "t")
        await until(pilot, lambda: "no task or pipeline 'weather'" in _told(pilot), "the reason")

    driven(own.watcher(), play)
    assert len(own.watcher().runs()) == 10


def test_log_of_a_run_is_followed(own: Home) -> None:
    """What a step writes while one looks is shown, once, at the end of what was there."""

    async def play(pilot: Driven) -> list[str]:
        await press(pilot, "left_square_bracket", "left_square_bracket")
        await until(pilot, lambda: "keeping what is above 0" in text_of(pilot.app), "the log")
        own.say(run_id(8), "002", NOW - 2, "kept 2 of 2")
        own.client.queue.announce(run_id(8), ())
        await until(pilot, lambda: "kept 2 of 2" in text_of(pilot.app), "the new line")
        return [line[14:] for line in text_of(pilot.app).splitlines() if " 002 " in line]

    found = driven(own.watcher(), play, run_id=run_id(8))
    assert [line.split(maxsplit=1)[0] for line in found] == ["keeping", "kept"]


def test_task_leads_to_its_runs(recorded: Home) -> None:
    """Enter on a task of the overview lists the runs of that name."""
    shown = after(recorded.watcher(), "tab", "tab", "enter")
    assert "only read_table" in shown


def test_worker_leads_to_the_run_that_it_runs(recorded: Home) -> None:
    """Enter on a worker opens the first run that it has a step of."""
    assert "run 00000008" in after(recorded.watcher(), "tab", "enter")


def test_help_has_every_key(recorded: Home) -> None:
    """? shows the keys, of which each is bound; any way out leads back."""
    shown = after(recorded.watcher(), "question_mark", size=(110, 40))
    for keys, meaning in KEYS:
        assert f"{keys.split()[0]}" in shown
        assert meaning in shown
    assert "Queues" in after(recorded.watcher(), "question_mark", "escape").splitlines()[5]


def test_theme_changes_with_d_and_back(recorded: Home) -> None:
    """The light theme has other colours on the same texts."""

    async def play(pilot: Driven) -> list[tuple[str, bool]]:
        seen = []
        for key in ("d", "d"):
            await press(pilot, key)
            seen.append((text_of(pilot.app), pilot.app.current_theme.dark))
        return seen

    (light, is_dark), (dark, again_dark) = driven(recorded.watcher(), play)
    assert light == dark
    assert (is_dark, again_dark) == (False, True)


def test_palette_lists_the_commands(recorded: Home) -> None:
    """Failed runs are two words away."""

    async def play(pilot: Driven) -> None:
        await press(pilot, "ctrl+p", *"failed runs")
        await until(pilot, lambda: "Only those" in text_of(pilot.app), "the command")
        await press(pilot, "enter")
        if not isinstance(pilot.app.screen, RunsScreen):
            await press(pilot, "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen), "the runs")
        await until(pilot, lambda: shown_runs(pilot) == [6], "the failed run")

    driven(recorded.watcher(), play)


def test_mouse_opens_a_run(recorded: Home) -> None:
    """A click chooses a row, and another one opens it."""

    async def play(pilot: Driven) -> None:
        await press(pilot, "2")
        await pilot.click("#runs", offset=(3, 5))
        await pilot.click("#runs", offset=(3, 5))
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen), "the run")
        assert pilot.app.screen.chosen == run_id(6)  # type: ignore[attr-defined]

    driven(recorded.watcher(), play, SMALL)


def test_cursor_stays_on_its_run_when_others_come(own: Home) -> None:
    """A new run above does not move what the user is about to open."""

    async def play(pilot: Driven) -> str | None:
        await press(pilot, "2", "j", "j")
        own.begin(11, NOW)
        own.client.queue.announce(run_id(11), ())
        await press(pilot, "r")
        await until(pilot, lambda: 11 in shown_runs(pilot), "the new run")
        return pilot.app.screen.query_one("#runs", Table).current

    assert driven(own.watcher(), play) == run_id(8)
