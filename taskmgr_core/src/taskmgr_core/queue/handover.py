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
    _settled: threading.Event = attrs.field(factory=threading.Event, init=False)
    _claim: Claim | None = attrs.field(default=None, init=False)

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
    def settled(self) -> bool:
        """Whether it need not wait any more."""
        return self._settled.is_set()

    def reserve(self) -> bool:
        """Keep it free; False where it is already. Under the lock of ``Places``."""
        reserved, self._reserved = self._reserved, True
        return not reserved

    def give(self, claim: Claim) -> None:
        """Have it take a step that is recorded as claimed by its worker."""
        self._claim = claim
        self.release()

    def release(self) -> None:
        """Keep it free no longer."""
        self._settled.set()
        self.wake()

    def taken(self) -> Claim | None:
        """What it was given; waits as long as it is kept free."""
        if self._reserved:
            self._settled.wait()
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

    def reserve(self, step: ReadyStep, version: str, *, own: bool) -> Place | None:
        """See ``Queue.reserve``."""
        with self._lock:
            for place in self._waiting:
                if place.takes(step, version, own=own) and place.reserve():
                    return place
        return None
