"""The queue of one machine: the metadata store itself, and a bell."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Sequence

import attrs

from taskmgr_core.coverage import Coverage
from taskmgr_core.errors import StoreGoneError, TaskmgrError
from taskmgr_core.queue.base import Announcement, CarryOut, Queue, run_nothing
from taskmgr_core.queue.bell import Bell
from taskmgr_core.queue.handover import Place, Places, Reservation
from taskmgr_core.queue.scaling import Scaling
from taskmgr_core.queue.units import NO_UNITS, Units
from taskmgr_core.specs import Claim, ReadyStep
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.stores.progress import Covers, Taking, every

LOOK_AGAIN_SECONDS = 2.0
CLOSELY_SECONDS = 0.01
TAKE_SECONDS = 60.0
# So often those hear of progress who wait for no step.
TELL_SECONDS = 0.1
TRY_AGAIN_SECONDS = 1.0

_LOGGER = logging.getLogger(__name__)


@attrs.frozen
class _Look:
    """A look into the store for a step to take.

    Attributes:
        seen: how often it had rung for takers before.
        at: UTC seconds.
        runs: of which runs; None for all.
        wanted: what else was looked for.
    """

    seen: int
    at: float
    runs: frozenset[str] | None
    wanted: tuple[object, ...]

    def says_as_much_as(self, other: _Look) -> bool:
        """Whether nothing can have become ready between it and a later one, but what is delayed."""
        return (self.seen, self.wanted) == (other.seen, other.wanted) and (
            self.runs is None or (other.runs is not None and other.runs <= self.runs)
        )

    def and_after(self, claim: Claim) -> _Look:
        """The same, after which a step was given that was recorded as claimed."""
        return attrs.evolve(self, runs=None if self.runs is None else self.runs | {claim.step.run})


class EmbeddedQueue:
    """Implements ``Queue``: what is ready is asked of the store, the bell says when to ask.

    Arguments:
        metadata: the store whose ready steps are the queue.
        bell: rung at every change.
    """

    def __init__(self, metadata: MetadataStore, bell: Bell) -> None:
        self._metadata = metadata
        self._bell = bell
        self._emptied: _Look | None = None
        self._places = Places()

    def announce(
        self,
        run_id: str,  # noqa: ARG002
        steps: Collection[ReadyStep],
        *,
        watched: bool = True,
    ) -> int:
        """Ring; the listeners ask the store what it was. Nothing to take wakes no taker."""
        return self._bell.ring(for_takers=bool(steps), for_watchers=watched)

    def alert(self, about: str) -> None:  # noqa: ARG002
        """Ring."""
        self._bell.ring()

    def take(
        self,
        worker: str,
        queues: Collection[str],
        timeout: float,
        runs: Collection[str] | None = None,
        tasks: Collection[str] = (),
        units: Units = NO_UNITS,
        covers: Covers = every,
    ) -> Claim | None:
        """Claim the next step that is due; with none, wait once until something changes."""
        self._bell.listen()
        look = _Look(
            self._bell.taking_count,
            time.time(),
            None if runs is None else frozenset(runs),
            (worker, queues, tasks),
        )
        claim: Claim | None = None
        emptied, self._emptied = self._emptied, None
        if timeout <= 0 or emptied is None or not emptied.says_as_much_as(look):
            claim = units.claimed(
                lambda free: self._metadata.claim(
                    worker, queues, look.at, runs, tasks, free, covers
                )
            )
        else:
            look = emptied  # who took the last one saw that it was, as long ago as that
        if claim is not None:
            self._emptied = look if claim.only else None
        elif timeout > 0:
            place = Place(worker, queues, runs, tasks, covers, self._bell.wake_takers)
            try:
                with self._places.waiting(place):
                    self._wait_after(look, place, timeout)
            except Exception:
                claim = place.taken()
                if claim is None:
                    raise
                _LOGGER.exception("a wait met an error, and was given something to do")
            else:
                claim = place.taken()
            if claim is not None:  # and besides there is nothing more than at the look
                self._emptied = look.and_after(claim)
        return claim  # without one, whoever waits may want to stop before it takes something

    def _wait_after(self, look: _Look, place: Place, timeout: float) -> None:
        """Wait once for something to take, which was not there at a look."""
        # Where steps follow closely, as they mostly do, it need not be asked what is delayed.
        if self._heard(look, place, min(timeout, CLOSELY_SECONDS)):
            return
        waiting = min(timeout, LOOK_AGAIN_SECONDS)
        due = self._metadata.next_due(place.queues, look.at)
        if due is not None:
            waiting = min(waiting, max(look.at + due - time.time(), 0))
        self._heard(look, place, waiting)

    def _heard(self, look: _Look, place: Place, timeout: float) -> bool:
        """Wait; whether there may be something to take."""
        rung = self._bell.wait_to_take(look.seen, timeout, lambda: place.given)
        return rung != look.seen or place.given

    def reserve(self, owner: Reservation, step: ReadyStep, version: str, *, own: bool) -> bool:
        """Of those that wait here."""
        return self._places.reserve(owner, lambda place: place.suits(step, version, own=own))

    def reserve_another(self, owner: Reservation, worker: str) -> bool:
        """Of those that wait here."""
        return self._places.reserve(owner, lambda place: place.worker == worker)

    def missing(self, steps: Sequence[ReadyStep]) -> list[ReadyStep]:  # noqa: ARG002
        """None: there are no messages, takers look into the store."""
        return []

    def depths(self, queues: Collection[tuple[str, str]]) -> None:  # noqa: ARG002
        """None: there are no messages."""
        return

    def changes(self, run_id: str | None = None) -> int:  # noqa: ARG002
        """How often the bell has rung since this process first asked."""
        self._bell.listen()
        return self._bell.count

    def wait(self, seen: int, timeout: float, run_id: str | None = None) -> int:  # noqa: ARG002
        """Wait for the bell."""
        return self._bell.wait(seen, timeout)

    def wake(self) -> None:
        """Ring."""
        self._bell.ring()

    def server_version(self) -> str:
        """There is no broker."""
        return ""

    def close(self) -> None:
        """Stop listening."""
        self._bell.close()


class TakingFeed:
    """Implements ``Feed``: threads that take from a queue.

    Arguments:
        queue: where they take from.
        metadata: asked for what waits, where the slots are scaled.
        scaling: how many threads.
        queues: the queues that are served; empty for all.
        runs: asked before each claim for the runs that are served; None for all.
        tasks: the tasks that are served; empty for all.
        units: what is offered.
        coverage: what can be run here; None for everything.
    """

    def __init__(
        self,
        queue: Queue,
        metadata: MetadataStore,
        scaling: Scaling,
        queues: Collection[str],
        runs: Callable[[], Collection[str]] | None = None,
        tasks: Collection[str] = (),
        units: Units = NO_UNITS,
        coverage: Coverage | None = None,
    ) -> None:
        self._covers: Covers = every if coverage is None else coverage.covers
        self._queue = queue
        self._metadata = metadata
        self._scaling = scaling
        self._slots = scaling.minimum
        self._queues = tuple(queues)
        self._runs = runs
        self._tasks = tuple(tasks)
        self._units = units
        self._started = threading.Event()
        self._stopping = threading.Event()
        self._filling = threading.Lock()
        self._turn = threading.Lock()
        self._threads: dict[int, threading.Thread] = {}
        self._busy = 0
        self._told_at = -math.inf
        self._lock = threading.Lock()
        self._worker = ""
        self._run: CarryOut = run_nothing

    @property
    def slots(self) -> int:
        """How many threads."""
        return self._slots

    @property
    def autoscale(self) -> tuple[int, int] | None:
        """The fewest and the most threads."""
        return self._scaling.bounds

    @property
    def units(self) -> Units:
        """What is offered."""
        return self._units

    def start(self, worker: str, run: CarryOut) -> None:
        """Start the threads."""
        self._worker, self._run = worker, run
        self._started.set()
        self._fill()

    def tend(self) -> None:
        """Scale: a thread beyond the slots ends when it has nothing to run."""
        if self._scaling.bounds is None or not self._started.is_set() or self._stopping.is_set():
            return
        self._slots = self._scaling.slots(self._slots, self._busy, self._waiting())
        self._fill()

    def _waiting(self) -> int:
        """How many due steps this worker could take now."""
        found = self._metadata.waiting(time.time())
        return sum(
            each.ready
            for each in found
            if (not self._queues or each.queue in self._queues) and self._units.fit(each.resources)
        )

    def _fill(self) -> None:
        with self._filling:  # who starts the feed and who tends it may do so at once
            for number in range(self._slots):
                known = self._threads.get(number)
                if known is None or not known.is_alive():
                    thread = threading.Thread(
                        target=self._serve, args=(number,), name=f"slot-{number}", daemon=True
                    )
                    thread.start()
                    self._threads[number] = thread

    def stop(self) -> None:
        """Let the threads end after what they run."""
        self._stopping.set()
        self._queue.wake()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the threads."""
        deadline = None if timeout is None else time.monotonic() + timeout
        threads = list(self._threads.values())
        for thread in threads:
            thread.join(None if deadline is None else max(deadline - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in threads)

    def _serve(self, number: int) -> None:
        announcement: Announcement | None = None
        while announcement is not None or self._goes_on(number):
            try:
                told, announcement = announcement, None
                claim = self._take(number) if told is None else self._take_at_once(number, told)
                if claim is not None:
                    announcement = self._carry_out(number, claim)
            except StoreGoneError as error:
                _LOGGER.warning("nothing more can be claimed: %s", error)
                return  # the worker that beats gives up for the same reason
            except TaskmgrError as error:
                _LOGGER.warning("no step can be claimed: %s", error)
                self._stopping.wait(TRY_AGAIN_SECONDS)
            except Exception:
                # A slot that ends would leave a worker that beats and does nothing.
                _LOGGER.exception("a slot met a bug of taskmgr and goes on")
                self._stopping.wait(TRY_AGAIN_SECONDS)

    def _goes_on(self, number: int) -> bool:
        return not self._stopping.is_set() and number < self._slots

    def _take(self, number: int) -> Claim | None:
        """The next step; one thread at a time waits for it, so that one ring wakes one thread."""
        with self._turn:
            return self._next(TAKE_SECONDS) if self._goes_on(number) else None

    def _take_at_once(self, number: int, announcement: Announcement) -> Claim | None:
        """A step that is due now; others are woken for what is left of an announcement.

        What follows on a step alone, as in a chain, is sooner taken by the thread that ran it
        than told to all who wait.
        """
        claim = announcement.claim
        try:
            if not announcement.looked and self._goes_on(number):
                claim = self._next(0)
        finally:
            left: Sequence[ReadyStep] = announcement.steps
            for taken in (announcement.also, claim):
                left = left if taken is None else _untold(taken, left)
            now = time.monotonic()
            watched = announcement.ended or now >= self._told_at + TELL_SECONDS
            if watched:
                self._told_at = now
            if left or watched:
                self._queue.announce(announcement.run, left, watched=watched)
        return claim

    def _next(self, timeout: float) -> Claim | None:
        runs = None if self._runs is None else self._runs()
        return self._queue.take(
            self._worker, self._queues, timeout, runs, self._tasks, self._units, self._covers
        )

    def _taking(self, number: int, other: _Other) -> Taking | None:
        """What may be taken with the outcome of a step; units are held before they are claimed."""
        if self._units.offered or not self._goes_on(number):
            return None
        runs = None if self._runs is None else self._runs()
        return Taking(
            self._worker, self._queues, runs, self._tasks, self._covers, also=other.keeps_free()
        )

    def _carry_out(self, number: int, claim: Claim) -> Announcement | None:
        with self._lock:
            self._busy += 1
        other = _Other(self._queue, self._worker)
        try:
            announcement = self._run(claim, lambda: self._taking(number, other))
            if announcement is not None and announcement.also is not None:
                other.reservation.give(announcement.also)
            return announcement
        finally:
            other.reservation.release()
            with self._lock:
                self._busy -= 1
            if claim.units:
                self._units.give_back(claim.units)
                self._queue.wake()  # a slot may wait for them


@attrs.define
class _Other:
    """Another slot, which keeps free while a step is recorded that two may follow on."""

    _queue: Queue
    _worker: str
    reservation: Reservation = attrs.field(factory=Reservation, init=False)
    _asked: bool = attrs.field(default=False, init=False)

    def keeps_free(self) -> bool:
        """Whether there is one. Asked again, because the record failed, it is let go."""
        if self._asked:
            self.reservation.release()
            return False
        self._asked = True
        return self._queue.reserve_another(self.reservation, self._worker)


def _untold(claim: Claim, steps: Sequence[ReadyStep]) -> list[ReadyStep]:
    """Those of some steps that others may wait for, once one step was claimed.

    Where the claimed step is none of them, it was ready before: whoever waits was told of it and
    could not run it, so could not run another of the same kind either.
    """
    taken = claim.step
    others = [each for each in steps if (each.run, each.id) != (taken.run, taken.id)]
    if len(others) < len(steps):
        return others
    kind = (taken.run, taken.task, taken.queue, taken.resources)
    return [each for each in others if (each.run, each.task, each.queue, each.resources) != kind]
