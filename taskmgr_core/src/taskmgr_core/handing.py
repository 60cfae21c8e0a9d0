"""The first step of a new run, given to a worker of this process that waits for one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import attrs

from taskmgr_core.documents import own
from taskmgr_core.errors import StoreError
from taskmgr_core.queue.base import Queue
from taskmgr_core.queue.handover import Reservation
from taskmgr_core.specs import Claim, NewRun, Step, as_claimed, as_ready
from taskmgr_core.stores.metadata import MetadataStore

_LOGGER = logging.getLogger(__name__)


@attrs.define
class _Kept:
    reservation: Reservation = attrs.field(factory=Reservation)
    claim: Claim | None = None


@attrs.define
class Handing:
    """Has steps of new runs taken as they are recorded.

    Whoever keeps free for a step is let go at the end, whatever became of its run.

    Attributes:
        metadata: where the runs are recorded.
        queue: knows who waits.
        serves: whether a worker that serves the runs of this process alone serves one.
    """

    metadata: MetadataStore
    queue: Queue
    serves: Callable[[str], bool]
    _kept: dict[str, _Kept] = attrs.field(factory=dict, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            for each in self._kept.values():
                if each.claim is not None and self._is_held(each.claim.step):
                    each.reservation.give(each.claim)
        finally:
            for each in self._kept.values():
                each.reservation.release()

    def begun(self, new: NewRun) -> NewRun:
        """A run as it is to be recorded: the step that is taken first is claimed, if one waits."""
        now = new.run.created_at
        ready = [each for each in new.steps if each.status == "ready"]
        if not ready:
            return new
        first = max(ready, key=lambda each: each.priority)  # of equals the first
        kept = self._kept[new.run.id] = _Kept()
        serves = self.serves(new.run.id)
        if not self.queue.reserve(
            kept.reservation, as_ready(first, now), first.version, own=serves
        ):
            del self._kept[new.run.id]
            return new
        step = as_claimed(first, kept.reservation.worker, now)
        graph_step = next(each for each in new.run.graph.steps if each.id == first.id)
        wanted = graph_step.sources
        # As they are read from the store: a caller may go on with what it has handed in.
        values = {
            each.port: attrs.evolve(each, document=own(each.document))
            for each in new.values
            if each.port in wanted
        }
        kept.claim = Claim(step, graph_step, values)
        return attrs.evolve(new, steps=[step if each is first else each for each in new.steps])

    def give(self, run_id: str) -> None:
        """Give what is kept for a run, which is recorded now."""
        kept = self._kept.get(run_id)
        if kept is not None and kept.claim is not None:
            kept.reservation.give(kept.claim)
            del self._kept[run_id]

    def _is_held(self, step: Step) -> bool:
        """Whether a step is recorded as claimed: interrupted just then, nobody would run it.

        Asked where it would be written, behind what another thread may be writing for us.
        """
        try:
            found = self.metadata.claim_step(
                step.run, step.id, step.worker, time.time(), again=True
            )
        except StoreError as error:
            key = step.run, step.id
            _LOGGER.warning("run %s step %s may have to be given back: %s", *key, error)
            return False
        return found is not None
