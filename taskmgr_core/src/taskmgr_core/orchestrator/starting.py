"""The steps with which a run begins: pure."""

from __future__ import annotations

from taskmgr_core.orchestrator.engine import MoveStep, RunState, decide
from taskmgr_core.specs import Run, Step, StepStatus


def first_steps(run: Run, now: float) -> list[Step]:
    """The steps of a new run, those without sources ready.

    Arguments:
        run: the run.
        now: UTC seconds.
    """
    pending: dict[str, StepStatus] = dict.fromkeys((each.id for each in run.graph.steps), "pending")
    after = {each.id: each.after for each in run.graph.steps}
    moves = decide(RunState(after=after, steps=pending))
    ready = {move.step for move in moves if isinstance(move, MoveStep)}
    return [
        Step(
            run=run.id,
            id=each.id,
            task=each.task,
            version=each.version,
            queue=each.queue,
            priority=each.priority,
            status="ready" if each.id in ready else "pending",
            ready_at=now if each.id in ready else None,
            resources=each.resources,
        )
        for each in run.graph.steps
    ]
