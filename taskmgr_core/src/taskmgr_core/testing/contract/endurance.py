"""The contracts of a task that take many calls, or end its process."""

from __future__ import annotations

import contextlib
import itertools
import time

import psutil

from taskmgr_core.errors import RunnerError
from taskmgr_core.runners import Runner
from taskmgr_core.runners.memory import used_bytes
from taskmgr_core.testing.contract.broken import ContractBrokenError
from taskmgr_core.testing.contract.names import CANCEL, MEMORY
from taskmgr_core.testing.contract.slopes import slope
from taskmgr_core.testing.contract.stand import Sample, Stand, forgotten
from taskmgr_core.testing.contract.survivors import Watch, kill

WARM_UP = 50
EVERY = 5
DYING_SECONDS = 1.0
CALLING_SECONDS = 0.3
_POLL_SECONDS = 0.01


def memory(stand: Stand) -> None:
    """A task that is called again and again gives its memory back.

    What grows is watched for as long again: a cache that fills up comes to an end.

    Raises:
        ContractBrokenError: it grows on.
    """
    samples = itertools.cycle([each.sample for each in stand.answered()])
    runner, claims = stand.warm(), stand.claims
    for _ in range(min(WARM_UP, claims.runs)):
        stand.again(runner, next(samples), MEMORY, keep=False)
    grown = 0.0
    for _ in range(2):
        sizes = []
        for at in range(claims.runs):
            stand.again(runner, next(samples), MEMORY, keep=False)
            if at % EVERY == EVERY - 1:
                sizes.append(used_bytes(runner.pid, with_children=True) / 1000)
        grown = min(slope(sizes), slope(sizes[len(sizes) // 2 :])) / EVERY
        if grown <= claims.memory_kb_per_run:
            return
    raise ContractBrokenError(
        MEMORY,
        seen=f"after the first {WARM_UP} runs and {claims.runs} more, the memory of the process "
        f"still grew by {grown:.1f} kB with each of {claims.runs} runs, to {sizes[-1] / 1000:.0f} "
        "MB",
        allowed=f"{claims.memory_kb_per_run:g} kB for each run (memory_kb_per_run)",
        change="what is kept from call to call: a list or a cache without an end, references from "
        "native code; or claim more: [tool.taskmgr.contract] memory_kb_per_run",
    )


def cancel(stand: Stand) -> None:
    """A task that is cancelled is gone within a second, and leaves no process behind.

    The better of two counts: the machine may be busy.

    Raises:
        ContractBrokenError: it is not, or does.
    """
    seconds, left = _ended(stand)
    if left or seconds > DYING_SECONDS:
        seconds, left = _ended(stand)
    if not left and seconds <= DYING_SECONDS:
        return
    ran = f"these processes ran on: {left}" if left else "it had only just ended"
    raise ContractBrokenError(
        CANCEL,
        seen=f"{seconds:.2f} s after it was cancelled {ran}",
        allowed=f"within {DYING_SECONDS:g} s nothing is left of what the task started",
        change="start no daemons: leave a child in its process group (no start_new_session, no "
        "setsid), and wait for it",
    )


def _ended(stand: Stand) -> tuple[float, str]:
    """Cancel a call: the seconds until nothing was left, and what was left after too many."""
    sample = stand.answered()[0].sample
    runner = stand.started()
    watch = Watch(runner.pid, runner.folder)
    try:
        stand.load(runner)
        asked = _cancelled(stand, runner, sample)
        seconds = time.monotonic() - asked
        while (left := watch.left()) and seconds < DYING_SECONDS:
            time.sleep(_POLL_SECONDS)
            seconds = time.monotonic() - asked
        return seconds, ", ".join(f"{each.pid} ({_command(each)})" for each in left)
    finally:
        runner.close()
        watch.close()
        kill(watch.left())


def _cancelled(stand: Stand, runner: Runner, sample: Sample) -> float:
    """Cancel it in the middle of a call, where one takes long enough; the moment of that."""
    moment = time.monotonic() + CALLING_SECONDS
    while time.monotonic() < moment and not runner.closed:
        try:
            stand.call(runner, sample.inputs, lambda: time.monotonic() >= moment, keep=False)
        except RunnerError as error:
            if error.code != "cancelled":
                raise forgotten(CANCEL, sample, error) from error
    # A call that is shorter than the looks at it ends before: an idle runner is ended the same.
    asked = min(moment, time.monotonic()) if runner.closed else time.monotonic()
    runner.close()
    return asked


def _command(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())[:80]
    return "it has just ended"
