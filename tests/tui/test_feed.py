"""The thread that asks: it hangs alone, says what fails, comes back, and leaves nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from driving import Driven, driven, press, text_of, until
from recorded_home import NOW, Home, run_id

from taskmgr_core.watching import Watcher
from taskmgr_tui.core import feed as feeds
from taskmgr_tui.core import listing
from taskmgr_tui.core.feed import Failed, Feed, Told
from taskmgr_tui.core.searching import Search
from taskmgr_tui.screens import view


def waited(true: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_question_that_hangs_holds_up_nobody(recorded: Home) -> None:
    """Who asks can see for how long, and stop it at once; its late answer is not told."""
    gate, told = threading.Event(), list[Told | Failed]()
    feed = Feed(recorded.watcher(), lambda: gate.wait(10), told.append, 60)
    feed.start()
    waited(lambda: feed.waiting_for > 0.02)
    begun = time.monotonic()
    feed.stop()
    assert time.monotonic() - begun < 0.5
    gate.set()
    waited(lambda: feed.waiting_for == 0)
    assert told == []


def test_change_of_a_run_is_told_at_once(own: Home) -> None:
    """It hears of the change and asks, long before it would ask by itself."""
    told = list[Told | Failed]()
    watcher = own.watcher()
    feed = Feed(watcher, lambda: watcher.run(run_id(8)).run.status, told.append, 60, run_id(8))
    feed.start()
    waited(lambda: told)
    own.client.cancel(run_id(8))
    own.client.queue.announce(run_id(8), ())
    waited(lambda: len(told) > 1)
    feed.stop()


def test_keys_go_before_what_has_changed(recorded: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Soon after a key it asks by itself no sooner than it must; another question at once."""
    monkeypatch.setattr(feeds, "QUIET_SECONDS", 60.0)
    monkeypatch.setattr(feeds, "MOST_QUIET_SECONDS", 0.4)
    times = list[float]()
    feed = Feed(recorded.watcher(), list, lambda _: times.append(time.monotonic()), 0.001)
    feed.pressed()
    feed.start()
    waited(lambda: len(times) == 2)
    monkeypatch.setattr(feeds, "MOST_QUIET_SECONDS", 60.0)
    assert times[1] - times[0] >= 0.4
    feed.hurry()
    waited(lambda: len(times) == 3)
    feed.stop()


def test_screen_is_drawn_though_its_answer_takes_long(
    recorded: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is held back for an answer is drawn after a moment without it, or when covered."""
    gate, look = threading.Event(), listing.look

    def slow(watcher: Watcher, search: Search, before: str | None) -> listing.Listing:
        gate.wait(30)
        return look(watcher, search, before)

    monkeypatch.setattr(listing, "look", slow)

    async def play(pilot: Driven) -> None:
        await pilot.press("2")
        await until(pilot, lambda: pilot.app._batch_count == 0, "the empty screen")
        monkeypatch.setattr(view, "HELD_SECONDS", 60.0)
        await pilot.press("s")
        assert pilot.app._batch_count == 1
        await pilot.press("question_mark")
        await until(pilot, lambda: pilot.app._batch_count == 0, "the keys above it")
        gate.set()

    driven(recorded.watcher(), play)


def test_run_that_is_not_there_is_asked_for_once(recorded: Home) -> None:
    """It will not be there later either; what is wrong is told."""
    told = list[Told | Failed]()
    watcher = recorded.watcher()
    feed = Feed(watcher, lambda: watcher.run("ffffffff"), told.append, 0.01)
    feed.start()
    waited(lambda: told)
    feed.stop()
    (only,) = told
    assert isinstance(only, Failed)
    assert only.lasting
    assert "no run 'ffffffff'" in only.why


@pytest.mark.parametrize("screen", ["1", "2"])
def test_store_that_is_away_leaves_what_was_seen_under_a_banner(own: Home, screen: str) -> None:
    """The banner says what is wrong and of when the picture is; it goes when the store is back."""
    database = own.folder / "metadata.sqlite3"
    away = own.folder / "away"

    async def play(pilot: Driven) -> None:
        await press(pilot, screen)
        before = text_of(pilot.app).splitlines()[-6:]
        database.rename(away)
        await press(pilot, "r")
        await until(pilot, lambda: "shown is what was so at 08:00:00" in _banner(pilot), "a banner")
        assert [line for line in before if "weather" in line] == [
            line for line in text_of(pilot.app).splitlines()[-6:] if "weather" in line
        ]
        away.rename(database)
        await until(pilot, lambda: not pilot.app.screen.query_one("#banner").display, "its end")

    driven(own.watcher(), play)


def _banner(pilot: Driven) -> str:
    lines = text_of(pilot.app).splitlines()
    return " ".join(" ".join(lines[1:6]).split())


def test_closing_leaves_no_thread(recorded: Home) -> None:
    """After each screen was seen and the dashboard is closed, no thread of it runs."""

    async def play(pilot: Driven) -> None:
        await press(pilot, "2", "enter", "1")

    driven(recorded.watcher(), play)
    waited(lambda: not [each for each in threading.enumerate() if each.name in ("feed", "doing")])


def test_log_follows_while_it_is_written(own: Home) -> None:
    """New lines come below without a key."""

    async def play(pilot: Driven) -> None:
        await press(pilot, "2", "j", "j", "enter", *("left_square_bracket",) * 2)
        assert "keeping what is above 0" in text_of(pilot.app)
        own.say(run_id(8), "002", NOW - 2, "2 are kept")
        own.client.queue.announce(run_id(8), ())
        await until(pilot, lambda: "2 are kept" in text_of(pilot.app), "the new line")

    driven(own.watcher(), play)
