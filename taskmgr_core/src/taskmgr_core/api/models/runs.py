"""Runs, their steps, values and logs as the REST API says them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import attrs

from taskmgr_core.results import present
from taskmgr_core.specs import (
    Edge,
    FailedElement,
    Failure,
    FieldValue,
    LogLine,
    RunDetail,
    RunStatus,
    RunSummary,
    Step,
    StepStatus,
)
from taskmgr_core.summary import timing_of


def moment(seconds: float) -> str:
    """UTC seconds since 1970 as ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def moment_or_none(seconds: float | None) -> str | None:
    """The same, where there may be none."""
    return None if seconds is None else moment(seconds)


@attrs.frozen
class Submission:
    """A run that is asked for.

    Attributes:
        name: of a published pipeline or task.
        inputs: name -> a JSON value; a file is ``{"$artifact": digest}`` or an uploaded part.
        version: of a task; the one that new runs get when it is left out.
    """

    name: str
    inputs: Mapping[str, Any] = attrs.field(factory=dict)
    version: str | None = None


@attrs.frozen
class Again:
    """How a run is done again.

    Attributes:
        step: a step that is done again although it succeeded, with all behind it.
    """

    step: str | None = None


@attrs.frozen
class Submitted:
    """A run that is recorded."""

    run_id: str
    status: RunStatus


@attrs.frozen
class FailureView:
    """Why something failed."""

    code: str
    message: str
    traceback: str
    details: Mapping[str, str]

    @classmethod
    def of(cls, failure: Failure | None) -> FailureView | None:
        """As it is recorded; None where nothing has failed."""
        if failure is None:
            return None
        return cls(failure.code, failure.message, failure.traceback, dict(failure.details))


@attrs.frozen
class RunFailureView:
    """Why a run failed, with the step that did."""

    step: str | None
    code: str
    message: str
    traceback: str
    details: Mapping[str, str]

    @classmethod
    def of(cls, detail: RunDetail) -> RunFailureView | None:
        """The first step's that failed and says why, else the run's own."""
        failed = (each for each in detail.steps if each.status == "failed" and each.failure)
        step = next(failed, None)
        failure = step.failure if step else detail.run.failure
        if failure is None:
            return None
        return cls(
            step.id if step else None,
            failure.code,
            failure.message,
            failure.traceback,
            dict(failure.details),
        )


@attrs.frozen
class RunView:
    """A run in a list."""

    run_id: str
    name: str
    kind: Literal["pipeline", "task"]
    status: RunStatus
    created_at: str
    finished_at: str | None
    cancel_requested: bool
    steps: Mapping[str, int]
    error: FailureView | None

    @classmethod
    def of(cls, run: RunSummary) -> RunView:
        """As it is recorded."""
        return cls(
            run.id,
            run.name,
            run.kind,
            run.status,
            moment(run.created_at),
            moment_or_none(run.finished_at),
            run.cancel_requested,
            dict(run.steps),
            FailureView.of(run.failure),
        )


@attrs.frozen
class RunPage:
    """Some runs, newest first; ``next`` is the cursor of the older ones, if there are any."""

    runs: tuple[RunView, ...]
    next: str | None


@attrs.frozen
class Seconds:
    """Where the time of a run went."""

    total: float
    sequential: float
    parallel: float


@attrs.frozen
class ElementErrorView:
    """Why an element of a list, or an iteration, failed."""

    index: int
    error: FailureView | None

    @classmethod
    def of(cls, failed: FailedElement) -> ElementErrorView:
        """As it is recorded."""
        return cls(failed.index, FailureView.of(failed.failure))


@attrs.frozen
class StepView:
    """A step of a run."""

    id: str
    task: str
    version: str
    queue: str
    resources: Mapping[str, int]
    status: StepStatus
    attempts: int
    lost: int
    worker: str
    ready_at: str | None
    started_at: str | None
    finished_at: str | None
    seconds: Mapping[str, float]
    error: FailureView | None
    earlier_errors: tuple[FailureView, ...]
    taken_from: str | None
    cached_from: str | None
    waits_for: str | None
    elements: int | None
    elements_failed: int | None
    element_errors: tuple[ElementErrorView, ...]

    @classmethod
    def of(cls, step: Step) -> StepView:
        """As it is recorded."""
        return cls(
            id=step.id,
            task=step.task,
            version=step.version,
            queue=step.queue,
            resources=dict(step.resources),
            status=step.status,
            attempts=step.attempt,
            lost=step.lost,
            worker=step.worker,
            ready_at=moment_or_none(step.ready_at),
            started_at=moment_or_none(step.started_at),
            finished_at=moment_or_none(step.finished_at),
            seconds=dict(step.seconds),
            error=FailureView.of(step.failure),
            earlier_errors=tuple(filter(None, map(FailureView.of, step.failures))),
            taken_from=step.origin or None,
            cached_from=step.cached_from or None,
            waits_for=step.waits_for or None,
            elements=step.elements,
            elements_failed=None if step.elements is None else step.failed.count,
            element_errors=tuple(map(ElementErrorView.of, step.failed.first)),
        )


@attrs.frozen
class ValueView:
    """A recorded value; ``value`` is null where ``source`` has it."""

    port: str
    type: str
    digest: str
    size: int
    producer: str | None
    source: str | None
    artifacts: tuple[str, ...]
    value: Any

    @classmethod
    def of(cls, value: FieldValue) -> ValueView:
        """As it is recorded."""
        return cls(
            value.port,
            value.type,
            value.digest,
            value.size,
            value.producer or None,
            value.source or None,
            tuple(value.artifacts),
            None if value.source else present(value.document),
        )


@attrs.frozen
class EdgeView:
    """``target`` was made from ``source``."""

    source: str
    target: str

    @classmethod
    def of(cls, edge: Edge) -> EdgeView:
        """As it is recorded."""
        return cls(edge.source, edge.target)


@attrs.frozen
class RunDetailView:
    """Everything that is recorded of a run."""

    run_id: str
    name: str
    kind: Literal["pipeline", "task"]
    status: RunStatus
    created_at: str
    finished_at: str | None
    cancel_requested: bool
    seconds: Seconds
    result: Mapping[str, Any] | None
    problem: str | None
    retry_of: str | None
    error: RunFailureView | None
    inputs: Mapping[str, Any]
    steps: tuple[StepView, ...]
    values: tuple[ValueView, ...]
    edges: tuple[EdgeView, ...]

    @classmethod
    def of(cls, detail: RunDetail) -> RunDetailView:
        """As it is recorded, the arrays as lists of numbers."""
        run, timing = detail.run, timing_of(detail.run, detail.steps)
        return cls(
            run_id=run.id,
            name=run.name,
            kind=run.kind,
            status=run.status,
            created_at=moment(run.created_at),
            finished_at=moment_or_none(run.finished_at),
            cancel_requested=run.cancel_requested,
            seconds=Seconds(timing.total, timing.sequential, timing.parallel),
            result=present(detail.result),
            problem=detail.problem or None,
            retry_of=run.retry_of or None,
            error=RunFailureView.of(detail),
            inputs={
                value.port: present(value.document)
                for value in detail.values
                if value.port in run.graph.inputs
            },
            steps=tuple(map(StepView.of, detail.steps)),
            values=tuple(map(ValueView.of, detail.values)),
            edges=tuple(map(EdgeView.of, detail.edges)),
        )


@attrs.frozen
class LogLineView:
    """A line of a log."""

    number: int
    time: str
    step: str
    attempt: int
    stream: str
    text: str

    @classmethod
    def of(cls, line: LogLine) -> LogLineView:
        """As it is recorded."""
        return cls(line.number, moment(line.time), line.step, line.attempt, line.stream, line.text)


@attrs.frozen
class LogPage:
    """Some lines of a log; ``next`` is what ``after`` is for those behind them."""

    lines: tuple[LogLineView, ...]
    next: int | None
