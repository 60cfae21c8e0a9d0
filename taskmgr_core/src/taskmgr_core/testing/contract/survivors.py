"""Which processes a runner has started, and which of them are left when it has ended."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable
from pathlib import Path

import psutil

_EVERY_SECONDS = 0.02


class Watch:
    """Notes what a runner starts while it lives, so that none of it can hide.

    Whatever has left its session, and whose parents have ended, is told by the working
    folder, which a runner has in its environment and hands on.

    Arguments:
        pid: the runner's process.
        folder: its working folder, which no other process has.
    """

    def __init__(self, pid: int, folder: Path) -> None:
        self._pid, self._folder = pid, folder
        self._seen: dict[int, psutil.Process] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no longer."""
        self._ended.set()
        self._thread.join()

    def left(self) -> list[psutil.Process]:
        """The processes that run still."""
        found = {each.pid: each for each in belonging(self._pid, self._folder)}
        return [each for each in (found | self._seen).values() if _runs(each)]

    def _look(self) -> None:
        while not self._ended.wait(_EVERY_SECONDS):
            with contextlib.suppress(psutil.Error):
                children = psutil.Process(self._pid).children(recursive=True)
                self._seen |= {each.pid: each for each in children}


def belonging(pid: int, folder: Path) -> list[psutil.Process]:
    """The processes of a runner's group and session, and those that have its working folder."""
    return [each for each in psutil.process_iter() if _belongs(each, pid, str(folder))]


def kill(found: Iterable[psutil.Process]) -> None:
    """End processes, which may have ended."""
    for each in found:
        with contextlib.suppress(psutil.Error):
            each.kill()


def _belongs(process: psutil.Process, pid: int, folder: str) -> bool:
    if process.pid == os.getpid():
        return False
    with contextlib.suppress(psutil.Error, OSError):
        if pid in (process.pid, os.getpgid(process.pid), os.getsid(process.pid)):
            return True
    with contextlib.suppress(psutil.Error, OSError):
        return process.environ().get("HOME") == folder
    return False


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
