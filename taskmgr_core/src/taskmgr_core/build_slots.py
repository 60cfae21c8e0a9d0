"""Folders to build virtualenvs in, one builder in each, under paths that are used again.

uv runs the Python of every path that it has not seen, to ask what it is: longer than all else
takes that it does for a small virtualenv. It remembers the answer by path.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import attrs

from taskmgr_core.uv import Interpreter


@attrs.frozen
class BuildSlot:
    """A folder that one builder has to itself.

    Attributes:
        path: the folder, empty.
        lock: a descriptor that keeps others out. Programs that write into the folder hold it,
            too: one that outlives its builder would write into the next one's virtualenv.
    """

    path: Path
    lock: int


@attrs.frozen
class BuildSlots:
    """The folders of this node.

    Attributes:
        folder: where they lie.
        locks: where their locks lie.
    """

    folder: Path
    locks: Path

    @contextlib.contextmanager
    def taken(self, interpreter: Interpreter) -> Iterator[BuildSlot]:
        """Take the first that nobody has.

        Arguments:
            interpreter: what the virtualenv is made with; paths are used again by the same alone.

        Raises:
            OSError: it cannot be made.
        """
        for number in itertools.count():
            with self._opened(str(number)) as lock:
                if not _alone(lock):
                    continue
                place = self.folder / str(number)
                shutil.rmtree(place, ignore_errors=True)  # of a builder that was killed
                text = f"{interpreter.path} {interpreter.version}"
                path = place / hashlib.sha256(text.encode()).hexdigest()[:8]
                path.mkdir(parents=True)
                try:
                    yield BuildSlot(path, lock.fileno())
                finally:
                    shutil.rmtree(place, ignore_errors=True)
                return

    def clean(self) -> None:
        """Remove what killed builders left behind."""
        for place in self.folder.glob("*"):
            with self._opened(place.name) as lock:
                if _alone(lock):
                    shutil.rmtree(place, ignore_errors=True)

    def _opened(self, name: str) -> IO[bytes]:
        self.locks.mkdir(parents=True, exist_ok=True)
        return (self.locks / f"{name}.slot").open("ab")


def _alone(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
