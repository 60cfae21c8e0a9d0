"""What is written behind ``/`` and what is listed for it."""

from __future__ import annotations

import pytest
from recorded_home import NOW, Home, run_id

from taskmgr_core.attending import runs
from taskmgr_core.errors import InvalidValueError
from taskmgr_tui.core import listing
from taskmgr_tui.core.searching import Search, parsed

NAMES = ["weather", "face_processing"]


@pytest.mark.parametrize(
    ("text", "search"),
    [
        ("", Search()),
        ("failed", Search(status="failed")),
        ("weather failed", Search(status="failed", name="weather")),
        ("since:2h", Search(since=NOW - 7200)),
        ("until:30m since:1d", Search(until=NOW - 1800, since=NOW - 86_400)),
        ("since:2027-01-15", Search(since=NOW - 8 * 3600)),
        ("since:2027-01-15T07:30", Search(since=NOW - 1800)),
        ("until:07:30", Search(until=NOW - 1800)),
        ("until:2027-01-15T09:00+02:00", Search(until=NOW - 3600)),
        ("01a3185c", Search(run="01a3185c")),
        ("in:ada.png failed", Search(status="failed", text="ada.png")),
        ('weather "a table of ada"', Search(name="weather", text="a table of ada")),
        ('in:"what a day', Search(text="what a day")),
        ("in:in:", Search(text="in:")),
    ],
)
def test_words_say_which_runs(text: str, search: Search) -> None:
    """A status, a name, moments and a run's id, in any order."""
    assert parsed(text, NAMES, NOW) == search


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("faild", "'faild' is no status .*did you mean 'failed'"),
        ("since:noon", "'noon' is no moment; write 2026-11-22"),
        ("before:2h", "'before:2h' is no status"),
        ("adas", "To look for it in what runs were given, write in:adas"),
        ("in:", "'in:' is no status"),
    ],
)
def test_word_that_means_nothing_is_named(text: str, said: str) -> None:
    """The message has the word, and what would be right."""
    with pytest.raises(InvalidValueError, match=said):
        parsed(text, NAMES, NOW)


def test_search_is_written_as_it_is_read() -> None:
    """What stands in the field when it is opened again means the same."""
    for text in ("", "ada", 'a"b', "two words", " edges ", "failed", "since:2h"):
        search = Search("failed", "weather", NOW - 7200, NOW - 60, text=text)
        assert parsed(str(search), NAMES, NOW) == search


def test_moments_bound_what_is_listed() -> None:
    """The id that stands for a moment lies between those of runs before and after it."""
    moment = 1_750_000_000.123
    digits = f"{int(moment * 1000):012x}"
    before = Search(until=moment + 0.01).before
    assert before is not None
    assert f"{digits[:8]}-{digits[8:]}-7fff-ffff-ffffffffffff" < before
    assert (
        Search(until=moment).before or ""
    ) <= f"{digits[:8]}-{digits[8:]}-7000-0000-000000000000"


def test_pages_follow_one_another(recorded: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run is on one page, newest first; the last page has none behind it."""
    monkeypatch.setattr(listing, "PAGE", 4)
    found, before = [], None
    while True:
        page = listing.look(recorded.watcher(), Search(), before)
        found += [each.id for each in page.runs]
        if (before := page.next) is None:
            break
    assert found == [run_id(number) for number in range(10, 0, -1)]


def test_text_is_looked_for_by_the_store(recorded: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page; a moment ends the list, and what was not looked at is said."""
    watcher, plot = recorded.watcher(), Search(text="Plot-1.csv")
    assert [each.id for each in listing.look(watcher, plot, None).runs] == [run_id(7)]
    assert listing.look(watcher, Search(text="Plot-1.csv", since=NOW - 30), None).runs == []
    every = listing.look(watcher, Search(text="table.csv", name="weather"), None)
    assert len(every.runs) == 9
    assert (every.next, every.partly) == (None, False)
    monkeypatch.setattr(runs, "LOOKED", 4)
    first = listing.look(watcher, Search(text="plot-1"), None)
    assert [each.id for each in first.runs] == [run_id(7)]
    assert (first.next, first.partly) == (run_id(7), True)
    second = listing.look(watcher, Search(text="plot-1"), first.next)
    assert (second.runs, second.next, second.partly) == ([], run_id(3), True)


def test_runs_since_a_moment_end_the_list(recorded: Home) -> None:
    """Older runs are left out, and there is no page behind."""
    page = listing.look(recorded.watcher(), Search(since=NOW - 12), None)
    assert [each.id for each in page.runs] == [run_id(10), run_id(9), run_id(8)]
    assert page.next is None
