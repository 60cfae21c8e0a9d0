"""What is told to whoever traces runs; by default nobody does, and it costs nothing.

A run keeps the W3C ``traceparent`` of the span that it was submitted in; the spans of its
attempts, in whichever process, belong to that one.
"""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import Protocol

from taskmgr_core.specs import Claim, Outcome


class AttemptSpan(Protocol):
    """An attempt at a step that goes on."""

    @property
    def traceparent(self) -> str:
        """What the task's own spans belong to; empty where nobody traces."""

    def end(self, outcome: Outcome | None, *, recorded: bool) -> None:
        """What came of it.

        Arguments:
            outcome: None where the worker itself failed.
            recorded: whether it was recorded, or was not this worker's any more.
        """


class Tracer(Protocol):
    """Makes spans."""

    def submitting(self, name: str, run_id: str) -> AbstractContextManager[str]:
        """A span in which a run is submitted; gives its ``traceparent``, or an empty text.

        Arguments:
            name: of the pipeline or task.
            run_id: the new run's.
        """

    def attempt(self, claim: Claim) -> AttemptSpan:
        """The span of an attempt that has just been claimed."""

    def close(self, seconds: float) -> None:
        """Export what is left, for so many seconds at most."""


class _NoSpan:
    traceparent = ""

    def end(self, outcome: Outcome | None, *, recorded: bool) -> None:
        """Nothing."""


class NoTracer:
    """Traces nothing."""

    _span: AttemptSpan = _NoSpan()

    def submitting(self, name: str, run_id: str) -> AbstractContextManager[str]:  # noqa: ARG002
        """No span."""
        return contextlib.nullcontext("")

    def attempt(self, claim: Claim) -> AttemptSpan:  # noqa: ARG002
        """No span."""
        return self._span

    def close(self, seconds: float) -> None:
        """Nothing is left."""
