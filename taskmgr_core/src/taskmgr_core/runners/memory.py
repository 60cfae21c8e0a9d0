"""How much memory a runner uses for itself: files that it maps are the machine's to keep.

Linux tells it apart in ``/proc`` (``man 5 proc_pid_status``, ``proc_pid_smaps``); elsewhere
psutil's unique set size stands for it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil

_LINUX = sys.platform == "linux"
_OWN = ("RssAnon:", "RssShmem:")
_SHARE = ("Pss_Anon:", "Pss_Shmem:")


def used_bytes(pid: int, *, with_children: bool) -> int:
    """Bytes of memory that a process uses, mapped files left out; 0 when it is gone.

    Arguments:
        pid: the process.
        with_children: count what it has started too, and each page that they share
            once. That takes longer: the kernel goes through all their pages.
    """
    try:
        children = psutil.Process(pid).children(recursive=True) if with_children else []
        if not children:
            return _own(pid)
    except (psutil.Error, OSError):
        return 0
    return sum(_proportional(each) for each in (pid, *(child.pid for child in children)))


def _own(pid: int) -> int:
    if _LINUX:
        return _fields(Path(f"/proc/{pid}/status"), _OWN)
    return int(psutil.Process(pid).memory_full_info().uss)


def _proportional(pid: int) -> int:
    """Its own pages, and its part of those that it shares with a process it was forked from."""
    with contextlib.suppress(psutil.Error, OSError):
        if not _LINUX:
            return _own(pid)
        try:
            return _fields(Path(f"/proc/{pid}/smaps_rollup"), _SHARE)
        except OSError:  # another user's, or a kernel without it
            return _own(pid)
    return 0


def _fields(path: Path, names: Iterable[str]) -> int:
    """The sum of lines such as ``RssAnon:  148 kB``, in bytes."""
    wanted = tuple(names)
    lines = [line.split() for line in path.read_text().splitlines() if line.startswith(wanted)]
    return sum(int(line[1]) for line in lines) * 1024
