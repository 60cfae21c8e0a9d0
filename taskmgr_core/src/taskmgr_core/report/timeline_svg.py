"""When each step waited, loaded and computed: a timeline as SVG that fits any width.

Distances across are percentages and texts keep their size, so that it reads as
well on a phone as on paper.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import attrs

from taskmgr_core.report import svg
from taskmgr_core.report.formats import counted, duration
from taskmgr_core.report.theme import STAGE_COLOURS, stage_colour
from taskmgr_core.specs import Run, Step
from taskmgr_core.summary import Timing, timing_of

_BAR_TOP = 20.0
_MANY = 24
_AXIS = 30.0
_LEGEND = 26.0
_NAME_ADVANCE = 6.9
_TICKS = 5
_QUEUE = "queue"
_NO_STAGE = ("queue", "total")
# Times since 1970 are no more exact than this many seconds.
_LEAST = 1e-6


@attrs.frozen
class Segment:
    """A stage of a step: seconds since the run began."""

    stage: str
    start: float
    end: float


@attrs.frozen
class Bar:
    """A step on the timeline.

    Attributes:
        step: the step.
        segments: its stages, one after the other; empty where it never started.
        seconds: from started to finished; None where it has not finished.
    """

    step: Step
    segments: tuple[Segment, ...]
    seconds: float | None


@attrs.frozen
class Timeline:
    """All steps of a run, with the run's beginning as zero.

    Attributes:
        bars: in the steps' order.
        span: seconds until the last thing that is known to have happened.
        timing: what it comes to.
    """

    bars: tuple[Bar, ...]
    span: float
    timing: Timing


def timeline_of(run: Run, steps: Sequence[Step]) -> Timeline:
    """Work out the timeline of a run."""
    times = [
        time
        for step in steps
        for time in (step.ready_at, step.started_at, step.finished_at)
        if time is not None
    ]
    ended = run.finished_at
    begin = min([run.created_at, *times])
    end = max([run.created_at, *times, *([] if ended is None else [ended])])
    bars = tuple(_bar(step, begin, end) for step in steps)
    return Timeline(bars, max(end - begin, 1e-6), timing_of(run, steps))


def timeline_svg(run: Run, steps: Sequence[Step], *, standalone: bool = True) -> str:
    """Draw the timeline of a run.

    Arguments:
        run: the run.
        steps: its steps.
        standalone: for a file of its own, with a legend; otherwise for a place
            inside a page that has the colours of ``theme.variables`` and shows
            ``stages_of`` by itself.
    """
    timeline = timeline_of(run, steps)
    stages = stages_of(timeline) if standalone else []
    top = _LEGEND if stages else 0.0
    row, thickness = (44.0, 14.0) if len(steps) <= _MANY else (34.0, 8.0)
    height = top + row * len(timeline.bars) + _AXIS
    content = "".join(
        (
            _legend(stages),
            *_axis(timeline.span, top, height - _AXIS),
            *(
                _row(bar, timeline.span, top + row * at, thickness)
                for at, bar in enumerate(timeline.bars)
            ),
        )
    )
    name = f"Timeline: {counted(len(steps), 'step')}; {said(timeline.timing)}"
    return svg.document(content, name, _STYLE, standalone, width="100%", height=height)


def said(timing: Timing) -> str:
    """In one line: the wall time, and what the steps took one after the other."""
    together = f"{duration(timing.total)} in all, steps one after the other "
    together += duration(timing.sequential)
    if timing.speedup < 1.05:
        return together
    return f"{together}: side by side they were {timing.speedup:.1f} times as fast"


def _bar(step: Step, begin: float, end: float) -> Bar:
    if step.started_at is None:
        return Bar(step, (), None)
    start = step.started_at - begin
    stop = (end if step.finished_at is None else max(step.finished_at, step.started_at)) - begin
    segments = (*_waiting(step, begin), *_working(step.seconds, start, stop))
    return Bar(step, segments, None if step.finished_at is None else stop - start)


def _waiting(step: Step, begin: float) -> Iterator[Segment]:
    start = (step.started_at or begin) - begin
    waited = step.seconds.get(_QUEUE, 0.0)
    ready = step.ready_at - begin if step.ready_at is not None else start - waited
    if ready < start:
        yield Segment(_QUEUE, max(ready, 0.0), start)


def _working(seconds: Mapping[str, float], start: float, stop: float) -> Iterator[Segment]:
    """The stages in their order, what no stage accounts for at the end."""
    known = [stage for stage in STAGE_COLOURS if stage in seconds]
    unknown = [stage for stage in seconds if stage not in STAGE_COLOURS]
    stages = [
        (stage, max(seconds[stage], 0.0))
        for stage in (*known, *unknown)
        if stage not in _NO_STAGE and seconds[stage] > 0
    ]
    spent = sum(length for _, length in stages)
    # Stages are timed in the runner, the step by the store: they may differ a little.
    factor = min(1.0, (stop - start) / spent) if spent else 1.0
    for stage, length in stages:
        yield Segment(stage, start, start + length * factor)
        start += length * factor
    if stop - start > _LEAST:
        yield Segment("other", start, stop)


def stages_of(timeline: Timeline) -> list[str]:
    """The stages that can be seen, in the order in which they are drawn."""
    seen = [
        segment.stage
        for bar in timeline.bars
        for segment in bar.segments
        if segment.end - segment.start > timeline.span / 2000
    ]
    order = {stage: at for at, stage in enumerate(STAGE_COLOURS)}
    return sorted(dict.fromkeys(seen), key=lambda stage: order.get(stage, len(order)))


# --- how it looks ----------------------------------------------------------------------------


def _legend(stages: Sequence[str]) -> str:
    x, parts = 0.0, []
    for stage in stages:
        shown = svg.fitted(stage, 120, _NAME_ADVANCE)
        colour = stage_colour(stage)
        parts.append(svg.element("rect", x=x, y=3.0, width=10.0, height=10.0, fill=colour, rx=2.0))
        parts.append(svg.element("text", svg.text(shown), x=x + 15, y=12.0, class_="muted small"))
        x += 15 + svg.columns(shown) * 6.2 + 14
    return "".join(parts)


def _axis(span: float, top: float, bottom: float) -> Iterator[str]:
    step = _tick(span)
    for index in range(int(span / step + 1e-9) + 1):
        share = index * step / span
        x = _percent(share)
        yield svg.element("line", x1=x, x2=x, y1=top, y2=bottom + 5, class_="grid")
        anchor = "start" if index == 0 else "end" if share > 0.93 else "middle"
        words = "0" if index == 0 else duration(index * step)
        yield svg.element(
            "text", svg.text(words), x=x, y=bottom + 20, text_anchor=anchor, class_="muted small"
        )


def _tick(span: float) -> float:
    """A round number of seconds, so that there are about five ticks."""
    rough = span / _TICKS
    if rough > 60:
        unit = 60.0 if rough < 3600 else 3600.0
        for count in (1, 2, 5, 10, 15, 30):
            if unit * count >= rough:
                return unit * count
        return math.ceil(rough / unit) * unit
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * each for each in (1, 2, 5, 10) if power * each >= rough * 0.999)


def _row(bar: Bar, span: float, top: float, thickness: float) -> str:
    step = bar.step
    name = svg.fitted(f"{step.id} {step.task}", 250, _NAME_ADVANCE)
    plain = step.status == "succeeded" and not step.remark
    time = "" if bar.seconds is None else duration(bar.seconds)
    right = time if plain else " · ".join(filter(None, (step.status, step.remark, time)))
    return svg.element(
        "g",
        svg.title(f"{step.id} {step.task}, {step.status}, {time}"),
        svg.sign(step.status, 0, top + 3, 11),
        svg.element("text", svg.text(name), x=17.0, y=top + 13, class_="name"),
        svg.element(
            "text",
            svg.text(right),
            x="100%",
            y=top + 13,
            class_="small end" if plain else f"small end {step.status}",
        ),
        svg.element("rect", x=0, y=top + _BAR_TOP, width="100%", height=thickness, class_="track"),
        *(_segment(segment, span, top + _BAR_TOP, thickness) for segment in bar.segments),
    )


def _segment(segment: Segment, span: float, top: float, thickness: float) -> str:
    waiting = segment.stage == _QUEUE
    height = 4.0 if waiting else thickness
    length = duration(segment.end - segment.start)
    return svg.element(
        "rect",
        svg.title(f"{segment.stage} {length}"),
        x=_percent(segment.start / span),
        y=top + (thickness - height) / 2,
        width=_percent((segment.end - segment.start) / span),
        height=height,
        fill=stage_colour(segment.stage),
        class_="segment",
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3f}".rstrip("0").rstrip(".") + "%"


_STYLE = (
    ".drawing .name{font-size:12.5px;font-weight:500}"
    ".drawing .small{font-size:11px;font-variant-numeric:tabular-nums}"
    ".drawing .small.failed{fill:var(--failed);font-weight:600}"
    ".drawing .small.running{fill:var(--running)}"
    ".drawing .grid{stroke:var(--line);stroke-width:1;stroke-dasharray:2 3}"
    ".drawing .track{fill:var(--faint)}"
    ".drawing .segment{stroke:var(--card);stroke-width:.75}"
)
