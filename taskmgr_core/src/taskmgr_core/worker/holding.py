"""What the store says that a worker holds, beside what it runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection

import attrs

from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.specs import Outcome, ReadyStep, as_ready
from taskmgr_core.stores.metadata import MetadataStore

_LOGGER = logging.getLogger(__name__)

Attempt = tuple[str, str, int]  # run, step, number


@attrs.define
class Holding:
    """Compares what is recorded with what runs.

    Attributes:
        metadata: the truth.
        worker: the worker's id.
    """

    metadata: MetadataStore
    worker: str
    _unknown: frozenset[Attempt] = attrs.field(default=frozenset(), init=False)

    def to_stop(self, running: Collection[Attempt]) -> set[Attempt]:
        """What of that which runs is to be cancelled, or was taken from the worker."""
        if not running:
            return set()
        going_on = {
            (hold.run, hold.step, hold.attempt)
            for hold in self.metadata.holds(self.worker)
            if not hold.cancel_requested
        }
        return set(running) - going_on

    def give_strays_back(
        self, running: Collection[Attempt], announce: Callable[[str, Collection[ReadyStep]], object]
    ) -> None:
        """Make ready again what is recorded as held and was twice found not to run.

        It was claimed, and who was to run it was interrupted before it began. Nobody else would
        take it back while the worker is alive.

        Arguments:
            running: what runs.
            announce: tells of a run's steps that are ready.
        """
        held = {(hold.run, hold.step, hold.attempt) for hold in self.metadata.holds(self.worker)}
        before, self._unknown = self._unknown, frozenset(held.difference(running))
        for run, step, attempt in before & self._unknown:
            claim = self.metadata.claim_step(run, step, self.worker, time.time(), again=True)
            if claim is not None:
                _LOGGER.warning("run %s step %s attempt %d: nobody runs it", run, step, attempt)
                now = time.time()
                if self.metadata.finish(claim, Outcome("ready"), decide, now).recorded:
                    announce(run, [as_ready(claim.step, now)])
