"""Time under the control of a test: ``clock``."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from taskmgr_core.errors import InvalidValueError


class Clock:
    """The time of the platform in this process; it goes on by itself, and forward at will.

    What the platform reads as the time of day, and measures the time limit of a call by, is moved.
    Runner processes and other workers have the machine's time, and nothing sleeps less.
    """

    def __init__(self) -> None:
        self._offset = 0.0
        self._time = time.time
        self._listeners: list[Callable[[], None]] = []

    @property
    def offset(self) -> float:
        """By how many seconds it is ahead of the machine's."""
        return self._offset

    def now(self) -> datetime:
        """The time of day, UTC."""
        return datetime.fromtimestamp(self._time() + self._offset, UTC)

    def monotonic(self) -> float:
        """Monotonic seconds, which ``advance`` moves, too."""
        return time.monotonic() + self._offset

    def advance(
        self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0
    ) -> None:
        """Move the time forward; what is due by then is done at once.

        Arguments:
            seconds: and the others: by how much.

        Raises:
            InvalidValueError: backwards, or not at all.
        """
        by = timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days).total_seconds()
        if by <= 0:
            raise InvalidValueError(f"{by:g} s: time goes forward only; advance it by more than 0")
        if not self._offset:
            time.time = self._shifted
        self._offset += by
        for listener in self._listeners:
            listener()

    def tell(self, listener: Callable[[], None]) -> None:
        """Have something done whenever the time was moved."""
        self._listeners.append(listener)

    def forget(self, listener: Callable[[], None]) -> None:
        """Undo ``tell``."""
        self._listeners.remove(listener)

    def restore(self) -> None:
        """Give the machine's time back."""
        if self._offset:
            time.time = self._time
            self._offset = 0.0

    def _shifted(self) -> float:
        return self._time() + self._offset
