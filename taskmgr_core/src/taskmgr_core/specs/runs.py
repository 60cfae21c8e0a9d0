"""Runs, their steps, and everything that is recorded of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs

from taskmgr_core.errors import bounded_details
from taskmgr_core.specs.pipelines import Graph
from taskmgr_core.specs.values import Edge, FieldValue
from taskmgr_plugins.texts import MESSAGE_CHARACTERS, TRACEBACK_CHARACTERS, bounded

StepStatus = Literal[
    "pending",
    "ready",
    "running",
    "mapping",
    "looping",
    "succeeded",
    "failed",
    "skipped",
    "cancelled",
]
RunStatus = Literal["running", "succeeded", "failed", "cancelled"]

FINAL_STEP_STATUSES: frozenset[StepStatus] = frozenset(
    {"succeeded", "failed", "skipped", "cancelled"}
)
SPLIT_STATUSES: frozenset[StepStatus] = frozenset({"mapping", "looping"})
"""A step waits for its elements, or for its iterations."""
FINAL_RUN_STATUSES: frozenset[RunStatus] = frozenset({"succeeded", "failed", "cancelled"})
RUN_STATUSES: tuple[RunStatus, ...] = ("running", "succeeded", "failed", "cancelled")


def _message(text: str) -> str:
    return bounded(text, MESSAGE_CHARACTERS)


def _traceback(text: str) -> str:
    return bounded(text, TRACEBACK_CHARACTERS)


@attrs.frozen
class Failure:
    """Why a step or run failed. Of long texts the beginning and the end are kept.

    Attributes:
        code: as in ``RunnerError``; also ``quarantined``.
        message: what happened and what to do.
        traceback: the task's own, or empty.
        details: further facts.
    """

    code: str
    message: str = attrs.field(converter=_message)
    traceback: str = attrs.field(default="", converter=_traceback)
    details: Mapping[str, str] = attrs.field(factory=dict, converter=bounded_details)


@attrs.frozen
class FailedElement:
    """An element of a list, or an iteration, that failed.

    Attributes:
        index: the element's place in the list, or the iteration's number, from 0.
        failure: why it failed.
    """

    index: int
    failure: Failure | None


@attrs.frozen
class FailedElements:
    """Those of the elements or iterations of a step that failed.

    Attributes:
        count: how many there are.
        first: the first of them, in their order.
    """

    count: int = 0
    first: tuple[FailedElement, ...] = ()


NONE_FAILED = FailedElements()


@attrs.frozen
class Step:
    """The state of one step of one run.

    Attributes:
        attempt: how many attempts have been claimed.
        lost: how many of them ended with their worker.
        worker: who holds, or held, the last attempt.
        not_before: UTC seconds before which a ready step is not due.
        ready_at, started_at, finished_at: UTC seconds since 1970, or None.
        seconds: stage -> seconds: queue, environment, start, load, inputs,
            compute, outputs, total.
        failure: why it failed.
        failures: why earlier attempts failed.
        resources: units that a worker has to have free.
        origin: the run whose outputs it has taken over; empty for its own.
        elements: how many elements it is run for, or how often it has been run again and
            again so far; None where it is run once, or that is not known yet.
        cached_from: the run and step (``<run>/<step>``) whose outputs were taken in place of
            running it; empty where it was run.
        waits_for: the limit that keeps a ready step from being run, in words; empty for none.
        waits_since: UTC seconds since when it was ready, where a limit has held it back.
        failed: which of its elements or iterations failed, where somebody looked for them; see
            ``details.with_failed``.
    """

    run: str
    id: str
    task: str
    version: str
    queue: str
    priority: int
    status: StepStatus
    attempt: int = 0
    lost: int = 0
    worker: str = ""
    not_before: float = 0.0
    ready_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    seconds: Mapping[str, float] = attrs.field(factory=dict)
    failure: Failure | None = None
    failures: tuple[Failure, ...] = ()
    resources: Mapping[str, int] = attrs.field(factory=dict)
    origin: str = ""
    elements: int | None = None
    cached_from: str = ""
    waits_for: str = ""
    waits_since: float | None = None
    failed: FailedElements = NONE_FAILED

    @property
    def remark(self) -> str:
        """What its status does not say: where it was not run here, or why it waits."""
        if self.origin:
            return "taken over"
        if self.cached_from:
            return "cached"
        return f"waits: {self.waits_for}" if self.waits_for and self.status == "ready" else ""

    @property
    def tries(self) -> int:
        """How often it was tried: of what is run for elements or iterations, as a whole."""
        # To begin and to gather are two claims, and one try.
        return self.attempt if self.elements is None else max(self.attempt - 1, 1)


@attrs.frozen
class Run:
    """One execution of a pipeline or of a single task.

    Attributes:
        id: UUIDv7, sortable by time.
        name: the pipeline's or task's name.
        kind: which of the two.
        graph: the compiled graph, with exact versions.
        created_at, finished_at: UTC seconds since 1970.
        cancel_requested: whether somebody asked to cancel it.
        retry_of: the run that it does again in part; empty for none.
        traceparent: the span that its steps belong to, as W3C Trace Context writes it; empty
            where nobody traces it.
    """

    id: str
    name: str
    kind: Literal["pipeline", "task"]
    graph: Graph
    status: RunStatus
    created_at: float
    finished_at: float | None = None
    cancel_requested: bool = False
    failure: Failure | None = None
    retry_of: str = ""
    traceparent: str = ""


@attrs.frozen
class NewRun:
    """A run of which nothing is recorded yet.

    Attributes:
        run: the run.
        steps: its steps; those that it takes over have ended.
        values, edges: what it has already.
    """

    run: Run
    steps: Sequence[Step]
    values: Sequence[FieldValue]
    edges: Sequence[Edge] = ()


@attrs.frozen
class RunSummary:
    """A run as lists show it, without its graph.

    Attributes:
        steps: status -> how many of its steps have it.
        others: as in ``Run``.
    """

    id: str
    name: str
    kind: Literal["pipeline", "task"]
    status: RunStatus
    created_at: float
    finished_at: float | None
    cancel_requested: bool
    failure: Failure | None
    steps: Mapping[str, int]


def as_ended(run: Run, now: RunSummary) -> Run:
    """A run as it is now."""
    return attrs.evolve(
        run,
        status=now.status,
        finished_at=now.finished_at,
        cancel_requested=now.cancel_requested,
        failure=now.failure,
    )


@attrs.frozen
class StepTimes:
    """When a step became ready, began and ended: what rates and percentiles are made from.

    Attributes:
        seconds: what its last attempt took in all; None while it has not ended.
        others: as in ``Step``.
    """

    run: str
    task: str
    queue: str
    status: StepStatus
    ready_at: float | None
    finished_at: float | None
    seconds: float | None


@attrs.frozen
class LogLine:
    """A line that a task wrote.

    Attributes:
        number: its place in the run's log, growing.
        time: UTC seconds since 1970.
        stream: ``stdout``, ``stderr`` or ``taskmgr`` (said by the platform).
    """

    number: int
    run: str
    step: str
    attempt: int
    time: float
    stream: str
    text: str


@attrs.frozen
class RunDetail:
    """A run with all that is recorded of it: what commands, reports and screens show.

    Attributes:
        steps: in the graph's order.
        values: the value of every port.
        edges: the lineage edges.
        result: the assembled result, as declared by the pipeline; None while it runs,
            when it failed, or when it cannot be put together.
        problem: why the result of a run that succeeded cannot be put together.
    """

    run: Run
    steps: tuple[Step, ...]
    values: tuple[FieldValue, ...]
    edges: tuple[Edge, ...]
    result: Mapping[str, Any] | None
    problem: str = ""
