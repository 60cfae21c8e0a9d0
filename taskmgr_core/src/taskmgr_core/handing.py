"""The first step of a new run, given to a worker of this process that waits for one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Self

import attrs

from taskmgr_core.errors import StoreError
from taskmgr_core.queue.base import Queue, Reservation
from taskmgr_core.specs import Claim, NewRun, Step, as_claimed, as_ready
from taskmgr_core.stores.metadata import MetadataStore


@attrs.define
class Handing:
    """Has steps of new runs taken as they are recorded.

    Whoever is kept free for a step is let go at the end, whatever became of its run.

    Attributes:
        metadata: where the runs are recorded.
        queue: knows who waits.
        own: whether a worker that serves the runs of this process alone serves one.
    """

    metadata: MetadataStore
    queue: Queue
    own: Callable[[str], bool]
    _kept: dict[str, tuple[Reservation, Claim]] = attrs.field(factory=dict, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for place, claim in self._kept.values():
            # Interrupted just after it was recorded: nobody else would ever run it.
            if error is not None and self._holds(claim.step):
                place.give(claim)
            else:
                place.release()

    def begun(self, new: NewRun) -> NewRun:
        """A run as it is to be recorded: the step that is taken first is claimed, if one waits."""
        now = new.run.created_at
        ready = [each for each in new.steps if each.status == "ready"]
        if not ready:
            return new
        first = max(ready, key=lambda each: each.priority)  # of equals the first
        place = self.queue.reserve(as_ready(first, now), first.version, own=self.own(new.run.id))
        if place is None:
            return new
        step = as_claimed(first, place.worker, now)
        graph_step = next(each for each in new.run.graph.steps if each.id == first.id)
        wanted = graph_step.sources
        values = {each.port: each for each in new.values if each.port in wanted}
        self._kept[new.run.id] = place, Claim(step, graph_step, values)
        return attrs.evolve(new, steps=[step if each is first else each for each in new.steps])

    def give(self, run_id: str) -> None:
        """Give what is kept for a run, which is recorded now."""
        kept = self._kept.pop(run_id, None)
        if kept is not None:
            place, claim = kept
            place.give(claim)

    def _holds(self, step: Step) -> bool:
        with contextlib.suppress(StoreError):
            held = self.metadata.holds(step.worker)
            return any((each.run, each.step) == (step.run, step.id) for each in held)
        return False
