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
class Reservation:
    """Somebody for whom a taker keeps free, once it was asked.

    Whoever has it lets the taker go in the end, whatever happens: it would wait for ever. An
    interrupt may come between any two lines; so it is known whose a taker is before that keeps
    free, and to let one go that does not, or is another's by now, does nothing.
    """

    _place: Place | None = attrs.field(default=None, init=False)

    @property
    def worker(self) -> str:
        """The id of the taker's worker; empty where there is none."""
        return "" if self._place is None else self._place.worker

    def takes(self, place: Place) -> bool:
        """Have a taker keep free; whether it does."""
        self._place = place
        if place.keep_free(self):
            return True
        self._place = None
        return False

    def give(self, claim: Claim) -> None:
        """Have the taker take a step, which is recorded as claimed by its worker."""
        if self._place is not None:
            self._place.give(self, claim)

    def release(self) -> None:
        """The taker keeps free no longer. Does nothing where it was given a step, or let go."""
        if self._place is not None:
            self._place.release(self)


@attrs.define(eq=False)
class Place:
    """A taker that found nothing and waits.

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
    _kept_for: Reservation | None = attrs.field(default=None, init=False)
    _claim: Claim | None = attrs.field(default=None, init=False)
    _changed: threading.Condition = attrs.field(factory=threading.Condition, init=False)

    def suits(self, step: ReadyStep, version: str, *, own: bool) -> bool:
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

    def keep_free(self, owner: Reservation) -> bool:
        """Take nothing else from now on; False where it does already, or has something to do."""
        with self._changed:
            if self._kept_for is not None or self.given:
                return False
            self._kept_for = owner
            return True

    def give(self, owner: Reservation, claim: Claim) -> None:
        """Take a step for whom it keeps free."""
        with self._changed:
            if self._kept_for is not owner:
                return
            self._claim = claim
            self._kept_for = None
            self._changed.notify_all()
        self.wake()

    def release(self, owner: Reservation) -> None:
        """Keep free for somebody no longer; as long as it waits it may be asked again."""
        with self._changed:
            if self._kept_for is owner:
                self._kept_for = None
                self._changed.notify_all()

    def taken(self) -> Claim | None:
        """What it was given; waits as long as it keeps free. Nobody may ask it any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._kept_for is None)
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

    def reserve(self, owner: Reservation, suits: Callable[[Place], bool]) -> bool:
        """Have the first of those that suit keep free; whether there was one."""
        if not self._waiting:
            return False
        with self._lock:
            return any(suits(each) and owner.takes(each) for each in self._waiting)
