"""The overview: what waits, who works, how fast, and whether the services answer."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from taskmgr_core.health import ServiceHealth
from taskmgr_core.monitoring import Line, Picture
from taskmgr_core.report.formats import duration
from taskmgr_core.specs import StepTimes, Worker
from taskmgr_core.watching import LATEST_RUNS, Watcher
from taskmgr_tui.core.cells import Cell, slots, spark, state
from taskmgr_tui.core.rates import Figures, Flow, Window, figures_of, flow_of
from taskmgr_tui.core.times import NOTHING, ago

QUEUE_COLUMNS = ("queue", "ready", "delayed", "oldest", "in/m", "out/m", "failed/m", "ended")
WORKER_COLUMNS = ("worker", "state", "slots", "beat", "runs now")
TASK_COLUMNS = ("task", "steps", "/min", "failed", "p50", "p95", "p99", "ended")
NUMBERS = frozenset(
    {"ready", "delayed", "oldest", "in/m", "out/m", "failed/m", "beat", "steps", "/min",
     "failed", "p50", "p95", "p99"}
)  # fmt: skip

Row = tuple[Cell, ...]


@attrs.frozen
class Overview:
    """The platform at one moment, and what went through it lately.

    Attributes:
        picture: workers, queues, counts.
        times: of the steps of the newest runs.
        window: what rates are of.
    """

    picture: Picture
    times: Sequence[StepTimes]
    window: Window


def look(watcher: Watcher) -> Overview:
    """Read it: a handful of bounded queries."""
    picture = watcher.picture()
    times = watcher.latest_times()
    whole = len({each.run for each in times}) < LATEST_RUNS
    return Overview(picture, times, Window.of(times, picture.at, whole=whole))


def headline(overview: Overview) -> list[Cell]:
    """The runs in one line."""
    counts, ended = overview.picture.overview, overview.picture.overview.ended
    more = "" if overview.picture.counted_all else " (counts end at 10,000)"
    oldest, problem = overview.picture.oldest, overview.picture.problem
    waited = "" if oldest is None else f"   oldest waiting {ago(oldest, overview.picture.at)}"
    return [
        Cell(f"{counts.running} running", "busy" if counts.running else "strong"),
        Cell("   last minute: "),
        Cell(f"✓ {ended.get('succeeded', 0)} succeeded", "good"),
        Cell("  "),
        Cell(f"✗ {ended.get('failed', 0)} failed", "bad" if ended.get("failed") else "quiet"),
        Cell("  "),
        Cell(f"⊘ {ended.get('cancelled', 0)} cancelled", "quiet"),
        Cell(waited + more),
        Cell(f"   ! {problem}" if problem else "", "bad"),
    ]


def services_line(services: Sequence[ServiceHealth]) -> list[Cell]:
    """The services in one line; of a fault also what it is."""
    cells = []
    for each in services:
        sign, tone = state(each.state).text.split()[0], state(each.state).tone
        told = each.kind
        if each.service == "workers" or each.state == "fault":
            told = each.message
        elif each.latency_ms is not None and each.latency_ms >= 1:
            told = f"{each.kind} {each.latency_ms:.0f} ms"
        cells += [Cell(f"{sign} {each.service}", tone), Cell(f" {told}  ", "quiet")]
    return cells


def queue_rows(overview: Overview) -> dict[str, Row]:
    """The queues: those with steps, or with workers, or with something that went through."""
    lines = {(each.queue, each.needs): each for each in overview.picture.lines}
    for queue in {each.queue for each in overview.times}:
        if not any(known == queue for known, _ in lines):
            lines[queue, ""] = Line(queue, "", None, None, _serving(overview.picture, queue))
    return {
        f"{queue} {needs}": _queue_row(overview, lines[queue, needs])
        for queue, needs in sorted(lines)
    }


def _queue_row(overview: Overview, line: Line) -> Row:
    waiting = line.waiting
    # Steps that need resources have a line of their own; the flow is told of the queue once.
    flow = None if line.needs else flow_of(overview.times, line.queue, overview.window)
    served = bool(line.workers)
    name = f"{line.queue}+{line.needs}" if line.needs else line.queue
    oldest = None if waiting is None else waiting.oldest
    return (
        Cell(name if served or waiting is None else f"{name} (no worker)", "" if served else "odd"),
        Cell(str(waiting.ready if waiting else 0), "waiting" if waiting and waiting.ready else ""),
        Cell(str(waiting.delayed if waiting else 0)),
        Cell(ago(oldest, overview.picture.at)),
        *_flow_cells(flow),
    )


def _flow_cells(flow: Flow | None) -> Row:
    if flow is None:
        return (Cell(NOTHING),) * 3 + (Cell(""),)
    return (
        Cell(f"{flow.came:.1f}"),
        Cell(f"{flow.went:.1f}"),
        Cell(f"{flow.failed:.1f}", "bad" if flow.failed else ""),
        Cell(spark(flow.ended), "good"),
    )


def _serving(picture: Picture, queue: str) -> int:
    return sum(
        alive and not each.private and (not each.queues or queue in each.queues)
        for each, alive in picture.workers
    )


def worker_rows(overview: Overview) -> dict[str, Row]:
    """The workers, those that live first."""
    ordered = sorted(overview.picture.workers, key=lambda each: (not each[1], each[0].id))
    return {
        worker.id: (
            Cell(worker.id),
            state(worker_state(worker, alive=alive)),
            slots(len(worker.running), worker.slots),
            Cell(ago(worker.heartbeat, overview.picture.at)),
            Cell(running_now(worker)),
        )
        for worker, alive in ordered
    }


def worker_state(worker: Worker, *, alive: bool) -> str:
    """What a worker does, as one word."""
    if not alive:
        return "lost"
    if worker.preparing:
        return "preparing"
    return "draining" if worker.draining else "alive"


def nobody(overview: Overview) -> str:
    """What to do where no worker lives; empty where one does."""
    if any(alive and not each.private for each, alive in overview.picture.workers):
        return ""
    return "nobody works: taskmgr worker start"


def running_now(worker: Worker) -> str:
    """The steps that it runs, each as the end of the run's id and the step's."""
    named = [each.partition("/") for each in worker.running]
    return " ".join(f"{run[-8:]}/{step}" for run, _, step in named)


def task_rows(overview: Overview) -> dict[str, Row]:
    """The tasks of which steps ended lately, the busiest first."""
    figures = figures_of(overview.times, overview.window)
    return {each.task: _task_row(each) for each in figures}


def _task_row(figures: Figures) -> Row:
    shown = [NOTHING] * 3 if figures.seconds is None else map(duration, figures.seconds)
    share = figures.failed / figures.count
    return (
        Cell(figures.task),
        Cell(str(figures.count)),
        Cell(f"{figures.per_minute:.1f}"),
        Cell(f"{share:.0%}", "bad" if figures.failed else ""),
        *(Cell(each) for each in shown),
        Cell(spark(figures.ended), "good"),
    )
