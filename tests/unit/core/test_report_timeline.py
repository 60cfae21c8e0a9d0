"""The timeline of a run: where the time of each step went."""

import attrs
import pytest
from report_samples import BEGAN, parsed, state, things_run

from taskmgr_core.report.formats import duration
from taskmgr_core.report.timeline_svg import Segment, said, timeline_of, timeline_svg
from taskmgr_core.specs import RunDetail

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def detail() -> RunDetail:
    """A run of two steps, one after the other."""
    return things_run({"$artifact": "sha256:0", "size": 1})


def test_stages_follow_each_other(detail):
    """Stages are laid end to end from the start; what none accounts for is the rest."""
    bar = timeline_of(detail.run, detail.steps).bars[0]
    stages = [segment.stage for segment in bar.segments]
    assert stages == ["queue", "load", "compute", "other"]
    for before, after in zip(bar.segments, bar.segments[1:], strict=False):
        assert after.start == pytest.approx(before.end)
    assert bar.segments[-1].end == pytest.approx(0.4, abs=1e-6)


def test_stages_longer_than_the_step_are_brought_to_its_length(detail):
    """Clocks of a runner and of the store may differ; no bar runs past its end."""
    step = state(detail.run.graph.steps[0], 0.1, 0.2, seconds={"load": 3.0, "compute": 1.0})
    bar = timeline_of(detail.run, [step]).bars[0]
    assert bar.segments[-1].end == pytest.approx(0.2, abs=1e-6)
    assert bar.segments[1].end == pytest.approx(0.175, abs=1e-6)


def test_step_that_never_started_has_no_bar(detail):
    """A skipped step is named and has nothing to show."""
    step = attrs.evolve(
        detail.steps[1], status="skipped", started_at=None, finished_at=None, seconds={}
    )
    bar = timeline_of(detail.run, [step]).bars[0]
    assert (bar.segments, bar.seconds) == ((), None)
    assert "skipped" in timeline_svg(detail.run, [step])


def test_running_step_lasts_until_now(detail):
    """A step that has not finished is drawn to the last thing that is known."""
    run = attrs.evolve(detail.run, status="running", finished_at=None)
    step = attrs.evolve(detail.steps[0], status="running", finished_at=None, seconds={})
    timeline = timeline_of(run, [step, detail.steps[1]])
    assert timeline.bars[0].segments[-1].end == pytest.approx(0.95, abs=1e-6)


def test_run_without_steps_can_be_drawn(detail):
    """The least there can be is still a picture."""
    parsed(timeline_svg(attrs.evolve(detail.run, finished_at=None), []))


def test_wall_time_is_set_against_the_sum(detail):
    """Two steps side by side are said to be faster than one after the other."""
    side = [state(step, 0.0, 0.5) for step in detail.run.graph.steps]
    text = said(timeline_of(detail.run, side).timing)
    assert text == (
        "1 s in all, steps one after the other 1 s: side by side they were 2.0 times as fast"
    )


@pytest.mark.parametrize("seconds", [0.0004, 0.09, 7.0, 400.0, 90_000.0])
def test_axis_has_a_handful_of_ticks(detail, seconds):
    """From microseconds to days there are a few ticks, all inside the picture."""
    run = attrs.evolve(detail.run, finished_at=BEGAN + seconds)
    step = state(detail.run.graph.steps[0], 0.0, seconds, ready_at=BEGAN)
    root = parsed(timeline_svg(run, [step]))
    ticks = [float(line.get("x1", "").rstrip("%")) for line in root.iter(f"{SVG}line")]
    assert 3 <= len(ticks) <= 7
    assert all(0 <= tick <= 100 for tick in ticks)


def test_segments_lie_inside_the_picture(detail):
    """No bar begins before the run or ends after it."""
    root = parsed(timeline_svg(detail.run, detail.steps))
    for rect in root.iter(f"{SVG}rect"):
        if rect.get("class") == "segment":
            start, width = (float(rect.get(name, "").rstrip("%")) for name in ("x", "width"))
            assert 0 <= start <= start + width <= 100.01


def test_hostile_names_are_escaped(detail):
    """A task's or stage's name cannot become markup."""
    step = attrs.evolve(detail.steps[0], task="<script>", seconds={"<b>\x00": 0.2})
    written = timeline_svg(detail.run, [step])
    parsed(written)
    assert "<script" not in written
    assert "<b>" not in written


def test_segment_of_an_unknown_stage_is_kept(detail):
    """A stage that a later version adds is shown under its own name."""
    step = state(detail.run.graph.steps[0], 0.1, 0.5, seconds={"verify": 0.4}, ready_at=None)
    bar = timeline_of(detail.run, [step]).bars[0]
    assert [segment.stage for segment in bar.segments] == ["verify"]
    assert isinstance(bar.segments[0], Segment)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0000001, "0.01 ms"),
        (0.0042, "4.2 ms"),
        (0.1824, "182 ms"),
        (0.9996, "1 s"),
        (1.254, "1.25 s"),
        (59.97, "1 min"),
        (125, "2 min 5 s"),
        (3720, "1 h 2 min"),
    ],
)
def test_duration_reads_well(seconds, text):
    """Each length of time is told in the unit that people use for it."""
    assert duration(seconds) == text
