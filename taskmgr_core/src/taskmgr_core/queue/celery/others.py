"""Messages of what this worker does not serve or cannot run, on their way to those that do.

Workers of one queue may serve different tasks, and Redis gives a message to any of them.
One for others goes back at once: they wait longer already, so they get it first. One that
comes back is sent on with the next look, a second later: nobody else was free.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection

import attrs

from taskmgr_core.coverage import Coverage
from taskmgr_core.errors import QueueError, TaskmgrError
from taskmgr_core.queue.celery.messages import Told
from taskmgr_core.queue.celery.queue import CeleryQueue
from taskmgr_core.specs import ReadyStep

_LOGGER = logging.getLogger(__name__)


@attrs.define
class OthersSteps:
    """Sends on what is for others. Safe to use from many threads.

    Attributes:
        queue: the broker.
        tasks: the tasks that are served here; empty for all.
        coverage: what can be run here; None for everything.
    """

    queue: CeleryQueue
    tasks: Collection[str]
    coverage: Coverage | None = None
    _kept: list[tuple[ReadyStep, int]] = attrs.field(factory=list, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def take(self, told: Told) -> bool:
        """Whether a message is for others; then it is theirs.

        Arguments:
            told: what it says.
        """
        served = not self.tasks or told.task in self.tasks
        if served and self._covered(told):
            return False
        step = ReadyStep(
            run=told.run,
            id=told.step,
            task=told.task,
            queue=told.queue,
            priority=told.priority,
            ready_at=time.time(),
        )
        with self._lock:
            self._kept.append((step, told.passes + 1))
        if not told.passes:
            self.pass_on()
        return True

    def _covered(self, told: Told) -> bool:
        """Whether a step can be run here. A message has no version, and few need one."""
        try:
            if self.coverage is None or self.coverage.covers_all(told.task):
                return True
            steps = self.coverage.metadata.steps(told.run)
            version = next((each.version for each in steps if each.id == told.step), None)
            return version is None or self.coverage.covers(told.task, version)
        except TaskmgrError as error:
            _LOGGER.warning("run %s step %s: %s", told.run, told.step, error)
            return True  # claiming it finds out, and waits

    def pass_on(self) -> None:
        """Send on what is kept."""
        with self._lock:
            kept, self._kept = self._kept, []
        for step, passes in kept:
            try:
                self.queue.send_on(step, passes)
            except QueueError as error:
                # Nobody has claimed it, so it is told again in a few seconds.
                _LOGGER.warning("run %s step %s is not sent on: %s", step.run, step.id, error)
