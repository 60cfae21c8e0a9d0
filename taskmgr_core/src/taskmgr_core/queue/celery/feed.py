"""A worker's steps from Celery's messages: a Celery worker inside our worker process."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

from celery.worker.worker import WorkController

from taskmgr_core.coverage import Coverage
from taskmgr_core.errors import TaskmgrError
from taskmgr_core.queue.base import CarryOut, run_nothing
from taskmgr_core.queue.celery.address import broker_queue, needs_of
from taskmgr_core.queue.celery.consumer import Pulse, step_consumer
from taskmgr_core.queue.celery.others import OthersSteps
from taskmgr_core.queue.celery.performing import TRY_AGAIN_SECONDS, Performer
from taskmgr_core.queue.celery.queue import CeleryQueue
from taskmgr_core.queue.celery.showing import Showing, register
from taskmgr_core.queue.celery.slots import Gate, slot_pool
from taskmgr_core.queue.scaling import Scaling
from taskmgr_core.queue.units import NO_UNITS, Units
from taskmgr_core.specs.resources import as_text, fit, subsets
from taskmgr_core.stores.metadata import MetadataStore

SILENT_SECONDS = 10.0
LEAVE_SECONDS = 5.0
UNHEARD_SECONDS = 5.0
# Of an offer with more combinations than this only those that a published task needs are served.
MOST_NEEDS = 32

_LOGGER = logging.getLogger(__name__)


class CeleryFeed:
    """Implements ``Feed``: Celery receives, our slots run.

    Arguments:
        queue: the broker.
        metadata: where steps are claimed.
        scaling: how many slots.
        queues: the queues that are served; empty for all that published tasks name.
        tasks: the tasks that are served; empty for all.
        units: what is offered.
        coverage: what can be run here; None for everything.
    """

    def __init__(
        self,
        queue: CeleryQueue,
        metadata: MetadataStore,
        scaling: Scaling,
        queues: Collection[str],
        tasks: Collection[str] = (),
        units: Units = NO_UNITS,
        coverage: Coverage | None = None,
    ) -> None:
        self._queue = queue
        self._metadata = metadata
        self._scaling = scaling
        self._wanted = tuple(queues)
        self._others = OthersSteps(queue, tasks, coverage)
        self._served: set[str] = set()
        self._gate = Gate(scaling.minimum, units)
        self._pulse = Pulse()
        self._stopping = threading.Event()
        self._worker = ""
        self._run: CarryOut = run_nothing
        self._controller: WorkController | None = None
        self._performer: Performer | None = None
        self._thread: threading.Thread | None = None
        self._depth_at = (0.0, 0)

    @property
    def slots(self) -> int:
        """How many slots are open now."""
        return self._gate.slots

    @property
    def autoscale(self) -> tuple[int, int] | None:
        """The fewest and the most slots."""
        return self._scaling.bounds

    @property
    def units(self) -> Units:
        """What is offered."""
        return self._gate.units

    def start(self, worker: str, run: CarryOut) -> None:
        """Begin to take messages.

        Raises:
            StoreError: the published tasks cannot be read.
        """
        self._worker, self._run = worker, run
        for version in self._metadata.latest_versions():
            register(self._queue.application, version.name)
        self._consume()

    def tend(self) -> None:
        """Restart a consumer that has stopped, serve new queues, scale the slots."""
        if self._stopping.is_set() or self._thread is None:
            return
        self._others.pass_on()
        if self._performer is not None:
            self._performer.alone = self._is_alone()
        waiting = self._waiting()
        if self._has_stopped(waiting):
            _LOGGER.warning("the consumer receives nothing although messages wait; restarting it")
            self._end_consumer()
            self._consume()
        else:
            self._serve_new_queues()
        self._gate.resize(self._scaling.slots(self._gate.slots, self._gate.busy, waiting))

    def stop(self) -> None:
        """Take no more messages."""
        self._stopping.set()
        self._pulse.stopping = True

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the steps that run."""
        idle = self._gate.wait_idle(timeout)
        if self._thread is not None and idle:
            # While the broker is away Celery's thread connects again and again, and hears nothing.
            self._thread.join(LEAVE_SECONDS if timeout is None else min(timeout, LEAVE_SECONDS))
        self._others.pass_on()  # not before: this worker's own consumer might take it again
        return idle

    def break_off(self) -> None:
        """End the consumer as if it had failed; ``tend`` starts another one."""
        self._end_consumer()

    def _consume(self) -> None:
        self._pulse = Pulse()
        self._served = self._broker_queues()
        inbox, hostname = self._queue.inbox(), f"taskmgr@{self._worker}"
        application = self._queue.application
        performer = self._performer = Performer(
            queue=self._queue,
            metadata=self._metadata,
            gate=self._gate,
            inbox=inbox,
            others=self._others,
            showing=Showing(application, hostname, self._dispatcher),
            stopping=self._stopping,
            worker=self._worker,
            run=self._run,
            queues=self._wanted,
            lists=tuple(sorted(self._served)),
            start=self._start,
        )
        self._controller = application.WorkController(
            hostname=hostname,
            pool_cls=slot_pool(self._gate),
            consumer_cls=step_consumer(
                self._gate, inbox, self._pulse, performer.perform, performer.pass_on
            ),
            concurrency=self._scaling.maximum,
            queues=sorted(self._served),
            use_eventloop=False,
            without_gossip=True,
            without_mingle=True,
            loglevel=logging.INFO,
        )
        self._thread = threading.Thread(target=self._controller.start, name="consumer", daemon=True)
        self._thread.start()

    def _dispatcher(self) -> Any:
        """Celery's way to tell of events; None while it is not connected."""
        return getattr(getattr(self._controller, "consumer", None), "event_dispatcher", None)

    def _start(self, work: Callable[[], None]) -> None:
        """Have a free slot do something."""
        if self._controller is not None:
            self._controller.pool.carry_out(work)

    def _end_consumer(self) -> None:
        """Leave the old consumer to itself: it may hang, and then ends when it wakes."""
        self._pulse.stopping = True
        if self._thread is not None:
            self._thread.join(TRY_AGAIN_SECONDS)

    def _has_stopped(self, waiting: int) -> bool:
        now = time.monotonic()
        ended = self._thread is not None and not self._thread.is_alive()
        silent = self._pulse.connected and now - self._pulse.turned_at > SILENT_SECONDS
        unheard = (
            self._pulse.connected
            and waiting > 0
            and self._gate.free()
            and now - max(self._pulse.received_at, self._free_since()) > UNHEARD_SECONDS
        )
        return ended or silent or unheard

    def _is_alone(self) -> bool:
        """Whether no other worker is known; one that was killed counts until it is forgotten."""
        others = (each for each in self._metadata.workers() if each.id != self._worker)
        return all(each.private for each in others)

    def _free_since(self) -> float:
        """Since when there has been a free slot and something to take."""
        return self._depth_at[0]

    def _waiting(self) -> int:
        """How many messages wait for us: what they need is free."""
        units = self._gate.units
        try:
            waiting = self._queue.depth([q for q in self._served if units.fit(needs_of(q))])
        except TaskmgrError as error:
            _LOGGER.warning("%s", error)
            waiting = 0
        began = self._depth_at[0] if self._depth_at[1] and self._gate.free() else time.monotonic()
        self._depth_at = (began, waiting)
        return waiting

    def _broker_queues(self) -> set[str]:
        """The broker's queues that are served: each one without needs, and with what fits."""
        offered = self._gate.units.offered
        every = list(subsets(offered, MOST_NEEDS) or ())
        look = offered and not every
        tasks = [each.task for each in self._metadata.latest_versions()] if look else []
        names = set(self._wanted) or set(self._metadata.queues()) or {"default"}
        needs = [*every, *(task.resources for task in tasks if fit(task.resources, offered))]
        texts = {"", *map(as_text, needs)}
        return {broker_queue(name, text) for name in names for text in texts}

    def _serve_new_queues(self) -> None:
        if self._wanted and not self._gate.units.offered:
            return
        consumer = self._controller.consumer if self._controller is not None else None
        for name in sorted(self._broker_queues() - self._served):
            if consumer is not None:
                consumer.call_soon(consumer.add_task_queue, name)
                self._served.add(name)
                if self._performer is not None:
                    self._performer.lists = tuple(sorted(self._served))
