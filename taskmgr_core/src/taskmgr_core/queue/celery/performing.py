"""A slot of a Celery worker: it claims the step of a message, runs it, and goes on from there.

What comes next is mostly known when a step is recorded: another message that waits, or a step
of the same run that this one has made ready. It is claimed with the record, where the store can
do that, and run by the same thread: no message is sent for it, and nobody is woken.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial

import attrs
from redis.exceptions import RedisError

from taskmgr_core.errors import StoreError
from taskmgr_core.queue.base import Announcement, CarryOut
from taskmgr_core.queue.celery.address import queue_of
from taskmgr_core.queue.celery.inbox import Inbox
from taskmgr_core.queue.celery.messages import Told, told_by
from taskmgr_core.queue.celery.others import OthersSteps
from taskmgr_core.queue.celery.queue import CeleryQueue
from taskmgr_core.queue.celery.showing import Showing
from taskmgr_core.queue.celery.slots import Gate
from taskmgr_core.queue.units import NOTHING_HELD, Held
from taskmgr_core.specs import Claim, ReadyStep, as_ready
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.stores.progress import Taking, every

TRY_AGAIN_SECONDS = 0.5
MAXIMUM_TRY_AGAIN_SECONDS = 5.0

_LOGGER = logging.getLogger(__name__)


@attrs.define
class _Next:
    """What may come after a step.

    Attributes:
        looked: whether a message was looked for.
        told: the message that was there.
        follows: whether it may be a step that the one before has made ready.
    """

    looked: bool = False
    told: Told | None = None
    follows: bool = False


def _told_of(step: ReadyStep) -> Told:
    """What a message would say of a step."""
    return Told("", step.run, step.id, step.task, queue_of(step), step.priority)


@attrs.define(eq=False)
class Performer:
    """Carries out the steps of messages. Safe to use from many threads.

    Attributes:
        queue: the broker.
        metadata: where steps are claimed.
        gate: the slots and units.
        inbox: where messages wait.
        others: sends on what is for others.
        showing: shows what runs.
        stopping: whether nothing more is to be claimed.
        worker: the worker's id.
        run: carries out a claimed step.
        queues: the queues of steps that are served; empty for all.
        lists: the broker's queues in which messages wait for this worker.
        start: has a free slot do something.
        alone: whether there is no other worker, to whom a message would bring steps that can be
            run at the same time.
    """

    queue: CeleryQueue
    metadata: MetadataStore
    gate: Gate
    inbox: Inbox
    others: OthersSteps
    showing: Showing
    stopping: threading.Event
    worker: str
    run: CarryOut
    queues: Collection[str]
    lists: tuple[str, ...]
    start: Callable[[Callable[[], None]], None]
    alone: bool = False

    def perform(self, told: Told, held: Held) -> None:
        """Run the step of a message, and what may come after it at once.

        Arguments:
            told: what the message says.
            held: the units that are held for it; they are given back.
        """
        following: Told | None = told
        while following is not None:
            claim = None
            try:
                if not self.others.take(following):
                    claim = self._claimed(following, held)
            finally:
                if claim is None:
                    self.gate.units.give_back(held)
            following = None if claim is None else self._run_on(following.id, claim, held)
            held = NOTHING_HELD  # what comes next needs nothing

    def pass_on(self, run_id: str, step_id: str) -> None:
        """Announce a step again that we were told of and will not run."""
        try:
            found = [each for each in self.metadata.steps(run_id) if each.id == step_id]
        except StoreError as error:
            _LOGGER.warning("run %s step %s is found again later: %s", run_id, step_id, error)
            return
        ready = [as_ready(each, time.time()) for each in found if each.status == "ready"]
        if ready:
            _LOGGER.info("run %s step %s is left to others", run_id, step_id)
            self.queue.announce(run_id, ready)

    def _claimed(self, told: Told, held: Held) -> Claim | None:
        """Claim the step of a message; wait while the store is away."""
        pause, again = TRY_AGAIN_SECONDS, False
        needs = {name: len(numbers) for name, numbers in held.items()}
        while not self.stopping.is_set():
            try:
                claim = self.metadata.claim_step(
                    told.run, told.step, self.worker, time.time(), again=again, needs=needs
                )
            except StoreError as error:
                _LOGGER.warning("run %s step %s cannot be claimed: %s", told.run, told.step, error)
                # It may have been claimed all the same, and only the answer was lost.
                again = True
                self.stopping.wait(pause)
                pause = min(2 * pause, MAXIMUM_TRY_AGAIN_SECONDS)
            else:
                return None if claim is None else attrs.evolve(claim, units=held)
        self.pass_on(told.run, told.step)
        return None

    def _run_on(self, message: str, claim: Claim, held: Held) -> Told | None:
        """Run a claimed step and those that are claimed with its record.

        Returns:
            A message that was taken, and whose step is not claimed yet.
        """
        claimed: Claim | None = claim
        while claimed is not None:
            step, coming = claimed.step, _Next()
            shown = self.showing.begin(step, message)
            try:
                announcement = self.run(claimed, lambda: self._taking(step.run, coming))  # noqa: B023
            except Exception:
                if coming.told is not None:
                    self.pass_on(coming.told.run, coming.told.step)
                raise
            finally:
                self.showing.end(shown)
                self.gate.units.give_back(held)
                held = NOTHING_HELD
            claimed, told = self._next_of(announcement, coming)
            if claimed is None:
                return told
            message = "" if coming.told is None else coming.told.id
        return None

    def _next_of(
        self, announcement: Announcement | None, coming: _Next
    ) -> tuple[Claim | None, Told | None]:
        """The next step, which is claimed or is to be; others are told what has become ready."""
        if announcement is None:
            return None, coming.told
        taken, told = announcement.claim, coming.told
        if told is None and coming.follows and not announcement.looked:
            # This store takes nothing with a record; to claim it now is what others would have to.
            found = self._served(announcement.steps, announcement.run)
            told = _told_of(found[0]) if found else None
        own = None if told is None else (told.run, told.step)
        if taken is not None:
            own = (taken.step.run, taken.step.id)
        left = [each for each in announcement.steps if (each.run, each.id) != own]
        try:
            others = self._handed_over(left, announcement.run) if left and self.alone else left
            if others or announcement.ended or not (left or own):
                self.queue.announce(announcement.run, others)
        except Exception:
            # Nobody else would run what we have claimed; others are told again later.
            _LOGGER.exception("run %s: nobody could be told of a change", announcement.run)
        return taken, told

    def _served(self, steps: Sequence[ReadyStep], run_id: str) -> list[ReadyStep]:
        """Those of a run that this worker may run and that need nothing, the most urgent first."""
        found = (
            each
            for each in steps
            if each.run == run_id
            and not each.resources
            and (not self.queues or each.queue in self.queues)
            and (not self.others.tasks or each.task in self.others.tasks)
        )
        return sorted(found, key=lambda each: -each.priority)

    def _handed_over(self, steps: Sequence[ReadyStep], run_id: str) -> list[ReadyStep]:
        """Give steps to our own free slots, which nobody else waits for; those that are left."""
        given = []
        for step in self._served(steps, run_id):
            if self._others_wait() or not self._goes_on():
                break
            self.start(partial(self.perform, _told_of(step), NOTHING_HELD))
            given.append(step)
        return [each for each in steps if each not in given]

    # what comes next

    def _taking(self, run_id: str, coming: _Next) -> Taking | None:
        """What may be claimed with the record of a step: asked again where that has failed."""
        try:
            if not self._goes_on():
                return None
            waited = self._others_wait()
            if waited and not coming.looked:
                coming.looked, coming.told = True, self._told_at_once()
            if coming.told is not None:
                return Taking(self.worker, step=(coming.told.run, coming.told.step))
            if waited and self.gate.units.offered:
                return None
            coming.follows = True
        except Exception:
            # The step that has ended must be recorded whatever comes of the next one.
            _LOGGER.exception("the next step could not be looked for")
            return None
        coverage = self.others.coverage
        return Taking(
            self.worker,
            self.queues,
            (run_id,),
            self.others.tasks,
            every if coverage is None else coverage.covers,
            follows=True,
        )

    def _goes_on(self) -> bool:
        return not self.stopping.is_set() and self.gate.busy <= self.gate.slots

    def _others_wait(self) -> bool:
        """Whether messages may wait for a slot of this worker, as far as it is known."""
        return self.inbox.more or not self.gate.free()

    def _told_at_once(self) -> Told | None:
        """A message that waits, of a step that this worker runs."""
        if self.gate.units.offered:
            return None  # what its step needs would have to be held first
        try:
            text = self.inbox.take_at_once(self.lists)
        except (RedisError, OSError) as error:
            _LOGGER.debug("the broker cannot be asked for the next message: %s", error)
            return None
        if text is None:
            return None
        try:
            told = told_by(text)
        except (ValueError, KeyError, TypeError) as error:
            _LOGGER.warning("a message cannot be read and is dropped: %s", error)
            return None
        return None if self.others.take(told) else told
