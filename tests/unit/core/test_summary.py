"""Where the time of a run went, and the part of a result that every pipeline has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.specs import Edge, Graph, Run, Step, StepStatus
from taskmgr_core.summary import Timing, processing_summary, timing_of

NOW = 1_800_000_000.0


def run(finished: float | None) -> Run:
    """A run, submitted at ``NOW``."""
    graph = Graph("find", {}, (), {}, (), {})
    ended = None if finished is None else NOW + finished
    return Run("run-1", "find", "pipeline", graph, "running", NOW, ended)


def step(started: float | None, finished: float | None, status: StepStatus = "succeeded") -> Step:
    """A step, its times counted from ``NOW``."""
    return Step(
        run="run-1",
        id="001",
        task="detect",
        version="1.0",
        queue="default",
        priority=5,
        status=status,
        started_at=None if started is None else NOW + started,
        finished_at=None if finished is None else NOW + finished,
    )


def near(total: float, sequential: float, parallel: float) -> Timing:
    """A timing, equal up to what floats can tell of such times."""
    about = [pytest.approx(each, abs=1e-5) for each in (total, sequential, parallel)]
    return Timing(*about)  # type: ignore[arg-type]


def test_parallel_steps_save_time() -> None:
    """Two steps of two seconds side by side: four one after the other, two in fact."""
    timing = timing_of(run(3.5), [step(1, 3), step(1, 3)])
    assert timing == near(3.5, 4, 2)
    assert timing.speedup == pytest.approx(2)


def test_waiting_between_steps_costs_time() -> None:
    """Steps one after the other with a pause between them are slower than their sum."""
    timing = timing_of(run(4), [step(0, 1), step(3, 4)])
    assert timing == near(4, 2, 4)
    assert timing.speedup == pytest.approx(0.5)


def test_steps_that_never_ran_take_no_time() -> None:
    """Skipped, cancelled, waiting and running steps are left out."""
    others = [
        step(None, 2, "skipped"),
        step(None, 2, "cancelled"),
        step(None, None, "pending"),
        step(1, None, "running"),
    ]
    assert timing_of(run(3), [step(0, 1, "failed"), *others]) == near(3, 1, 1)


def test_run_that_goes_on_has_taken_until_its_last_step() -> None:
    """Before the end the total is up to what has ended so far, and nothing without that."""
    assert timing_of(run(None), [step(1, 2), step(2, None)]) == near(2, 1, 1)
    assert timing_of(run(None), []) == near(0, 0, 0)
    assert timing_of(run(5), []) == near(5, 0, 0)


@pytest.mark.parametrize("steps", [[], [step(1, 1)]])
def test_speedup_without_time_is_one(steps: list[Step]) -> None:
    """Where nothing took any time nothing was faster."""
    assert timing_of(run(1), steps).speedup == 1.0


SPANS = st.lists(st.tuples(st.floats(0, 1000), st.floats(0.001, 1000)), min_size=1, max_size=6)


@given(SPANS)
def test_times_fit_each_other(spans: list[tuple[float, float]]) -> None:
    """Parallel is at least the longest step, and the speedup at most the number of steps."""
    steps = [step(start, start + length) for start, length in spans]
    timing = timing_of(run(3000), steps)
    assert timing.parallel >= max(length for _, length in spans) - 1e-5
    assert timing.speedup <= len(steps) + 1e-2
    assert timing.total == pytest.approx(3000)


def test_summary_tells_times_and_direct_sources() -> None:
    """Rounded times, and for each port those that it was made from directly, in order."""
    edges = [Edge("b", "out"), Edge("photo", "in"), Edge("in", "out"), Edge("a", "out")]
    assert processing_summary(run(1.23456789), [step(0, 1), step(0, 1)], edges) == {
        "total_time": 1.234568,
        "parallel_speedup": 2.0,
        "data_lineage": {"in": ["photo"], "out": ["a", "b", "in"]},
    }


def test_summary_of_nothing_is_whole() -> None:
    """A run without steps and edges has every part of the summary."""
    assert processing_summary(run(0.0), [], []) == {
        "total_time": 0.0,
        "parallel_speedup": 1.0,
        "data_lineage": {},
    }
