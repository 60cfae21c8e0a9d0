"""Times of cron expressions where clocks are changed, and what becomes of missed ones."""

from __future__ import annotations

from datetime import datetime
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.errors import InvalidValueError
from taskmgr_core.schedules.cron import checked, times
from taskmgr_core.schedules.deciding import due, inputs_for, next_time
from taskmgr_core.specs import CATCH_UP, CatchUp, Schedule

BERLIN = "Europe/Berlin"
# 2026-03-29 02:00 becomes 03:00, 2026-10-25 03:00 becomes 02:00; half an hour on Lord Howe;
# at midnight in Beirut.
ZONES = [BERLIN, "UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut"]
YEAR = 2026


def at(text: str, zone: str = BERLIN, fold: int = 0) -> float:
    """A moment by the clocks of a zone."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def shown(cron: str, after: float, count: int, zone: str = BERLIN) -> list[str]:
    """The next times, by the clocks of a zone."""
    return [
        f"{datetime.fromtimestamp(each, ZoneInfo(zone)):%d %H:%M %Z}"
        for each in islice(times(cron, zone, after), count)
    ]


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        # 02:30 does not exist on the 29th: it is run when the clock goes on.
        ("30 2 * * *", "2026-03-28T12:00", ["29 03:00 CEST", "30 02:30 CEST"]),
        ("0,30 2 * * *", "2026-03-28T12:00", ["29 03:00 CEST", "30 02:00 CEST"]),
        ("30 * * * *", "2026-03-29T00:45", ["29 01:30 CET", "29 03:30 CEST"]),
        # 02:30 happens twice on the 25th: it is run the first time.
        ("30 2 * * *", "2026-10-24T12:00", ["25 02:30 CEST", "26 02:30 CET"]),
        ("*/30 * * * *", "2026-10-25T01:45", [
            "25 02:00 CEST", "25 02:30 CEST", "25 02:00 CET", "25 02:30 CET", "25 03:00 CET",
        ]),
    ],
)  # fmt: skip
def test_hours_that_do_not_exist_or_happen_twice(
    cron: str, after: str, expected: list[str]
) -> None:
    """A time of day is run once on every day; what is repeated goes by the time that passes."""
    assert shown(cron, at(after), len(expected)) == expected


def test_hour_that_happens_twice_is_not_run_in_its_second_half() -> None:
    """Who begins to look after the first 02:30 waits for the next day's."""
    between = at("2026-10-25T02:15", fold=1)
    assert shown("30 2 * * *", between, 1) == ["26 02:30 CET"]


fields = st.tuples(
    st.sampled_from(["0", "30", "*/15", "5,50", "*"]),
    st.sampled_from(["0", "1-3", "2", "*", "*/2", "2,3"]),
    st.sampled_from(["*", "25-29", "L"]),
).map(lambda found: f"{found[0]} {found[1]} {found[2]} * *")
moments = st.sampled_from(
    [at("2026-03-28T22:00"), at("2026-10-24T22:00"), at("2026-03-07T22:00", "America/New_York"),
     at("2026-04-04T10:00", "Australia/Lord_Howe"), at("2026-03-28T20:00", "Asia/Beirut")]
)  # fmt: skip


@given(
    fields, st.sampled_from(ZONES), moments, st.integers(0, 30 * 3600), st.integers(0, 30 * 3600)
)
def test_no_time_is_lost_or_doubled_wherever_one_begins_to_look(
    cron: str, zone: str, begin: float, first: int, second: int
) -> None:
    """The times of a span are those of its two parts: a scheduler may be started at any moment."""

    def between(after: float, until: float) -> list[float]:
        return list(takewhile(lambda each: each <= until, times(cron, zone, after)))

    middle, end = begin + first, begin + first + second
    whole = between(begin, end)
    assert whole == sorted(set(whole))
    assert all(begin < each <= end for each in whole)
    assert between(begin, middle) + between(middle, end) == whole


@pytest.mark.parametrize(
    ("cron", "zone", "message"),
    [
        ("* * * *", "UTC", "it has 4 fields, not 5"),
        ("0 0 0 * * *", "UTC", "it has 6 fields, not 5"),
        ("61 * * * *", "UTC", "Bad minute"),
        ("0 0 30 2 *", "UTC", "'0 0 30 2 *'"),
        ("* * * * *", "Europe/Berlim", "there is no time zone 'Europe/Berlim'"),
        ("* * * * *", "../etc/passwd", "there is no time zone"),
    ],
)
def test_what_names_no_time_is_refused(cron: str, zone: str, message: str) -> None:
    """The fault and what to write are told."""
    with pytest.raises(InvalidValueError, match=message.replace("*", r"\*")):
        checked(cron, zone, 0.0)


def hourly(catch_up: CatchUp, handled: str = "2026-11-01T00:00", **more: bool) -> Schedule:
    """A schedule that runs at each hour."""
    begin = at(handled, "UTC")
    return Schedule("s", "p", "0 * * * *", "UTC", {}, catch_up, begin, **more)


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [("skip", []), ("latest", ["03:00"]), ("all", ["01:00", "02:00", "03:00"])],
)
def test_missed_times_are_caught_up_as_the_schedule_says(
    catch_up: CatchUp, expected: list[str]
) -> None:
    """After three missed hours none of them is run, the latest, or all, the earliest first."""
    found = due(hourly(catch_up), at("2026-11-01T03:30", "UTC"))
    assert [
        datetime.fromtimestamp(each, ZoneInfo("UTC")).strftime("%H:%M") for each in found.fire
    ] == (expected)


@pytest.mark.parametrize("catch_up", CATCH_UP)
def test_time_that_is_a_little_late_is_not_missed(catch_up: CatchUp) -> None:
    """A scheduler that looks some seconds later runs it, once."""
    now = at("2026-11-01T01:00:20", "UTC")
    found = due(hourly(catch_up), now)
    assert found.fire == (at("2026-11-01T01:00", "UTC"),)
    later = hourly(
        catch_up, datetime.fromtimestamp(found.handled, ZoneInfo("UTC")).isoformat()[:19]
    )
    assert due(later, now + 30).fire == ()


def test_latest_of_many_missed_times_is_found_at_once() -> None:
    """Each minute of ten years is not looked at for it."""
    begin = at("2016-01-01T00:00", "UTC")
    schedule = Schedule("s", "p", "* * * * *", "UTC", {}, "latest", begin)
    now = at("2026-11-01T00:00:30", "UTC")
    assert due(schedule, now).fire == (now - 30,)
    rare = Schedule("s", "p", "0 0 29 2 *", "UTC", {}, "latest", begin)
    assert due(rare, now).fire == (at("2024-02-29T00:00", "UTC"),)


@pytest.mark.parametrize("catch_up", CATCH_UP)
def test_clock_that_is_set_back_does_not_silence_a_schedule(catch_up: CatchUp) -> None:
    """What was handled in a future that is gone is to come again; a paused one runs nothing."""
    schedule = hourly(catch_up, "2030-01-01T00:00")
    now = at("2026-11-01T00:30", "UTC")
    found = due(schedule, now)
    assert found.fire == ()
    assert found.handled == now
    assert due(hourly(catch_up, paused=True), now + 1e6).fire == ()
    assert next_time(hourly(catch_up, paused=True), now) is None


def test_time_of_a_run_can_be_an_input() -> None:
    """It stands in a text as ISO 8601 by the clocks of the zone, the fields beside it untouched."""
    inputs = {"day": "from {scheduled}", "nested": {"a": ["{scheduled}", 1]}}
    schedule = Schedule("s", "p", "0 0 * * *", BERLIN, inputs, "all", 0.0)
    said = "2026-10-25T02:30:00+02:00"
    assert inputs_for(schedule, at("2026-10-25T02:30")) == {
        "day": f"from {said}",
        "nested": {"a": [said, 1]},
    }
