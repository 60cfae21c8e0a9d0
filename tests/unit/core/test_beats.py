"""The watch over other workers' beats."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.worker.beats import BeatWatch


def test_unchanged_beat_is_silent_after_the_time() -> None:
    """A worker whose beat has not changed for the whole time is silent, with that beat."""
    watch = BeatWatch(6.0)
    looks = [watch.silent({"w1": 100.0}, float(second)) for second in range(8)]
    assert looks == [{}] * 6 + [{"w1": 100.0}] * 2


def test_changing_beat_is_never_silent() -> None:
    """A worker that beats on is alive, whatever time its beats say."""
    watch = BeatWatch(6.0)
    for second in range(30):
        assert watch.silent({"w1": -1000.0 * (second // 2)}, float(second)) == {}


def test_worker_without_a_beat_is_watched_too() -> None:
    """A holder of steps that has no beat at all is silent after the same time."""
    watch = BeatWatch(2.0)
    assert watch.silent({"w1": 0.0}, 0.0) == {}
    assert watch.silent({"w1": 0.0}, 1.0) == {}
    assert watch.silent({"w1": 0.0}, 2.0) == {"w1": 0.0}


def test_watcher_that_was_held_up_starts_anew() -> None:
    """Nobody is silent on account of a time in which the watcher itself did not look."""
    watch = BeatWatch(6.0)
    watch.silent({"w1": 1.0}, 0.0)
    assert watch.silent({"w1": 1.0}, 60.0) == {}
    assert watch.silent({"w1": 1.0}, 61.0) == {}


def test_worker_that_left_is_forgotten() -> None:
    """One that was gone in between is watched from its return on."""
    watch = BeatWatch(3.0)
    watch.silent({"w1": 1.0}, 0.0)
    watch.silent({}, 1.0)
    assert watch.silent({"w1": 1.0}, 2.0) == {}
    assert watch.silent({"w1": 1.0}, 3.0) == {}


@given(st.lists(st.tuples(st.floats(0.01, 2.9), st.booleans()), max_size=60))
def test_silence_is_never_said_early(looks: list[tuple[float, bool]]) -> None:
    """Whatever the looks, a worker is said to be silent only after its time without a change."""
    watch, now, beat, changed = BeatWatch(6.0), 0.0, 0.0, 0.0
    for gap, beats in looks:
        now += gap
        if beats:
            beat, changed = beat + 1, now
        if watch.silent({"w1": beat}, now):
            assert now - changed >= 6.0
