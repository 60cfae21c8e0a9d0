"""A process that goes on without a terminal, and the file that says which one it is."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import attrs

from taskmgr_core.errors import ConflictError, SettingsError

_READY = b"+"


@attrs.define
class PidFile:
    """A file with the id of the one process that holds it.

    What counts is the lock on it, which ends with the process: a file that was left behind
    by one that was killed is taken over.

    Attributes:
        path: the file.
        what: whose, for messages.
    """

    path: Path
    what: str
    _opened: int | None = attrs.field(default=None, init=False)

    def take(self) -> None:
        """Write this process's id.

        Raises:
            ConflictError: another process holds it.
            SettingsError: it cannot be written.
        """
        opened = self._locked()
        while not self._is_there(opened):  # whoever had it has removed it meanwhile
            os.close(opened)
            opened = self._locked()
        os.ftruncate(opened, 0)
        os.write(opened, f"{os.getpid()}\n".encode())
        self._opened = opened

    def give_back(self) -> None:
        """Remove it, if this process holds it."""
        if self._opened is None:
            return
        if self._is_there(self._opened):  # one that took its place is not ours to remove
            self.path.unlink(missing_ok=True)
        os.close(self._opened)
        self._opened = None

    def _locked(self) -> int:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            opened = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise SettingsError(
                f"the pid file {self.path} cannot be written: {error.strerror}; name another "
                "one with --pidfile"
            ) from error
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            pid = os.read(opened, 32).decode(errors="replace").strip()
            os.close(opened)
            raise ConflictError(
                f"{self.what} runs already, as process {pid or 'unknown'} ({self.path}); stop it "
                "with SIGTERM, or give this one another name with --worker-id"
            ) from error
        return opened

    def _is_there(self, opened: int) -> bool:
        """Whether the path still leads to the file that is open."""
        with contextlib.suppress(OSError):
            return os.path.samestat(self.path.stat(), os.fstat(opened))
        return False


def detach() -> Callable[[Path], None]:
    """Go on in a process of its own session, which can get no terminal.

    The calling process stays until the new one says that it is ready, and ends with code 0,
    or with the new one's code when that ends before. Until then the new one has its stderr.
    To be called before any thread is started.

    Returns:
        In the new process alone: says that it is ready; what is written on stderr from then
        on goes into the file that it is given.
    """
    reading, writing = os.pipe()
    if (child := os.fork()) > 0:
        os.close(reading)
        os.close(writing)
        _end_as(child)
    os.setsid()
    # A leader of a session could get a terminal by opening one; its child cannot.
    if (child := os.fork()) > 0:
        os.close(writing)
        if os.read(reading, 1) == _READY:
            os._exit(0)
        _end_as(child)
    os.close(reading)

    def ready(errors: Path) -> None:
        nothing = os.open(os.devnull, os.O_RDWR)
        sys.stdout.flush()
        sys.stderr.flush()
        told = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for target, source in ((0, nothing), (1, nothing), (2, told)):
            os.dup2(source, target)
        os.close(nothing)
        os.close(told)
        os.write(writing, _READY)
        os.close(writing)

    return ready


def _end_as(child: int) -> NoReturn:
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
