"""Where the time of a run went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from taskmgr_core.specs import Edge, Run, Step


@attrs.frozen
class Timing:
    """Times of a run, in seconds.

    Attributes:
        total: from submitted to ended.
        sequential: the steps' times one after the other.
        parallel: from the first step's start to the last one's end.
    """

    total: float
    sequential: float
    parallel: float

    @property
    def speedup(self) -> float:
        """How much faster than one step after the other."""
        return self.sequential / self.parallel if self.parallel > 0 else 1.0


def timing_of(run: Run, steps: Sequence[Step]) -> Timing:
    """The times of a run, as far as it has come; what it has taken over took it none."""
    spans = [
        (step.started_at, step.finished_at)
        for step in steps
        if step.started_at is not None and step.finished_at is not None and not step.origin
    ]
    ended = run.finished_at or max((end for _, end in spans), default=run.created_at)
    return Timing(
        total=ended - run.created_at,
        sequential=sum(end - start for start, end in spans),
        parallel=max((e for _, e in spans), default=0) - min((s for s, _ in spans), default=0),
    )


def processing_summary(run: Run, steps: Sequence[Step], edges: Sequence[Edge]) -> dict[str, Any]:
    """The part of a pipeline's result that every pipeline has.

    Returns:
        ``total_time`` in seconds, ``parallel_speedup``, and ``data_lineage``: for
        each port, the ports that its value was made from directly.
    """
    timing = timing_of(run, steps)
    made_from: dict[str, list[str]] = {}
    for edge in sorted(edges, key=lambda each: (each.target, each.source)):
        made_from.setdefault(edge.target, []).append(edge.source)
    return {
        "total_time": round(timing.total, 6),
        "parallel_speedup": round(timing.speedup, 3),
        "data_lineage": made_from,
    }
