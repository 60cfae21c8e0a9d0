"""Noticing that a process ended, and ending one with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time

import psutil

_POLL_SECONDS = 0.005


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process has ended.

    It is not reaped, so that nobody else gets its id: its group can still be killed.
    """
    if process.returncode is not None:
        return True
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return process.poll() is not None
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    try:
        return os.waitid(os.P_PID, process.pid, options) is not None
    except ChildProcessError:
        return True


def ends_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for the end of a process, without reaping it; false when it goes on."""
    deadline = time.monotonic() + seconds
    while not has_ended(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def end(process: subprocess.Popen[bytes]) -> int:
    """Kill a process, its group and its descendants in other sessions; its exit status.

    A descendant whose parents have all ended is nobody's any more: it is found in the
    group or not at all.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, signal.SIGSTOP)  # so that it starts nothing meanwhile
        descendants = _descendants(process.pid)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        for descendant in descendants:
            with contextlib.suppress(psutil.Error):
                descendant.kill()
    return process.wait()


def ending(status: int) -> str:
    """How a process ended, for a message."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = " (perhaps the machine ran out of memory)" if -status == signal.SIGKILL else ""
    return f"was killed by {name}{hint}"


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []
