"""What workers hold and tell: claims, outcomes, beats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

from taskmgr_core.specs.caching import CacheEntry
from taskmgr_core.specs.pipelines import GraphStep
from taskmgr_core.specs.resources import fit
from taskmgr_core.specs.runs import Failure, RunStatus, Step, StepStatus
from taskmgr_core.specs.values import Edge, FieldValue


@attrs.frozen
class Hold:
    """A step that the store says a worker holds."""

    run: str
    step: str
    attempt: int
    cancel_requested: bool


@attrs.frozen
class ReadyStep:
    """A step that is ready to be claimed: what a queue has to know to send it to a worker.

    Attributes:
        priority: 0 to 9, higher first.
        ready_at: UTC seconds since when it has been due, or from when it will be.
        resources: units that a worker has to have free.
    """

    run: str
    id: str
    task: str
    queue: str
    priority: int
    ready_at: float
    resources: Mapping[str, int] = attrs.field(factory=dict)


def as_ready(step: Step, ready_at: float) -> ReadyStep:
    """A step as a queue has to know it.

    Arguments:
        step: the step.
        ready_at: UTC seconds since when it has been due.
    """
    return ReadyStep(
        step.run, step.id, step.task, step.queue, step.priority, ready_at, step.resources
    )


def as_claimed(step: Step, worker: str, now: float) -> Step:
    """A step as it is while a worker carries it out for the next time.

    Arguments:
        step: as it is before.
        worker: the worker's id.
        now: UTC seconds.
    """
    return attrs.evolve(
        step, status="running", attempt=step.attempt + 1, worker=worker, started_at=now
    )


@attrs.frozen
class Claim:
    """A worker's hold on one attempt of a step: the fencing token.

    Attributes:
        step: the step as claimed; its ``attempt`` and ``worker`` are the token.
        graph_step: what to run.
        values: source port id -> its recorded value, for every input that is no constant.
        units: the units that the worker keeps for it: resource -> their numbers.
        element: the index of the element, or of the iteration, that it is for; None where it
            is for none.
        traceparent: the span of this attempt; empty where nobody traces it.
        limits: what it counts for while it runs, see ``Demand.label``.
        only: whether it was surely the only step that its worker could have claimed then.
    """

    step: Step
    graph_step: GraphStep
    values: Mapping[str, FieldValue]
    units: Mapping[str, tuple[int, ...]] = attrs.field(factory=dict)
    element: int | None = None
    traceparent: str = ""
    limits: tuple[str, ...] = ()
    only: bool = attrs.field(default=False, eq=False)


@attrs.frozen
class Element:
    """What came of a step for one element of a list, or in one iteration.

    Attributes:
        index: the element's place in the list, or the iteration's number, from 0.
        status: the status that it ended with.
        failure: why it failed.
        outputs: the values of its output ports, by port.
    """

    index: int
    status: StepStatus
    failure: Failure | None
    outputs: Mapping[str, FieldValue]


@attrs.frozen
class Outcome:
    """What came of an attempt.

    Attributes:
        status: succeeded, failed, cancelled, ready (to be tried again), or skipped (left
            out by its own condition), mapping (it is run for each of ``elements``), or looping
            (it is run again and again).
        values: the values of its ports.
        edges: what they were made from.
        seconds: stage -> seconds.
        failure: why it failed.
        not_before: when ``ready``, the UTC seconds before which it is not due.
        elements: the values that it is run for, when ``mapping``.
        more: whether another iteration follows on this one.
        cached_from: the run and step whose outputs these are; empty for its own.
        entry: what is kept of it for others; None for nothing.
    """

    status: Literal["succeeded", "failed", "cancelled", "ready", "skipped", "mapping", "looping"]
    values: tuple[FieldValue, ...] = ()
    edges: tuple[Edge, ...] = ()
    seconds: Mapping[str, float] = attrs.field(factory=dict)
    failure: Failure | None = None
    not_before: float = 0.0
    elements: tuple[FieldValue, ...] = ()
    more: bool = False
    cached_from: str = ""
    entry: CacheEntry | None = None


PluginStatus = Literal["ok", "off", "loading", "broken", "failing", "hanging"]


@attrs.frozen
class PluginState:
    """How a hook plugin is, in one process.

    Attributes:
        name: of its entry point.
        source: its distribution and version; ``taskmgr`` for what comes with it.
        state: ``off`` where the setting leaves it out, ``broken`` where it cannot be used at
            all, ``failing`` where a call has raised, ``hanging`` while one does not come back.
        hooks: what it implements.
        message: what is wrong with it; empty where nothing is.
        called: how many calls have come back without an error.
        failed: how many have raised.
        dropped: how many were left out because it could not keep up.
    """

    name: str
    source: str
    state: PluginStatus
    hooks: tuple[str, ...] = ()
    message: str = ""
    called: int = 0
    failed: int = 0
    dropped: int = 0

    @property
    def is_well(self) -> bool:
        """Whether nobody has to look after it."""
        return self.state in ("ok", "off", "loading") and not self.dropped


@attrs.frozen
class WorkerLoad:
    """What a worker uses, its runners included, and what its machine has.

    Attributes:
        memory_bytes: of memory that is its own; mapped files left out.
        processor: cores that it kept busy since it was measured before, as 1.5.
        machine_bytes, cores: what the machine has.
    """

    memory_bytes: int
    processor: float
    machine_bytes: int
    cores: int


@attrs.frozen
class Worker:
    """A worker process as the store knows it.

    Attributes:
        queues: the queues it serves; empty for all.
        heartbeat: UTC seconds of its last beat.
        running: ``run/step`` of what it runs now.
        private: whether it serves only the runs that its own process waits for.
        tasks: the tasks that it serves; empty for all.
        resources: the units that it offers.
        autoscale: the fewest and the most slots that it may open; None for a fixed number.
        draining: whether it claims nothing more and leaves when nothing runs.
        answered: the ``ping`` that it has answered last.
        refused: versions that its machine cannot run, as ``face_detection 1.0.0``.
        preparing: whether it builds what its tasks need, and claims nothing yet.
        hooks: the hook plugins that it has loaded.
        load: what it uses; None where it has not measured yet, or does not.
        built: releases whose virtualenvs are ready on its machine, as ``taskmgr-faces 1.0.0``.
        log: the file on its machine that it logs to; empty where it logs to its terminal alone.
    """

    id: str
    host: str
    pid: int
    slots: int
    queues: tuple[str, ...]
    started_at: float
    heartbeat: float
    running: tuple[str, ...] = ()
    private: bool = False
    tasks: tuple[str, ...] = ()
    resources: Mapping[str, int] = attrs.field(factory=dict)
    autoscale: tuple[int, int] | None = None
    draining: bool = False
    answered: str = ""
    refused: tuple[str, ...] = ()
    preparing: bool = False
    hooks: tuple[PluginState, ...] = ()
    load: WorkerLoad | None = None
    built: tuple[str, ...] = ()
    log: str = ""

    def serves(self, step: GraphStep) -> bool:
        """Whether a step may be run by it."""
        return (
            (not self.queues or step.queue in self.queues)
            and (not self.tasks or step.task in self.tasks)
            and fit(step.resources, self.resources)
            and f"{step.task} {step.version}" not in self.refused
        )


@attrs.frozen
class Orders:
    """What a worker is told to do; it learns of it with each beat.

    Attributes:
        leave: ``drain``: claim nothing more, finish what runs, leave; ``now``: give back
            what runs and leave; empty: go on.
        ping: what it has to repeat as its ``answered``; empty for nothing.
    """

    leave: Literal["", "drain", "now"] = ""
    ping: str = ""


@attrs.frozen
class Waiting:
    """Ready steps of one queue that need the same resources.

    Attributes:
        ready: how many of them are due.
        delayed: how many are not due yet.
        oldest: UTC seconds since when the one that has waited longest is due; None
            where none is due.
    """

    queue: str
    resources: Mapping[str, int]
    ready: int
    delayed: int
    oldest: float | None


@attrs.frozen
class Overview:
    """The load of the platform at one moment; counts end at ``COUNTED``.

    Attributes:
        running: how many runs have not ended.
        ended: each final status -> how many runs ended with it since the asked moment.
    """

    running: int
    ended: Mapping[RunStatus, int]
