"""Where the time of a run went, step by step."""

from __future__ import annotations

from taskmgr_core.cli.screen import Screen, plain, seconds_of, table, took
from taskmgr_core.report.formats import duration
from taskmgr_core.specs import RunDetail
from taskmgr_core.summary import timing_of

STAGES = ("environment", "start", "load", "inputs", "compute", "outputs")


def print_timings(screen: Screen, detail: RunDetail) -> None:
    """Print a row for each step, and sequential against parallel."""
    stages = [name for name in STAGES if any(name in step.seconds for step in detail.steps)]
    tries = any(step.attempt > 1 for step in detail.steps)
    columns = ["step", "task", "version", "status", *(["tries"] if tries else []), *stages, "time"]
    shown = table(*columns, right=("tries", *stages, "time"), whole=columns)
    for step in detail.steps:
        shown.add_row(
            step.id,
            plain(step.task),
            plain(step.version),
            screen.status(step.status),
            *([str(step.attempt)] if tries else []),
            *(seconds_of(step.seconds.get(name)) for name in stages),
            took(step.started_at, step.finished_at) if step.started_at else "",
        )
    screen.heading("steps")
    screen.print(shown)
    timing = timing_of(detail.run, detail.steps)
    if len(detail.steps) > 1 and timing.parallel > 0:
        screen.line(
            f"one after the other {duration(timing.sequential)}, as it was "
            f"{duration(timing.parallel)}: {timing.speedup:.2f}x",
            "dim",
        )
