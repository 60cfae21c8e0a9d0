"""Spans of runs: submitting, and each attempt with its wait and its stages."""

from __future__ import annotations

import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import attrs
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from taskmgr_core.specs import Claim, Outcome

_W3C = TraceContextTextMapPropagator()
_KEY = "traceparent"
_NANOSECONDS = 1_000_000_000
# The runs whose traceparent is remembered.
_REMEMBERED = 1000
# In the order in which an attempt goes through them.
STAGES = ("environment", "start", "load", "inputs", "compute", "outputs")


class OpenTelemetryTracer:
    """Makes spans. Safe to use from many threads; exporting is done in a thread of its own.

    Arguments:
        provider: where the spans go.
        recorded: run -> the ``traceparent`` that it was submitted with, asked of the store.
        environ: of the process: a ``TRACEPARENT`` in it is what submissions belong to.
        owned: whether the provider is to be shut down at the end.
    """

    def __init__(
        self,
        provider: TracerProvider,
        recorded: Callable[[str], str],
        environ: Mapping[str, str],
        *,
        owned: bool = True,
    ) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("taskmgr")
        self._recorded = recorded
        self._outer = environ.get("TRACEPARENT", "")
        self._owned = owned
        self._lock = threading.Lock()
        self._known: OrderedDict[str, str] = OrderedDict()

    @contextmanager
    def submitting(self, name: str, run_id: str) -> Iterator[str]:
        """A span in which a run is submitted; its parent is the caller's span, if there is one."""
        inside = trace.get_current_span().get_span_context().is_valid
        context = None if inside or not self._outer else _context(self._outer)
        with self._tracer.start_as_current_span(
            f"submit {name}",
            context=context,
            kind=SpanKind.PRODUCER,
            attributes={"taskmgr.run.id": run_id, "taskmgr.run.name": name},
        ) as span:
            found = traceparent_of(span)
            self._remember(run_id, found)
            yield found

    def attempt(self, claim: Claim) -> Attempt:
        """The span of an attempt: it begins when the step was due."""
        step = claim.step
        claimed = step.started_at or time.time()
        due = min(max(step.ready_at or claimed, step.not_before), claimed)
        span = self._tracer.start_span(
            f"step {step.id} {step.task}",
            context=_context(self._parent(step.run)),
            kind=SpanKind.CONSUMER,
            start_time=_nanoseconds(due),
            attributes={
                "taskmgr.run.id": step.run,
                "taskmgr.step.id": step.id,
                "taskmgr.task.name": step.task,
                "taskmgr.task.version": step.version,
                "taskmgr.attempt": step.attempt,
                "taskmgr.worker.id": step.worker,
                "taskmgr.queue": step.queue,
            },
        )
        return Attempt(self._tracer, span, due, claimed)

    def close(self, seconds: float) -> None:
        """Export what is left; a receiver that is away is not waited for any longer."""
        if not self._owned:
            return
        thread = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        thread.start()
        thread.join(seconds)

    def _parent(self, run_id: str) -> str:
        """What a run's spans belong to: what it was submitted with, or what its id gives."""
        with self._lock:
            if run_id in self._known:
                return self._known[run_id]
        found = self._recorded(run_id) or derived(run_id)
        self._remember(run_id, found)
        return found

    def _remember(self, run_id: str, found: str) -> None:
        with self._lock:
            self._known[run_id] = found
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)


@attrs.frozen
class Attempt:
    """Implements ``AttemptSpan``.

    Attributes:
        due: UTC seconds since when the step was due.
        claimed: UTC seconds at which it was claimed.
    """

    _tracer: trace.Tracer
    _span: Span
    due: float
    claimed: float

    @property
    def traceparent(self) -> str:
        """What the task's own spans belong to."""
        return traceparent_of(self._span)

    def end(self, outcome: Outcome | None, *, recorded: bool) -> None:
        """Its wait and its stages as spans of their own, then its end."""
        now = max(time.time(), self.claimed)
        self._part("queue", self.due, self.claimed)
        seconds = {} if outcome is None else outcome.seconds
        begin = self.claimed
        for stage in STAGES:
            if stage in seconds:
                end = min(begin + max(seconds[stage], 0.0), now)
                self._part(stage, begin, end)
                begin = end
        self._part("finish", min(max(begin, self.claimed + seconds.get("total", 0.0)), now), now)
        if outcome is not None:
            self._span.set_attribute("taskmgr.status", outcome.status)
        if not recorded:
            self._span.set_attribute("taskmgr.recorded", False)
        failure = None if outcome is None else outcome.failure
        if failure is not None:
            self._span.set_attribute("error.type", failure.code)
            self._span.set_status(Status(StatusCode.ERROR, failure.message))
            if failure.traceback:
                self._span.add_event("exception", {"exception.stacktrace": failure.traceback})
        elif outcome is None:
            self._span.set_status(Status(StatusCode.ERROR, "the worker failed"))
        self._span.end(_nanoseconds(now))

    def _part(self, name: str, begin: float, end: float) -> None:
        context = trace.set_span_in_context(self._span)
        part = self._tracer.start_span(name, context=context, start_time=_nanoseconds(begin))
        part.end(_nanoseconds(end))


def traceparent_of(span: Span) -> str:
    """The span as W3C Trace Context writes it; empty for one that is none."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(span))
    return carrier.get(_KEY, "")


def derived(run_id: str) -> str:
    """One that follows from a run's id, so that all of its attempts are of one trace."""
    number = uuid.UUID(run_id).hex
    return f"00-{number}-{number[16:]}-01"


def _context(traceparent: str) -> Context:
    return _W3C.extract({_KEY: traceparent}, Context())


def _nanoseconds(seconds: float) -> int:
    return int(seconds * _NANOSECONDS)
