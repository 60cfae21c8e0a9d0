"""Where the time of a run went, step by step."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from taskmgr_core.cli.screen import Screen, plain, seconds_of, short_id, table, took
from taskmgr_core.report.formats import duration
from taskmgr_core.specs import RunDetail, Step
from taskmgr_core.summary import timing_of

STAGES = ("environment", "start", "load", "inputs", "compute", "outputs")


# Left out one after the other where there is no room for all.
LEAST_TELLING = ("outputs", "inputs", "version", "tries", "start", "load", "environment", "compute")


def print_timings(screen: Screen, detail: RunDetail) -> None:
    """Print a row for each step, and sequential against parallel."""
    columns = _columns(screen, detail.steps)
    for name in LEAST_TELLING:
        if sum(map(_width, columns.items())) > screen.out.width:
            columns.pop(name, None)
    shown = table(*columns, right=("times", "tries", *STAGES, "time"), whole=columns)
    for row in zip(*columns.values(), strict=True):
        shown.add_row(*row)
    screen.print(shown)
    _print_remarks(screen, detail.steps)
    timing = timing_of(detail.run, detail.steps)
    if len(detail.steps) > 1 and timing.parallel > 0:
        screen.line(
            f"one after the other {duration(timing.sequential)}, as it was "
            f"{duration(timing.parallel)}: {timing.speedup:.2f}x",
            "dim",
        )


def _columns(screen: Screen, steps: Sequence[Step]) -> dict[str, list[Text]]:
    """Name -> a cell for each step; stages that none went through are left out."""
    stages = [name for name in STAGES if any(name in step.seconds for step in steps)]
    tries = any(step.tries > 1 for step in steps)
    times = any(step.elements is not None for step in steps)
    return {
        "step": [plain(step.id) for step in steps],
        "task": [plain(step.task) for step in steps],
        "version": [plain(step.version) for step in steps],
        "status": [_status(screen, step) for step in steps],
        **({"times": [_times(step) for step in steps]} if times else {}),
        **({"tries": [plain(str(step.tries)) for step in steps]} if tries else {}),
        **{name: [plain(seconds_of(step.seconds.get(name))) for step in steps] for name in stages},
        "time": [plain(took(step.started_at, step.finished_at)) for step in steps],
    }


def _times(step: Step) -> Text:
    """For how many elements it was run, or in how many iterations."""
    if step.elements is None:
        return plain("")
    failed = f" ({step.failed.count} failed)" if step.failed.count else ""
    return plain(f"{step.elements}{failed}")


def _status(screen: Screen, step: Step) -> Text:
    elsewhere = step.origin or step.cached_from
    return screen.status(step.status).append(f" {step.remark}" if elsewhere else "", "dim")


def _print_remarks(screen: Screen, steps: Sequence[Step]) -> None:
    """Where what was not run is from, and why a step waits that could be run."""
    for step in steps:
        if step.origin:
            told = f"{step.id} was not run: it is taken over from run {short_id(step.origin)}"
            screen.line(told, "dim")
        elif step.cached_from:
            run, _, of = step.cached_from.partition("/")
            screen.line(f"{step.id} was not run: step {of} of run {short_id(run)} gave this", "dim")
        elif step.remark:
            screen.line(plain(f"{step.id} {step.remark}", "dim"))


def _width(column: tuple[str, list[Text]]) -> int:
    name, cells = column
    return max(len(name), *(each.cell_len for each in cells)) + 2
