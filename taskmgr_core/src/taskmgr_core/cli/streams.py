"""stdout and stderr as the program has them: what happens when they cannot be written."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, NoReturn, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class StdoutError(Exception):
    """stdout cannot be written. No ``OSError``, so that nobody takes it for another file's.

    Arguments:
        reason: what the system said.
    """

    def __init__(self, reason: OSError) -> None:
        super().__init__(f"stdout cannot be written: {reason.strerror}")
        self.reason = reason


class _Stream(io.FileIO):
    """A stream that fails once; what is written afterwards, as at the end, goes nowhere.

    Arguments:
        descriptor: of stdout or stderr.
        tell: whether it is said that it failed. Of stderr there is nowhere to say it.
    """

    def __init__(self, descriptor: int, *, tell: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._tell = tell
        self._failed = False

    def write(self, data: ReadableBuffer, /) -> int:
        """Write bytes, or raise ``StdoutError``."""
        if not self._failed:
            try:
                return super().write(data)
            except OSError as error:
                self._failed = True
                if self._tell:
                    raise StdoutError(error) from error
        return memoryview(data).nbytes


def guard() -> None:
    """Have a full or closed stdout be told as what it is, and survive such a stderr.

    A character that the terminal's encoding has not becomes a question mark, not a crash.
    """
    sys.stdout = _guarded(sys.stdout, 1, tell=True)
    sys.stderr = _guarded(sys.stderr, 2, tell=False)


def leave(code: int) -> NoReturn:
    """End the program at once; whoever opened something has closed it by now.

    Python would first wait for threads of the servers' clients, which sleep half a second.

    Arguments:
        code: the exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(StdoutError):  # it was told when it was written
            stream.flush()
    os._exit(code)


def _guarded(stream: TextIO | None, descriptor: int, *, tell: bool) -> TextIO:
    if stream is None:
        _occupy(descriptor)
    return io.TextIOWrapper(
        io.BufferedWriter(_Stream(descriptor, tell=tell)),
        encoding=getattr(stream, "encoding", "utf-8"),
        errors="replace",
        line_buffering=getattr(stream, "line_buffering", False),
        write_through=getattr(stream, "write_through", False),
    )


def _occupy(descriptor: int) -> None:
    """Give a closed descriptor to what cannot be written, before a database gets its number."""
    opened = os.open(os.devnull, os.O_RDONLY)
    if opened != descriptor:
        os.dup2(opened, descriptor)
        os.close(opened)
