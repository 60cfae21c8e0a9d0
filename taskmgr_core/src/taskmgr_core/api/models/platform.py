"""Workers, queues, schedules and health as the REST API says them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from taskmgr_core.api.models.runs import moment, moment_or_none
from taskmgr_core.health import ServiceHealth, State
from taskmgr_core.monitoring import Line
from taskmgr_core.specs import CatchUp, Firing, Schedule, Worker


@attrs.frozen
class WorkerView:
    """A worker."""

    id: str
    host: str
    pid: int
    status: Literal["alive", "draining", "preparing", "lost"]
    slots: int
    autoscale: tuple[int, ...] | None
    resources: Mapping[str, int]
    queues: tuple[str, ...]
    tasks: tuple[str, ...]
    refused: tuple[str, ...]
    running: tuple[str, ...]
    started_at: str
    heartbeat: str

    @classmethod
    def of(cls, worker: Worker, alive: bool) -> WorkerView:
        """As it has said last.

        Arguments:
            worker: as the store has it.
            alive: whether its last beat is recent.
        """
        return cls(
            id=worker.id,
            host=worker.host,
            pid=worker.pid,
            status=_status(worker, alive),
            slots=worker.slots,
            autoscale=worker.autoscale,
            resources=dict(worker.resources),
            queues=tuple(worker.queues),
            tasks=tuple(worker.tasks),
            refused=tuple(worker.refused),
            running=tuple(worker.running),
            started_at=moment(worker.started_at),
            heartbeat=moment(worker.heartbeat),
        )


def _status(worker: Worker, alive: bool) -> Literal["alive", "draining", "preparing", "lost"]:
    if not alive:
        return "lost"
    if worker.draining:
        return "draining"
    return "preparing" if worker.preparing else "alive"


@attrs.frozen
class WorkerList:
    """Every worker that has not said that it stopped."""

    workers: tuple[WorkerView, ...]


@attrs.frozen
class Leaving:
    """How a worker is to leave: it finishes what runs, or gives that back now."""

    how: Literal["drain", "now"]


@attrs.frozen
class QueueView:
    """A queue, or the steps of one that need the same resources."""

    queue: str
    needs: str
    ready: int
    delayed: int
    oldest: str | None
    depth: int | None
    workers: int

    @classmethod
    def of(cls, line: Line) -> QueueView:
        """As it is at one moment."""
        waiting = line.waiting
        return cls(
            line.queue,
            line.needs,
            waiting.ready if waiting else 0,
            waiting.delayed if waiting else 0,
            moment_or_none(waiting.oldest) if waiting else None,
            line.depth,
            line.workers,
        )


@attrs.frozen
class QueueList:
    """What waits; ``problem`` says why the broker could not be asked."""

    queues: tuple[QueueView, ...]
    running: int
    ended_within_a_minute: Mapping[str, int]
    problem: str | None


@attrs.frozen
class FiringView:
    """A time at which a schedule has run something, or tried to."""

    at: str
    run: str
    fired_at: str
    submitted: bool
    problem: str | None

    @classmethod
    def of(cls, firing: Firing) -> FiringView:
        """As it is recorded."""
        return cls(
            moment(firing.at),
            firing.run,
            moment(firing.fired_at),
            firing.submitted,
            firing.problem or None,
        )


@attrs.frozen
class ScheduleView:
    """A pipeline or task that is run at certain times."""

    name: str
    what: str
    cron: str
    zone: str
    inputs: Mapping[str, Any]
    catch_up: CatchUp
    paused: bool
    next: str | None
    last: FiringView | None

    @classmethod
    def of(cls, schedule: Schedule, following: float | None, last: Firing | None) -> ScheduleView:
        """As it is recorded.

        Arguments:
            schedule: the schedule.
            following: UTC seconds of its next time; None where nothing follows.
            last: the latest time that it has fired; None where there is none.
        """
        return cls(
            schedule.name,
            schedule.what,
            schedule.cron,
            schedule.zone,
            dict(schedule.inputs),
            schedule.catch_up,
            schedule.paused,
            moment_or_none(following),
            None if last is None else FiringView.of(last),
        )


@attrs.frozen
class ScheduleList:
    """Every schedule, by name."""

    schedules: tuple[ScheduleView, ...]


@attrs.frozen
class FiringList:
    """What a schedule has fired, the latest time first."""

    firings: tuple[FiringView, ...]


@attrs.frozen
class Alive:
    """The process answers."""

    status: Literal["ok"] = "ok"


@attrs.frozen
class ServiceView:
    """How a service is that the platform needs; its address is for operators and not here."""

    service: str
    kind: str
    state: State
    version: str
    latency_ms: float | None
    message: str

    @classmethod
    def of(cls, found: ServiceHealth) -> ServiceView:
        """As it answered."""
        return cls(
            found.service,
            found.kind,
            found.state,
            found.version,
            found.latency_ms,
            found.message if found.state != "ok" else "",
        )


@attrs.frozen
class Ready:
    """Whether requests that need the stores can be answered."""

    status: Literal["ready", "not ready"]
    services: tuple[ServiceView, ...]
