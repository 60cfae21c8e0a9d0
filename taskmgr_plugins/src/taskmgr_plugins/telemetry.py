"""What a task's own spans belong to: the attempt that its worker traces.

A task whose virtualenv has OpenTelemetry continues the trace without doing anything; for any
other library the variable ``TRACEPARENT`` has it, as W3C Trace Context writes it.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "TRACEPARENT"


@contextmanager
def continued(traceparent: str) -> Iterator[None]:
    """Belong to a span while the block goes on.

    Arguments:
        traceparent: the span.
    """
    os.environ[VARIABLE] = traceparent
    try:
        # Only where the task has it: nothing of ours needs it.
        if importlib.util.find_spec("opentelemetry") is None:
            yield
        else:
            with _attached(traceparent):
                yield
    finally:
        os.environ.pop(VARIABLE, None)


@contextmanager
def _attached(traceparent: str) -> Iterator[None]:
    from opentelemetry import context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {"traceparent": traceparent}
    token = context.attach(TraceContextTextMapPropagator().extract(carrier))
    try:
        yield
    finally:
        context.detach(token)
