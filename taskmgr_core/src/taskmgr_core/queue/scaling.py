"""How many slots a worker has open. Pure, but for the moment that it keeps."""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs

IDLE_SECONDS = 30.0


@attrs.define
class Scaling:
    """Opens slots while messages wait and all are busy; closes them when they stay idle.

    Attributes:
        minimum: never fewer.
        maximum: never more.
        clock: monotonic seconds.
    """

    minimum: int
    maximum: int
    clock: Callable[[], float] = time.monotonic
    _needed_at: float = attrs.field(default=0.0, init=False)

    @property
    def bounds(self) -> tuple[int, int] | None:
        """The fewest and the most; None for a fixed number."""
        return None if self.minimum == self.maximum else (self.minimum, self.maximum)

    def slots(self, slots: int, busy: int, waiting: int) -> int:
        """How many slots there should be now.

        Arguments:
            slots: how many there are.
            busy: how many of them are in use.
            waiting: how many messages wait.
        """
        now = self.clock()
        if busy >= slots or waiting:
            self._needed_at = now
        if busy >= slots and waiting:
            return min(slots + waiting, self.maximum)
        if now - self._needed_at > IDLE_SECONDS:
            return max(busy, self.minimum)
        return slots
