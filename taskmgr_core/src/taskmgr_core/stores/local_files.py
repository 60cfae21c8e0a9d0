"""The files of one machine that have their digests for names: used, listed, removed when unused.

Many processes use such a folder at once, and one that removes files must never take one
from another. Three things see to that:

- When a file was last put or asked for is its time of access, set by whoever does so, under
  a lock of the folder that all users share. Who removes a file has the lock alone while it
  looks at that time and removes it, so that no use falls in between.
- What takes long (an attempt, a publication) is announced: ``using`` keeps a file in
  ``.users`` locked, with the time at which the oldest one began. What was used since then stays,
  until its user has recorded it, or does not need it any more.
- A process that dies lets go of its lock, and nothing has to be cleaned up.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import attrs
import uuid_utils

from taskmgr_core.stores.digests import hexadecimal, is_digest

USERS = ".users"
# How exactly the time of the last use is known: to set it each time would cost a write.
EXACT_SECONDS = 30.0
_NANO = 1_000_000_000


@attrs.frozen
class LocalFile:
    """A file of this machine.

    Attributes:
        size: in bytes.
        used: UTC seconds when it was last put or asked for.
        linked: whether it has another name, as a model that runners load has.
    """

    digest: str
    size: int
    used: float
    linked: bool


@attrs.define(eq=False)
class LocalFiles:
    """Files under ``<folder>/ab/abcdef...``. Safe to use from many threads and processes.

    Attributes:
        folder: where they lie.
    """

    folder: Path
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)
    _begun: dict[object, float] = attrs.field(factory=dict, init=False, repr=False)
    _own: int | None = attrs.field(default=None, init=False, repr=False)
    _said: float = attrs.field(default=0.0, init=False, repr=False)

    def path(self, digest: str) -> Path:
        """Where the file of a digest lies, if it is there.

        Raises:
            ArtifactError: it is no digest.
        """
        name = hexadecimal(digest)
        return self.folder / name[:2] / name

    def use(self, digest: str) -> os.stat_result:
        """Note that a file is used now.

        Raises:
            FileNotFoundError: it is not there.
        """
        path = self.path(digest)
        with _locked(self.folder, fcntl.LOCK_SH):
            status = path.stat()
            now = time.time_ns()
            if now - status.st_atime_ns > EXACT_SECONDS * _NANO:
                # The time of the change stays: a file is verified once for each change. In a
                # folder that cannot be written nothing is removed either.
                with contextlib.suppress(OSError):
                    os.utime(path, ns=(now, status.st_mtime_ns))
        return status

    def using(self) -> AbstractContextManager[None]:
        """Keep what is put or asked for meanwhile, however long that takes."""
        return _Use(self)

    def listing(self) -> list[LocalFile]:
        """Every file, that which was unused for the longest first."""
        found = []
        for path in self.folder.glob("??/*"):
            digest = f"sha256:{path.name}"
            if is_digest(digest):
                with contextlib.suppress(FileNotFoundError):
                    found.append(_described(digest, path.stat()))
        return sorted(found, key=lambda each: each.used)

    def unused_since(self, spare_seconds: float) -> float:
        """Before which UTC seconds a file must have been used last, to be removed.

        Arguments:
            spare_seconds: what was used within them is left alone, announced or not.
        """
        return min([time.time() - spare_seconds, *self._announced()]) - EXACT_SECONDS

    def remove(self, digest: str, unused_since: float) -> bool:
        """Remove a file unless it was used meanwhile; whether it is gone by this.

        Arguments:
            digest: whose file.
            unused_since: what ``unused_since`` said before it was decided to remove it.
        """
        path = self.path(digest)
        with _locked(self.folder, fcntl.LOCK_EX):
            try:
                if _described(digest, path.stat()).used >= unused_since:
                    return False
                path.unlink()
            except FileNotFoundError:
                return False
        return True

    def _announce(self) -> None:
        """Tell others since when this process uses files; 0 for not now."""
        # Where that cannot be written nothing can be removed either; or the disk is full, and
        # what is spared has to do.
        with contextlib.suppress(OSError):
            if self._own is None:
                for _ in self._announced():
                    pass  # and what processes left that were killed is removed
                self._own = _own_file(self, self.folder / USERS)
            begun = min(self._begun.values(), default=0.0)
            # An earlier time keeps more than is needed, for as long as it is not exact anyhow:
            # where uses overlap, as in a worker of many slots, it is seldom written.
            if self._said and self._said <= begun < self._said + EXACT_SECONDS:
                return
            os.utime(self._own, (begun, begun))
            self._said = begun

    def _announced(self) -> Iterator[float]:
        """When the oldest use of each living process began."""
        for path in self.folder.glob(f"{USERS}/[!.]*"):
            with contextlib.suppress(FileNotFoundError), path.open("rb") as opened:
                if _lock_alone(opened.fileno()):
                    path.unlink()  # its process has ended
                elif begun := os.fstat(opened.fileno()).st_mtime:
                    yield begun


@attrs.frozen(eq=False)
class _Use(AbstractContextManager[None]):
    """See ``LocalFiles.using``."""

    files: LocalFiles

    def __enter__(self) -> None:
        with self.files._lock:
            self.files._begun[self] = time.time()
            self.files._announce()

    def __exit__(self, *_: object) -> None:
        with self.files._lock:
            del self.files._begun[self]
            self.files._announce()


def _own_file(user: object, folder: Path) -> int:
    """A file that is locked while its user, or at least its process, lives."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{os.getpid()}-{str(uuid_utils.uuid7())[-12:]}"
    temporary, path = folder / f".{name}", folder / name
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.utime(descriptor, (0, 0))
    temporary.rename(path)  # locked before anybody looks at it
    weakref.finalize(user, _let_go, descriptor, path)
    return descriptor


def _let_go(descriptor: int, path: Path) -> None:
    # The collector may call this in the thread that starts an isolated runner, which may not
    # touch files any more. Others remove what is left and unlocked.
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
    os.close(descriptor)


def _described(digest: str, status: os.stat_result) -> LocalFile:
    used = max(status.st_atime, status.st_mtime)
    return LocalFile(digest, status.st_size, used, status.st_nlink > 1)


@contextlib.contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _lock_alone(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
