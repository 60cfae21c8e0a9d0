"""Rates and percentiles: pure, of the times of steps."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.specs import StepStatus, StepTimes
from taskmgr_tui.core.cells import slots, spark
from taskmgr_tui.core.rates import (
    BUCKETS,
    WINDOW_SECONDS,
    Window,
    figures_of,
    flow_of,
    percentiles,
)
from taskmgr_tui.core.times import ago

NOW = 1_800_000_000.0


def ended(seconds: float, ago: float = 10.0, *, failed: bool = False, task: str = "t") -> StepTimes:
    """A step that ended so many seconds ago."""
    status: StepStatus = "failed" if failed else "succeeded"
    return StepTimes("r", task, "q", status, NOW - ago - seconds, NOW - ago, seconds)


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_percentiles_are_of_the_given_numbers(seconds: list[float]) -> None:
    """Each is one of the numbers, as many as its share are not above it, and they are in order."""
    found = percentiles(seconds)
    assert found is not None
    assert list(found) == sorted(found)
    for share, each in zip((0.5, 0.95, 0.99), found, strict=True):
        assert each in seconds
        assert sum(other <= each for other in seconds) >= math.ceil(share * len(seconds))


@given(st.lists(st.floats(-100, WINDOW_SECONDS + 100)))
def test_every_moment_of_the_window_is_in_one_bucket(passed: list[float]) -> None:
    """What lies in the window is counted once, what lies outside not at all."""
    window = Window(NOW - WINDOW_SECONDS, NOW)
    moments = [NOW - each for each in passed]
    counts = window.buckets(moments)
    assert len(counts) == BUCKETS
    assert sum(counts) == sum(window.since <= each <= window.until for each in moments)


def test_rates_are_by_the_minute() -> None:
    """In, out and failed are counts divided by the minutes of the window."""
    window = Window(NOW - 120, NOW)
    times = [ended(1), ended(2, failed=True), ended(1, ago=500)]
    waiting = StepTimes("r", "t", "q", "ready", NOW - 5, None, None)
    flow = flow_of([*times, waiting], "q", window)
    assert (flow.came, flow.went, flow.failed) == (1.5, 1.0, 0.5)
    assert flow_of(times, "other", window).went == 0


def test_figures_count_what_a_worker_ran() -> None:
    """A step that was skipped or cancelled says nothing of its task; the busiest is first."""
    skipped = StepTimes("r", "idle", "q", "skipped", None, NOW - 1, None)
    window = Window(NOW - 60, NOW)
    found = figures_of([ended(1, task="a"), ended(1), ended(3, failed=True), skipped], window)
    assert [each.task for each in found] == ["t", "a"]
    assert (found[0].count, found[0].failed, found[0].seconds) == (2, 1, (1, 3, 3))


def test_window_has_nothing_missing_in_it() -> None:
    """Where older runs are not known it begins with the first known step, else it is whole."""
    times = [ended(10, ago=60)]
    assert Window.of(times, NOW, whole=True) == Window(NOW - WINDOW_SECONDS, NOW)
    assert Window.of(times, NOW, whole=False) == Window(NOW - 70, NOW)
    assert Window.of([], NOW, whole=False).minutes > 0


def test_sparks_show_the_greatest_and_the_least() -> None:
    """The greatest number has the highest bar, nothing has the lowest, little more than that."""
    assert spark([0, 1, 100]) == "▁▂█"
    assert spark([0, 0]) == "▁▁"
    assert spark([]) == ""


@given(st.integers(0, 200), st.integers(0, 200))
def test_bar_of_slots_is_full_only_when_all_are_busy(busy: int, free: int) -> None:
    """A worker with a free slot and a busy one shows a part of each; numbers are exact."""
    shown = slots(busy, busy + free).text
    assert shown.endswith(f"{busy}/{busy + free}")
    assert ("▰" in shown) == (busy > 0)
    if free == 0:
        assert "▱" not in shown


def test_age_has_one_unit() -> None:
    """Seconds up to two minutes, then minutes, hours and days."""
    shown = [ago(NOW - each, NOW) for each in (0, 119, 120, 7199, 7200, 200_000)]
    assert shown == ["0 s", "119 s", "2 min", "120 min", "2 h", "2 d"]
    assert ago(None, NOW) == "-"
