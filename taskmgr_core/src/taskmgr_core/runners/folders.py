"""Working folders that are locked while somebody uses them, so that left ones can be told."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import attrs

SWEPT = ("runner-", "inputs-", "trial-")
# The clock of a file system may be so coarse that two changes get the same time.
COARSE_NANOSECONDS = 100_000_000


@attrs.define
class WorkFolder:
    """A folder of one process, locked by it; the lock ends with the process, however it ends.

    Attributes:
        path: where it is.
    """

    path: Path
    _descriptor: int
    _empty_since: tuple[int, ...] = attrs.field(default=(), init=False)

    @classmethod
    def create(cls, parent: Path, prefix: str) -> WorkFolder:
        """Make a new folder.

        Arguments:
            parent: where; made if it is not there.
            prefix: what its name begins with, one of ``SWEPT``.

        Raises:
            OSError: it cannot be made.
        """
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            descriptor = _locked(path)
            if descriptor is not None:
                return cls(path, descriptor)
            # A sweep took it between the two lines.

    def empty(self) -> None:
        """Remove what is in it; make it again if it is no more the folder that it was.

        Raises:
            OSError: it cannot be made again.
        """
        if self._empty_since and self._state() == self._empty_since:
            return
        if not _is(self._descriptor, self.path):
            self._make_again()
        with os.scandir(self._descriptor) as entries:
            names = [each.name for each in entries]
        for name in names:
            _remove(name, self._descriptor)
        self._empty_since = () if names else self._state()

    def remove(self) -> None:
        """Remove the folder and give up the lock. Not to be called twice."""
        _remove(str(self.path))
        os.close(self._descriptor)

    def _state(self) -> tuple[int, ...]:
        """What is another with each change of what is in it; empty where that is not sure."""
        try:
            found = self.path.lstat()
        except OSError:
            return ()
        if time.time_ns() - found.st_ctime_ns < COARSE_NANOSECONDS:
            return ()
        return found.st_dev, found.st_ino, found.st_ctime_ns

    def _make_again(self) -> None:
        _remove(str(self.path))
        self.path.mkdir(parents=True)
        descriptor = _locked(self.path)
        if descriptor is None:
            raise FileNotFoundError(f"{self.path} was removed again")
        os.close(self._descriptor)
        self._descriptor = descriptor


def sweep(parent: Path, prefixes: Iterable[str] = SWEPT) -> None:
    """Remove the folders of processes that are gone; whatever cannot be removed stays."""
    wanted = tuple(prefixes)
    with contextlib.suppress(OSError):
        for path in parent.iterdir():
            if not path.name.startswith(wanted):
                continue
            with contextlib.suppress(OSError):
                descriptor = _locked(path)
                if descriptor is not None:
                    WorkFolder(path, descriptor).remove()


def _locked(path: Path) -> int | None:
    """A descriptor that holds the folder's lock; None when another one has it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    if _is(descriptor, path):
        return descriptor
    os.close(descriptor)
    return None


def _is(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        return False


def _remove(name: str, within: int | None = None) -> None:
    """Remove a file or folder, which may be absent, in the folder of a descriptor."""
    with contextlib.suppress(OSError):
        if stat.S_ISDIR(os.stat(name, dir_fd=within, follow_symlinks=False).st_mode):
            shutil.rmtree(name, ignore_errors=True, dir_fd=within)
        else:
            os.unlink(name, dir_fd=within)
