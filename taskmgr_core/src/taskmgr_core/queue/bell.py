"""A bell that all processes on one folder hear: named pipes, one for each listener.

Ringing writes a byte into every pipe of the folder; it costs some microseconds,
needs no server and reaches a sleeping process at once. A listener that was
killed leaves a pipe without a reader, which the next ringer removes. A byte says whom it is
for, those who take or those who watch: neither is woken by what is the others' alone. Where
named pipes do not work, listeners find out by looking again after
``FALLBACK_SECONDS``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import uuid_utils

FALLBACK_SECONDS = 0.5
LEFT_OVER_SECONDS = 24 * 3600.0
# What is written into the pipes. A ringer of an earlier taskmgr always writes the first.
_FOR_ALL, _FOR_WATCHERS, _FOR_TAKERS = b"x", b"w", b"t"


class Bell:
    """Rings and hears. Threads of this process share one; a forked child gets its own pipe.

    Arguments:
        folder: where the pipes are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._taking_count = 0
        self._stop = threading.Event()
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        self._to_take = threading.Condition(lock)
        self._pipe: Path | None = None
        self._listener: threading.Thread | None = None
        self._descriptors: tuple[int, int] | None = None

    def _leave_to_parent(self) -> None:
        """In a forked child: the pipe is the parent's, and the listening thread is not here."""
        if self._process == os.getpid():
            return
        for descriptor in self._descriptors or ():
            os.close(descriptor)
        self._begin()

    def ring(self, *, for_takers: bool = True, for_watchers: bool = True) -> int:
        """Wake every waiter, here and in other processes.

        Arguments:
            for_takers: whether there may be something to take; if not, only those wake who
                watch.
            for_watchers: whether those wake who watch.

        Returns:
            What ``count`` was with it.
        """
        self._leave_to_parent()
        what = _FOR_ALL if for_takers else _FOR_WATCHERS
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(self._folder):
                own = self._pipe is not None and entry.name == self._pipe.name
                if not own and not entry.name.startswith("."):
                    _ring_pipe(Path(entry.path), what if for_watchers else _FOR_TAKERS)
        return self._hear(for_takers=for_takers, for_watchers=for_watchers)

    @property
    def count(self) -> int:
        """How often it has rung for those who watch, as far as this process has heard."""
        return self._count

    @property
    def taking_count(self) -> int:
        """How often it has rung for those who take."""
        return self._taking_count

    def listen(self) -> None:
        """Hear the rings of other processes from now on."""
        self._leave_to_parent()
        with self._changed:
            if self._listener is not None or self._stop.is_set():
                return
            hear = self._read if self._open_pipe() else self._look_again
            self._listener = threading.Thread(target=hear, name="bell", daemon=True)
            self._listener.start()

    def wait(self, seen: int, timeout: float) -> int:
        """Wait until ``count`` is above ``seen``, or the time is over; return it."""
        self._wait(self._changed, lambda: self._count > seen, timeout)
        return self._count

    def wait_to_take(
        self, seen: int, timeout: float, woken: Callable[[], bool] = lambda: False
    ) -> int:
        """Wait until ``taking_count`` is above ``seen``, or the time is over; return it.

        Arguments:
            seen: what it was.
            timeout: seconds.
            woken: asked when ``wake_takers`` was called; true ends the wait, too.
        """
        self._wait(self._to_take, lambda: self._taking_count > seen or woken(), timeout)
        return self._taking_count

    def wake_takers(self) -> None:
        """Have those of this process look who wait to take, without a ring."""
        with self._to_take:
            self._to_take.notify_all()

    def _wait(
        self, condition: threading.Condition, rung: Callable[[], bool], timeout: float
    ) -> None:
        self.listen()
        with condition:
            condition.wait_for(rung, timeout)

    def close(self) -> None:
        """Stop listening and remove the pipe."""
        self._leave_to_parent()
        self._stop.set()
        with self._changed:
            listener, pipe, descriptors = self._listener, self._pipe, self._descriptors
            self._listener = self._pipe = self._descriptors = None
        if listener is not None and descriptors is not None:
            with contextlib.suppress(BlockingIOError):  # full: the listener wakes anyway
                os.write(descriptors[1], b"x")
            listener.join()
            for descriptor in descriptors:
                os.close(descriptor)
        if pipe is not None:
            pipe.unlink(missing_ok=True)

    def _hear(self, *, for_takers: bool = True, for_watchers: bool = True) -> int:
        with self._changed:
            if for_takers:
                self._taking_count += 1
                self._to_take.notify_all()
            if for_watchers:
                self._count += 1
                self._changed.notify_all()
            return self._count

    def _open_pipe(self) -> bool:
        """Make the pipe; hidden until it has a reader, so that no ringer takes it for dead."""
        name = f"{os.getpid()}-{uuid_utils.uuid7()}"
        hidden, pipe = self._folder / f".{name}", self._folder / name
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._remove_left_over()
            os.mkfifo(hidden, 0o600)
            # Open for both, so that it never counts as closed while nobody writes.
            self._descriptors = (
                os.open(hidden, os.O_RDONLY | os.O_NONBLOCK),
                os.open(hidden, os.O_WRONLY | os.O_NONBLOCK),
            )
            # Only opening must not wait. (A blocking read, because `select` takes no
            # descriptor above 1023, and a worker with many runners has more.)
            os.set_blocking(self._descriptors[0], True)
            self._pipe = hidden.rename(pipe)
        except (OSError, AttributeError):
            return False
        return True

    def _remove_left_over(self) -> None:
        """Pipes of processes that were killed before theirs had its name."""
        for path in self._folder.glob(".*"):
            with contextlib.suppress(OSError):
                status = path.lstat()
                old = time.time() - status.st_mtime > LEFT_OVER_SECONDS
                if old and stat.S_ISFIFO(status.st_mode):
                    path.unlink()

    def _read(self) -> None:
        descriptors = self._descriptors
        descriptor = descriptors[0] if descriptors else -1
        while not self._stop.is_set():
            heard = os.read(descriptor, 4096)
            self._hear(
                for_takers=heard.strip(_FOR_WATCHERS) != b"",
                for_watchers=heard.strip(_FOR_TAKERS) != b"",
            )

    def _look_again(self) -> None:
        while not self._stop.wait(FALLBACK_SECONDS):
            self._hear()


def _ring_pipe(pipe: Path, what: bytes) -> None:
    try:
        descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ENXIO:  # no reader: its process is gone
            pipe.unlink(missing_ok=True)
        return
    with contextlib.suppress(BlockingIOError, BrokenPipeError):  # full: it will wake anyway
        os.write(descriptor, what)
    os.close(descriptor)
