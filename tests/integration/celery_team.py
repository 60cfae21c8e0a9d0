"""Workers fed by Celery whose steps wait at a gate, for tests on a real Redis."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping

import attrs
from team import recorded_run

from taskmgr_core.coverage import Coverage
from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.queue.base import Announcement, Wanted, none_wanted
from taskmgr_core.queue.celery.feed import CeleryFeed
from taskmgr_core.queue.celery.queue import CeleryQueue
from taskmgr_core.queue.scaling import Scaling
from taskmgr_core.queue.units import Units
from taskmgr_core.specs import Claim, Outcome, ReadyStep
from taskmgr_core.specs.resources import NO_RESOURCES
from taskmgr_core.stores.metadata import MetadataStore


@attrs.define(eq=False)
class Work:
    """A worker whose steps do nothing but wait at a gate."""

    metadata: MetadataStore
    feed: CeleryFeed
    name: str = attrs.field(factory=lambda: f"w-{uuid.uuid4().hex[:6]}")
    gate: threading.Event = attrs.field(factory=threading.Event)
    begun: list[str] = attrs.field(factory=list)
    ended: list[str] = attrs.field(factory=list)
    units_seen: list[dict[str, tuple[int, ...]]] = attrs.field(factory=list)
    most_held: int = 0
    _held: int = 0
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    def start(self) -> None:
        """Begin to take."""
        self.feed.start(self.name, self.run)

    def run(self, claim: Claim, taking: Wanted = none_wanted) -> Announcement | None:
        """One step, which a worker records and announces as this does."""
        with self._lock:
            self.begun.append(claim.step.run)
            self.units_seen.append(dict(claim.units))
            self._held += sum(map(len, claim.units.values()))
            self.most_held = max(self.most_held, self._held)
        self.gate.wait(60)
        with self._lock:
            self._held -= sum(map(len, claim.units.values()))
        told = self.metadata.finish(claim, Outcome("succeeded"), decide, time.time(), taking())
        self.ended.append(claim.step.run)
        ended = told.run_status != "running"
        if not (told.ready or ended or told.claim):
            return None
        return Announcement(claim.step.run, told.ready, ended, told.looked, told.claim)

    def close(self) -> None:
        """Leave."""
        self.gate.set()
        self.feed.stop()
        self.feed.join(20)


@attrs.define(eq=False)
class Team:
    """A store and a broker, and workers on them."""

    url: str
    metadata: MetadataStore
    queue: CeleryQueue
    workers: list[Work] = attrs.field(factory=list)
    queues: list[CeleryQueue] = attrs.field(factory=list)

    def worker(
        self,
        slots: int = 1,
        queues: tuple[str, ...] = (),
        maximum: int = 0,
        resources: Mapping[str, int] = NO_RESOURCES,
        tasks: tuple[str, ...] = (),
        coverage: Coverage | None = None,
    ) -> Work:
        """A further worker, taking."""
        queue = CeleryQueue(self.url, self.metadata)
        self.queues.append(queue)
        scaling = Scaling(slots, maximum or slots)
        feed = CeleryFeed(queue, self.metadata, scaling, queues, tasks, Units(resources), coverage)
        work = Work(self.metadata, feed)
        self.workers.append(work)
        work.start()
        return work

    def record(
        self,
        queue: str = "default",
        resources: Mapping[str, int] = NO_RESOURCES,
        task: str = "echo",
    ) -> ReadyStep:
        """Record a run of one step that nobody is told of."""
        return recorded_run(self.metadata, queue, task, resources)

    def submit(
        self,
        count: int = 1,
        queue: str = "default",
        resources: Mapping[str, int] = NO_RESOURCES,
        task: str = "echo",
    ) -> list[str]:
        """Record runs of one step and announce them."""
        steps = [self.record(queue, resources, task) for _ in range(count)]
        for step in steps:
            self.queue.announce(step.run, [step])
        return [step.run for step in steps]

    def close(self) -> None:
        """Leave."""
        for each in self.workers:
            each.close()
        for queue in self.queues:
            queue.close()
        self.queue.close()
        self.metadata.close()
