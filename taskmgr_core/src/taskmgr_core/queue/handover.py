"""Handing a step to a taker of this process that waits, as its run is recorded.

Who finds a step and claims it needs two looks into the store, once it has been woken. Where the
run is submitted in the process that also works, it is known before who will take its first step:
the step is recorded as claimed, and the taker is given the claim.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator

import attrs

from taskmgr_core.specs import Claim, ReadyStep
from taskmgr_core.stores.progress import Covers


@attrs.define(eq=False)
class Place:
    """A taker that found nothing and waits. Implements ``Reservation``.

    Attributes:
        worker: its worker's id.
        queues: the queues that it serves; empty for all.
        runs: only steps of these runs, and of what is submitted for it; None for all.
        tasks: only steps of these tasks; empty for all.
        covers: whether it can run a version of a task.
        wake: called when there is something for it, from any thread.
    """

    worker: str
    queues: Collection[str]
    runs: Collection[str] | None
    tasks: Collection[str]
    covers: Covers
    wake: Callable[[], None]
    _reserved: bool = attrs.field(default=False, init=False)
    _claim: Claim | None = attrs.field(default=None, init=False)
    _changed: threading.Condition = attrs.field(factory=threading.Condition, init=False)

    def takes(self, step: ReadyStep, version: str, *, own: bool) -> bool:
        """Whether it would claim a step, were it recorded as ready."""
        return (
            not step.resources  # units are held before a step is claimed
            and (self.runs is None or own or step.run in self.runs)
            and (not self.queues or step.queue in self.queues)
            and (not self.tasks or step.task in self.tasks)
            and self.covers(step.task, version)
        )

    @property
    def given(self) -> bool:
        """Whether it need not wait any more."""
        return self._claim is not None

    def reserve(self) -> bool:
        """Keep it free; False where it is already, or has something to do."""
        with self._changed:
            if self._reserved or self.given:
                return False
            self._reserved = True
            return True

    def give(self, claim: Claim) -> None:
        """Have it take a step that is recorded as claimed by its worker."""
        self._claim = claim
        self.release()
        self.wake()

    def release(self) -> None:
        """Keep it free no longer; as long as it waits it may be asked again."""
        with self._changed:
            self._reserved = False
            self._changed.notify_all()

    def taken(self) -> Claim | None:
        """What it was given; waits as long as it is kept free. None may ask it any more."""
        with self._changed:
            self._changed.wait_for(lambda: not self._reserved)
        return self._claim


@attrs.define
class Places:
    """The takers of this process that wait. Threads share it."""

    _waiting: list[Place] = attrs.field(factory=list, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    @contextlib.contextmanager
    def waiting(self, place: Place) -> Iterator[None]:
        """Be there while it waits."""
        with self._lock:
            self._waiting.append(place)
        try:
            yield
        finally:
            with self._lock:
                self._waiting.remove(place)

    def reserve(self, suits: Callable[[Place], bool]) -> Place | None:
        """Have the first of those that suit keep free; None where there is none."""
        if not self._waiting:
            return None
        with self._lock:
            return next((each for each in self._waiting if suits(each) and each.reserve()), None)
