"""Messages of tasks that this worker does not serve, on their way to those that do.

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
from celery import current_task

from taskmgr_core.errors import QueueError
from taskmgr_core.queue.celery.address import PASSES, broker_priority
from taskmgr_core.queue.celery.queue import CeleryQueue
from taskmgr_core.specs import ReadyStep

_LOGGER = logging.getLogger(__name__)


@attrs.define
class OthersSteps:
    """Sends on what is for others. Safe to use from many threads.

    Attributes:
        queue: the broker.
        tasks: the tasks that are served here; empty for all.
    """

    queue: CeleryQueue
    tasks: Collection[str]
    _kept: list[tuple[ReadyStep, int]] = attrs.field(factory=list, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def take(self, run_id: str, step_id: str) -> bool:
        """Whether the message that is just being worked on is for others; then it is theirs.

        Arguments:
            run_id: of the message.
            step_id: of the message.
        """
        name = current_task.name
        if not self.tasks or name in self.tasks:
            return False
        request = current_task.request
        told = request.delivery_info or {}
        passes = int(request.get(PASSES) or 0)
        step = ReadyStep(
            run=run_id,
            id=step_id,
            task=name,
            queue=str(told.get("routing_key") or ""),
            priority=broker_priority(int(told.get("priority") or 0)),
            ready_at=time.time(),
        )
        with self._lock:
            self._kept.append((step, passes + 1))
        if not passes:
            self.pass_on()
        return True

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
