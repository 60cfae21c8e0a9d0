"""What came of a run, on the terminal."""

from __future__ import annotations

from taskmgr_core.cli.endings import say_error, say_note
from taskmgr_core.cli.results_view import print_result
from taskmgr_core.cli.screen import Screen, plain, short_id
from taskmgr_core.cli.views import failed_step
from taskmgr_core.report.formats import duration
from taskmgr_core.results import present
from taskmgr_core.specs import SUMMARY_ENTRY, RunDetail
from taskmgr_core.summary import timing_of


def print_run(screen: Screen, detail: RunDetail) -> None:
    """What came of a run: its result, or why there is none."""
    run = detail.run
    if detail.result is None:
        print_failure(screen, detail)
        return
    result = dict(present(detail.result))
    if run.kind == "pipeline":
        result.pop(SUMMARY_ENTRY, None)
    print_result(screen, result)
    timing = timing_of(run, detail.steps)
    speed = f", parallel {timing.speedup:.2f}x" if len(detail.steps) > 1 else ""
    note = f"run {short_id(run.id)}  {duration(timing.total)}{speed}"
    if screen.live:
        screen.err.print("", plain(note, "dim"), sep="\n")


def print_failure(screen: Screen, detail: RunDetail) -> None:
    """Why a run has no result, with the task's own traceback, on stderr."""
    run = detail.run
    if detail.problem:
        say_error(f"run {short_id(run.id)}: {detail.problem}")
        return
    if run.status == "running":
        say_note(f"run {short_id(run.id)} has not ended")
        return
    failed = failed_step(detail)
    failure = failed.failure if failed else run.failure
    where = f" in step {failed.id} ({failed.task} {failed.version})" if failed else ""
    message = f": {failure.code}: {failure.message}" if failure else ""
    if failure and failure.traceback:
        screen.err.print(plain(failure.traceback.rstrip(), "dim"), soft_wrap=True)
    say_error(f"run {short_id(run.id)} {run.status}{where}{message}")
    screen.err.print(plain(f"its output: taskmgr logs {short_id(run.id)}", "dim"))
