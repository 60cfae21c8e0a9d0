"""What a client needs of a worker in its own process, and which runs that one serves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import islice
from typing import Protocol

import attrs

BESIDE = 32
REMEMBERED = 10_000
LOOK_SECONDS = 0.25


class RunningWorker(Protocol):
    """A worker of this process."""

    def start(self) -> None:
        """Begin to claim."""

    def stop(self, *, grace: float | None = None) -> None:
        """Leave."""


@attrs.define
class OwnRuns:
    """The runs that the worker of this process serves. Threads may share it.

    They are those that are waited for, and beside them the oldest that were submitted here and
    have not ended: who submits many and then waits for one after the other has them carried
    out side by side. They are few, because each is looked at for each step that is taken.

    Attributes:
        has_ended: asked, some times a second, of those that nobody waits for.
    """

    has_ended: Callable[[str], bool]
    _waited_for: dict[str, None] = attrs.field(factory=dict, init=False)
    _submitted: dict[str, None] = attrs.field(factory=dict, init=False)
    _beside: tuple[str, ...] = attrs.field(default=(), init=False)
    _look_at: float = attrs.field(default=0.0, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def served(self) -> tuple[str, ...]:
        """Their ids."""
        with self._lock:
            return (*self._waited_for, *self._beside)

    def takes(self, run_id: str) -> bool:
        """Whether a run is served, or will be once it is submitted."""
        with self._lock:
            return run_id in self._waited_for or len(self._submitted) < BESIDE

    def submitted(self, run_id: str) -> None:
        """A run was submitted here."""
        with self._lock:
            if run_id in self._waited_for:
                return
            self._submitted[run_id] = None
            if len(self._submitted) > REMEMBERED:
                del self._submitted[next(iter(self._submitted))]
            self._choose()

    def wait_for(self, run_id: str) -> bool:
        """A run is waited for; whether it was not served before."""
        with self._lock:
            known = run_id in self._waited_for or run_id in self._beside
            self._waited_for[run_id] = None
            self._submitted.pop(run_id, None)
            return self._choose() or not known

    def leave(self, run_id: str) -> None:
        """A run has ended, or is not waited for any more."""
        with self._lock:
            self._waited_for.pop(run_id, None)

    def look(self) -> bool:
        """Give the places of those that have ended to others; whether any is served anew.

        Raises:
            StoreError: it cannot be asked whether they have.
        """
        now = time.monotonic()
        with self._lock:
            if now < self._look_at:
                return False
            self._look_at = now + LOOK_SECONDS
            oldest = self._beside
        ended = [each for each in oldest if self.has_ended(each)]
        with self._lock:
            for each in ended:
                self._submitted.pop(each, None)
            return self._choose()

    def _choose(self) -> bool:
        """Choose those beside the ones that are waited for; whether one is new among them."""
        before, self._beside = self._beside, tuple(islice(self._submitted, BESIDE))
        return not set(self._beside) <= set(before)
