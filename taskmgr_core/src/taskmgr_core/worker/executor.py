"""One attempt at a step: inputs in, a runner's answer out, recorded values and edges."""

from __future__ import annotations

import logging
import random
import time
import traceback
from collections.abc import Callable, Collection, Mapping
from typing import Any

import attrs

from taskmgr_core.errors import (
    MAKE_ROOM,
    EnvironmentBuildError,
    InvalidValueError,
    Problem,
    RunnerError,
    RunnerProtocolError,
    SignatureError,
    TaskmgrError,
    is_away,
    is_disk_full,
)
from taskmgr_core.lineage import step_edges
from taskmgr_core.orchestrator.compatibility import type_name
from taskmgr_core.orchestrator.retries import delay_of_retry
from taskmgr_core.orchestrator.validation import Validator
from taskmgr_core.output import OnLines
from taskmgr_core.runners import Limits, call_frame
from taskmgr_core.signing.verifying import Verifier
from taskmgr_core.specs import (
    Claim,
    Failure,
    FieldValue,
    Outcome,
    TaskVersion,
    input_port,
    output_port,
)
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.values import is_written_aside, put_aside, recorded, references, take_files
from taskmgr_core.worker import loops
from taskmgr_core.worker.batching import Answer, Batches, Call
from taskmgr_core.worker.caching import Made, StepCache, key_of
from taskmgr_core.worker.deciding import NO_DECISION, Decision, decided
from taskmgr_core.worker.elements import begun, gathered, of_element
from taskmgr_core.worker.failure_report import given_report, with_report
from taskmgr_core.worker.loops import iterated
from taskmgr_core.worker.pool import NO_UNITS, Lease, RunnerPool
from taskmgr_core.worker.streaming import ALONE, Neighbours, Yielded, drawn, whole_list
from taskmgr_core.worker.versions import KnownVersions

AWAY_SECONDS = 1.0
MAXIMUM_AWAY_SECONDS = 10.0
LOOK_SECONDS = 0.1

_LOGGER = logging.getLogger(__name__)


def always() -> bool:
    """Every step is admitted."""
    return True


@attrs.frozen
class _Calls:
    """Whom an attempt calls; see ``Executor.execute``."""

    cancelled: Callable[[], bool]
    on_lines: OnLines
    admit: Callable[[], bool]
    neighbours: Neighbours


@attrs.frozen
class Executor:
    """Carries out attempts. Safe to use from many threads.

    Attributes:
        metadata: where task versions are looked up.
        artifacts: where files are.
        pool: lends runners.
        validator: checks outputs against their schemas.
        inline_bytes: larger values are put aside as files.
        retry_delay: seconds before the first retry, doubled each time.
        timeouts: task name -> seconds for an attempt, where this worker has a word of its own.
        verifier: refuses versions that nobody vouches for; None where all are one's own.
        slots: how many attempts are made at the same time.
        cache_seconds: how long a result is kept that nobody takes again; 0 for ever.
    """

    metadata: MetadataStore
    artifacts: ArtifactStore
    pool: RunnerPool
    validator: Validator
    inline_bytes: int
    retry_delay: float
    timeouts: Mapping[str, float] = attrs.field(factory=dict)
    verifier: Verifier | None = None
    cache_seconds: float = 0.0
    slots: int = 1
    _batches: Batches = attrs.field(
        default=attrs.Factory(
            lambda self: Batches(self.slots, self.artifacts, self._lease), takes_self=True
        ),
        init=False,
        repr=False,
    )
    _versions: KnownVersions = attrs.field(
        default=attrs.Factory(
            lambda self: KnownVersions(self.metadata, verifier=self.verifier), takes_self=True
        ),
        init=False,
        repr=False,
    )

    def execute(
        self,
        claim: Claim,
        cancelled: Callable[[], bool],
        on_lines: OnLines,
        neighbours: Neighbours = ALONE,
        admit: Callable[[], bool] = always,
    ) -> Outcome | None:
        """Run one attempt; whatever goes wrong becomes part of the outcome.

        Arguments:
            claim: the attempt.
            cancelled: asked a few times a second; true ends it.
            on_lines: gets what the task writes: the first of it as it comes, the last at the end.
            neighbours: what the worker does for a task that yields.
            admit: asked before the task is called, not where that can be spared.

        Returns:
            What came of it; None where it was not admitted: then nothing is to be recorded.
        """
        pause = AWAY_SECONDS
        while True:
            try:
                outcome = self._execute(claim, _Calls(cancelled, on_lines, admit, neighbours))
                return of_element(claim, self._iterated(claim, outcome, cancelled))
            except _HeldBackError:
                return None
            except _AwayError as error:
                what = f"run {claim.step.run} step {claim.step.id}"
                _LOGGER.warning("%s waits, it is tried again in %g s: %s", what, pause, error)
                wait_unless(cancelled, pause)
                pause = min(2 * pause, MAXIMUM_AWAY_SECONDS)

    def _execute(self, claim: Claim, calls: _Calls) -> Outcome:
        started = time.perf_counter()
        inputs: tuple[FieldValue, ...] = ()
        try:
            version = self._versions.get(claim.graph_step.task, claim.graph_step.version)
            if claim.graph_step.handles_failure:
                claim = with_report(claim, self.metadata)
            # A step that gathers was decided on when it began.
            first = claim.step.elements is None
            decision = decided(claim, self.artifacts) if first else None
            if decision is not None and not decision.holds:
                total = time.perf_counter() - started
                return Outcome("skipped", decision.values, decision.edges, {"total": total})
            inputs = self._inputs(claim, version)
            if claim.graph_step.map or (claim.graph_step.repeat and claim.element is None):
                return self._split(claim, version, inputs, decision or NO_DECISION, started)
            made = self._made(claim, version, inputs, calls)
        except _HeldBackError:
            raise
        except Exception as error:
            if is_away(error) and not calls.cancelled():
                # No fault of the step's, and nothing of it is recorded: it is no attempt.
                raise _AwayError(str(error)) from error
            reason = RunnerError("cancelled", "cancelled") if is_away(error) else _reason_of(error)
            if reason is not None:
                return self._failed(claim, reason, inputs, time.perf_counter() - started)
            _LOGGER.exception("run %s step %s met a bug of taskmgr", claim.step.run, claim.step.id)
            return Outcome("failed", inputs, failure=internal_failure(error))
        also = decision or NO_DECISION
        fields = {value.port.split("_", 2)[2]: value for value in inputs}
        replaced = [field for field, value in fields.items() if not value.source]
        return Outcome(
            status="succeeded",
            values=(*given_report(claim), *also.values, *inputs, *made.outputs),
            edges=(*also.edges, *step_edges(claim.graph_step, fields, replaced), *made.edges),
            seconds={**made.seconds, "total": time.perf_counter() - started},
            cached_from=made.cached_from,
            entry=made.entry,
        )

    def _made(
        self,
        claim: Claim,
        version: TaskVersion,
        inputs: tuple[FieldValue, ...],
        calls: _Calls,
    ) -> Made:
        """The outputs of a step: taken where the same was asked before, else computed."""
        # What is yielded is taken while it comes, so nothing of it is kept.
        key = "" if version.task.streams else key_of(claim, version, inputs)
        cache = StepCache(self.metadata, self.artifacts, self.cache_seconds)
        taken = cache.taken(key, claim)
        if taken is not None:
            return taken
        if not calls.admit():
            raise _HeldBackError
        return cache.kept(key, claim, self._attempt(claim, version, inputs, calls))

    def _iterated(self, claim: Claim, outcome: Outcome, cancelled: Callable[[], bool]) -> Outcome:
        """The outcome with whether another iteration follows, where it is that of one."""
        try:
            return iterated(claim, outcome, self.artifacts)
        except TaskmgrError as error:
            if is_away(error) and not cancelled():
                raise _AwayError(str(error)) from error
            reason = _reason_of(error) or RunnerError(str(error), "internal")
            return self._failed(claim, reason, outcome.values, outcome.seconds.get("total", 0.0))

    def _split(
        self,
        claim: Claim,
        version: TaskVersion,
        inputs: tuple[FieldValue, ...],
        decision: Decision,
        started: float,
    ) -> Outcome:
        """A step that is run for each element, or again and again: it begins, or gathers."""
        repeats = claim.graph_step.repeat is not None
        if claim.step.elements is None and repeats:
            outcome = loops.begun(inputs)
        elif claim.step.elements is None:
            outcome = begun(claim, inputs, self.inline_bytes, self.artifacts, self.metadata)
        else:
            gather = loops.ended if repeats else gathered
            outcome = gather(
                claim, version, inputs, self.inline_bytes, self.artifacts, self.metadata
            )
        return attrs.evolve(
            outcome,
            values=(*decision.values, *outcome.values),
            edges=(*decision.edges, *outcome.edges),
            seconds={"total": time.perf_counter() - started},
        )

    def _inputs(self, claim: Claim, version: TaskVersion) -> tuple[FieldValue, ...]:
        """The value on every input port, defaults included."""
        step = claim.graph_step
        values = []
        for field in version.task.inputs:
            port, source = input_port(step.id, field.name), step.inputs.get(field.name)
            if source is None or (source.port and source.port not in claim.values):
                if source is not None and source.fallback:
                    kind = type_name(field.schema)
                    values.append(recorded(port, source.fallback[0], kind, ""))
                elif not field.required:
                    values.append(self._versions.default(version, field).on(port))
                continue
            kind = type_name(field.schema)
            if source.port:
                values.append(claim.values[source.port].taken_on(port, kind))
            else:
                values.append(recorded(port, source.constant, kind, ""))
        return tuple(values)

    def _attempt(
        self,
        claim: Claim,
        version: TaskVersion,
        inputs: tuple[FieldValue, ...],
        calls: _Calls,
    ) -> Made:
        step = claim.graph_step
        prefix = len(input_port(step.id, ""))
        documents = {value.port[prefix:]: value.document for value in inputs}
        paths = {
            str(found["$artifact"]): str(self.artifacts.local_path(str(found["$artifact"])))
            for found in references(documents)
        }
        limits = Limits(self.timeouts.get(step.task, step.timeout), step.memory_mb, calls.cancelled)
        if version.task.streams:
            (field,) = version.task.outputs
            yielded = Yielded(
                claim,
                field,
                self.artifacts,
                self.metadata,
                self.validator,
                self.inline_bytes,
                calls.neighbours,
                calls.cancelled,
            )
            seconds = self._drawn(claim, version, documents, paths, limits, calls.on_lines, yielded)
            return Made((whole_list(yielded, self.inline_bytes),), seconds, edges=yielded.edges)
        if self._batches.takes(version, claim.units):
            answer = self._batches.call(version, Call(documents, paths, limits, calls.on_lines))
        else:
            answer = self._answered(claim, version, documents, paths, limits, calls.on_lines)
        outputs = self._outputs(claim, version, answer.outputs, answer.aside)
        return Made(outputs, answer.seconds)

    def _drawn(
        self,
        claim: Claim,
        version: TaskVersion,
        documents: Mapping[str, Any],
        paths: Mapping[str, str],
        limits: Limits,
        on_lines: OnLines,
        yielded: Yielded,
    ) -> dict[str, float]:
        """Have a runner of its own yield all; the seconds that it took."""
        step = claim.graph_step
        with self._lease(version, limits.cancelled, claim.units) as lease:
            runner, output = lease.runner, lease.runner.output(on_lines)
            try:
                lease.load(version.task, step.memory_mb, limits.cancelled, output)
                placed = runner.placed(paths)
                frame = call_frame(step.task, lease.models, documents, placed)
                seconds = drawn(
                    runner,
                    frame,
                    limits,
                    output,
                    lambda items: yielded.take(items, runner.folder, paths),
                )
            finally:
                output.finish()
                runner.empty_folder()
        return {**lease.seconds, **seconds}

    def _answered(
        self,
        claim: Claim,
        version: TaskVersion,
        documents: Mapping[str, Any],
        paths: Mapping[str, str],
        limits: Limits,
        on_lines: OnLines,
    ) -> Answer:
        """What a runner of its own gives."""
        step = claim.graph_step
        with self._lease(version, limits.cancelled, claim.units) as lease:
            output = lease.runner.output(on_lines)
            try:
                lease.load(version.task, step.memory_mb, limits.cancelled, output)
                placed = lease.runner.placed(paths)
                frame = call_frame(step.task, lease.models, documents, placed)
                if claim.traceparent:  # a key that a runner of an older SDK ignores
                    frame["traceparent"] = claim.traceparent
                answer = lease.runner.request(frame, limits=limits, output=output)
                found = answer["outputs"]
                written = take_files(found, lease.runner.folder, self.artifacts, paths)
            finally:
                output.finish()
                lease.runner.empty_folder()
        aside = frozenset(name for name, document in found.items() if is_written_aside(document))
        # In the order in which it happened; loading was measured with the lease.
        return Answer(written, aside, {**lease.seconds, **answer["seconds"]} | lease.seconds)

    def _lease(
        self,
        version: TaskVersion,
        cancelled: Callable[[], bool],
        units: Mapping[str, tuple[int, ...]] = NO_UNITS,
    ) -> Lease:
        """A runner; where none is to be had, the version may be another since we looked."""
        try:
            return self.pool.lease(version, cancelled, units)
        except (EnvironmentBuildError, RunnerProtocolError):
            renewed = self._versions.another(version)
            if renewed is None:
                raise
            return self.pool.lease(renewed, cancelled, units)

    def _outputs(
        self,
        claim: Claim,
        version: TaskVersion,
        documents: Mapping[str, Any],
        aside: Collection[str],
    ) -> tuple[FieldValue, ...]:
        problems: list[Problem] = []
        for field in version.task.outputs:
            # The runner has checked each value against the annotation that the schema is
            # made from; of large ones the check here would stop all else in this process.
            if field.name not in aside:
                problems.extend(
                    self.validator.validate(documents.get(field.name), field.schema, field.name)
                )
        if problems:
            raise RunnerError(
                f"the task {version.name} {version.version} returned what its schema does not "
                "allow: " + "; ".join(str(each) for each in problems[:10]),
                "invalid-output",
                retryable=False,
            )
        values = []
        for field in version.task.outputs:
            port = output_port(claim.graph_step.id, field.name)
            kind = type_name(field.schema)
            value = recorded(port, documents[field.name], kind, claim.graph_step.id)
            values.append(put_aside(value, self.inline_bytes, self.artifacts))
        return tuple(values)

    def _failed(
        self, claim: Claim, error: RunnerError, inputs: tuple[FieldValue, ...], total: float
    ) -> Outcome:
        failure = Failure(error.code, str(error), error.traceback, error.details)
        seconds = {"total": total}
        if error.code == "cancelled":
            return Outcome("cancelled", inputs, seconds=seconds, failure=failure)
        if claim.step.elements is not None and not error.retryable:
            # What its elements or iterations came to was tried again there.
            return Outcome("failed", inputs, seconds=seconds, failure=failure)
        delay = delay_of_retry(
            claim.graph_step,
            claim.step.failures,
            failure,
            retryable=error.retryable,
            first_delay=self.retry_delay,
            chance=random.random(),  # noqa: S311 - so that not all come again at one time
        )
        if delay is not None:
            return Outcome(
                "ready", inputs, seconds=seconds, failure=failure, not_before=time.time() + delay
            )
        return Outcome("failed", inputs, seconds=seconds, failure=failure)


class _HeldBackError(Exception):
    """A limit holds the step back, which is ready again."""


class _AwayError(Exception):
    """A store does not answer; its message is the store's."""


def wait_unless(stopped: Callable[[], bool], seconds: float) -> None:
    """Wait, and look a few times a second whether to go on waiting.

    Arguments:
        stopped: true ends the wait.
        seconds: how long at most.
    """
    deadline = time.monotonic() + seconds
    while not stopped() and time.monotonic() < deadline:
        time.sleep(min(LOOK_SECONDS, seconds))


def _reason_of(error: Exception) -> RunnerError | None:
    """Why an attempt failed; None for what the platform cannot account for."""
    if is_disk_full(error):
        said = str(error) if MAKE_ROOM in str(error) else f"{error}; {MAKE_ROOM}"
        return RunnerError(f"the disk is full: {said}", "disk-full")
    if isinstance(error, RunnerError):
        return error
    if isinstance(error, InvalidValueError):
        return RunnerError(str(error), "invalid-output", retryable=False)
    if isinstance(error, SignatureError):
        return RunnerError(str(error), "signature", retryable=False)
    return RunnerError(str(error), "environment") if isinstance(error, TaskmgrError) else None


def internal_failure(error: Exception) -> Failure:
    """The failure of a step over which the platform itself made a mistake."""
    return Failure(
        "internal",
        f"this is a bug in taskmgr, sorry: {type(error).__name__}: {error}; please report it",
        "".join(traceback.format_exception(error)),
    )
