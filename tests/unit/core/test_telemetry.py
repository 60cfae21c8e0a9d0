"""Spans of runs, by the exporter of OpenTelemetry that keeps them in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from types import MappingProxyType

import attrs
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from taskmgr_core.errors import SettingsError
from taskmgr_core.spans import NoTracer
from taskmgr_core.specs import Claim, Failure, GraphStep, Outcome, Step
from taskmgr_core.telemetry.providers import exporters_of
from taskmgr_core.telemetry.tracer import OpenTelemetryTracer, derived

RUN = "01a21732-74f1-77fe-9218-f4a8dc613165"
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STEP = GraphStep("001", "echo", "1.0", "default", 5, 60.0, 512, 0, {}, ("said",), ())
NONE: Mapping[str, str] = MappingProxyType({})


@attrs.define
class Tracing:
    """A tracer, and the spans that have ended."""

    tracer: OpenTelemetryTracer
    exporter: InMemorySpanExporter
    asked: list[str]

    def spans(self) -> dict[str, ReadableSpan]:
        """By name."""
        return {each.name: each for each in self.exporter.get_finished_spans()}


@pytest.fixture
def tracing() -> Callable[..., Tracing]:
    """Makes a tracer of a process."""

    def make(environ: Mapping[str, str] = NONE, recorded: str = "") -> Tracing:
        exporter, asked = InMemorySpanExporter(), list[str]()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))

        def read(run: str) -> str:
            asked.append(run)
            return recorded

        return Tracing(OpenTelemetryTracer(provider, read, environ), exporter, asked)

    return make


def claimed(began: float) -> Claim:
    """An attempt at a step that was due two seconds before it was claimed."""
    step = Step(
        RUN, "001", "echo", "1.0", "default", 5, "running", 1, worker="w",
        ready_at=began - 2, started_at=began,
    )  # fmt: skip
    return Claim(step, STEP, {})


def trace_of(traceparent: str) -> str:
    """The trace's id."""
    return traceparent.split("-")[1]


def test_attempt_belongs_to_the_submission(tracing: Callable[..., Tracing]) -> None:
    """In another process, which knows only what is recorded of the run."""
    client = tracing()
    with client.tracer.submitting("echo", RUN) as traceparent:
        assert trace.get_current_span().get_span_context().is_valid
    submitted = client.spans()["submit echo"]
    worker = tracing(recorded=traceparent)
    attempt = worker.tracer.attempt(claimed(time.time()))
    attempt.end(Outcome("succeeded"), recorded=True)
    step = worker.spans()["step 001 echo"]
    assert submitted.context is not None
    assert step.context is not None
    assert step.parent is not None
    assert step.context.trace_id == submitted.context.trace_id
    assert step.parent.span_id == submitted.context.span_id
    assert trace_of(attempt.traceparent) == trace_of(traceparent)
    assert dict(step.attributes or {})["taskmgr.run.id"] == RUN


def test_submission_belongs_to_the_callers_span(tracing: Callable[..., Tracing]) -> None:
    """To the current one, else to that of the process that started this one, else to none."""
    child, alone = tracing({"TRACEPARENT": CALLER}), tracing()
    caller = trace.NonRecordingSpan(trace.SpanContext(7, 8, is_remote=False))
    with trace.use_span(caller), child.tracer.submitting("echo", RUN) as found:
        assert trace_of(found) == f"{7:032x}"
    with child.tracer.submitting("echo", RUN) as found:
        assert trace_of(found) == trace_of(CALLER)
    with alone.tracer.submitting("echo", RUN) as found:
        assert trace_of(found) not in (trace_of(CALLER), f"{7:032x}")


def test_attempts_of_a_run_that_nobody_traced_are_of_one_trace(
    tracing: Callable[..., Tracing],
) -> None:
    """Workers trace runs of clients that do not: the run's id gives the trace."""
    found = [tracing().tracer.attempt(claimed(time.time())).traceparent for _ in range(2)]
    assert {trace_of(each) for each in found} == {RUN.replace("-", "")} == {trace_of(derived(RUN))}


def test_store_is_asked_once_for_a_run(tracing: Callable[..., Tracing]) -> None:
    """Whatever the number of its steps and attempts."""
    worker = tracing(recorded=CALLER)
    for _ in range(3):
        worker.tracer.attempt(claimed(time.time()))
    assert worker.asked == [RUN]


def test_wait_and_stages_are_parts_of_the_attempt(tracing: Callable[..., Tracing]) -> None:
    """One after the other, none outside of it; what was not done has none."""
    worker, began = tracing(), time.time() - 1
    seconds = {"compute": 0.3, "start": 0.2, "outputs": 0.1, "total": 0.8}
    worker.tracer.attempt(claimed(began)).end(Outcome("succeeded", seconds=seconds), recorded=True)
    spans = worker.spans()
    whole = spans.pop("step 001 echo")
    assert [*spans] == ["queue", "start", "compute", "outputs", "finish"]
    times = [(each.start_time or 0, each.end_time or 0) for each in spans.values()]
    assert times == sorted(times)
    assert all(begin <= end for begin, end in times)
    assert (times[0][0], times[-1][1]) == (whole.start_time, whole.end_time)
    lasted = [round((end - begin) / 1e9, 3) for begin, end in times[:4]]
    assert lasted == [2.0, 0.2, 0.3, 0.1]


def test_failed_attempt_is_an_error_with_its_code(tracing: Callable[..., Tracing]) -> None:
    """With the task's own traceback; one that was not recorded says so."""
    worker = tracing()
    failure = Failure("timeout", "too slow", "Traceback ...")
    attempt = worker.tracer.attempt(claimed(time.time()))
    attempt.end(Outcome("ready", failure=failure), recorded=False)
    span = worker.spans()["step 001 echo"]
    attributes = dict(span.attributes or {})
    assert (attributes["error.type"], attributes["taskmgr.status"]) == ("timeout", "ready")
    assert attributes["taskmgr.recorded"] is False
    assert (span.status.is_ok, span.status.description) == (False, "too slow")
    assert dict(span.events[0].attributes or {}) == {"exception.stacktrace": "Traceback ..."}


def test_nobody_traces_by_default() -> None:
    """No span, and no traceparent for the runner."""
    tracer = NoTracer()
    assert isinstance(tracer.submitting("echo", RUN), nullcontext)
    assert tracer.attempt(claimed(0.0)).traceparent == ""


def test_exporters_are_those_that_the_environment_names() -> None:
    """None, one that is installed, or a message with those that are."""
    assert exporters_of({"OTEL_TRACES_EXPORTER": "none"}) == []
    (found,) = exporters_of({"OTEL_TRACES_EXPORTER": "console"})
    assert type(found).__name__ == "ConsoleSpanExporter"
    with pytest.raises(SettingsError, match=r"no exporter 'zipkin' .* installed are console, otlp"):
        exporters_of({"OTEL_TRACES_EXPORTER": "zipkin"})
    with pytest.raises(SettingsError, match=r"no exporter 'otlp' \(otlp_proto_grpc\)"):
        exporters_of({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})


def test_receiver_that_hangs_is_not_waited_for() -> None:
    """The end of a process takes no longer than it may."""

    class Hanging(SimpleSpanProcessor):
        def shutdown(self) -> None:
            time.sleep(2)

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Hanging(InMemorySpanExporter()))
    began = time.monotonic()
    OpenTelemetryTracer(provider, lambda _: "", {}).close(0.05)
    assert time.monotonic() - began < 1
