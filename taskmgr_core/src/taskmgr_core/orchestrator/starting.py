"""The steps with which a run begins: pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from taskmgr_core.orchestrator.engine import MoveStep, RunState, decide, rule_of
from taskmgr_core.specs import Run, Step, StepStatus

NONE: Mapping[str, Step] = MappingProxyType({})


def first_steps(run: Run, now: float, taken: Mapping[str, Step] = NONE) -> list[Step]:
    """The steps of a new run, those that wait for nothing ready.

    Arguments:
        run: the run.
        now: UTC seconds.
        taken: step id -> a step that has ended already, as it is to be recorded.
    """
    pending: dict[str, StepStatus] = dict.fromkeys((each.id for each in run.graph.steps), "pending")
    pending |= {step: each.status for step, each in taken.items()}
    after = {each.id: each.after for each in run.graph.steps}
    rules = {each.id: rule_of(each) for each in run.graph.steps}
    moves = decide(RunState(after=after, steps=pending, rules=rules))
    status_of = pending | {move.step: move.status for move in moves if isinstance(move, MoveStep)}
    return [
        taken.get(each.id)
        or Step(
            run=run.id,
            id=each.id,
            task=each.task,
            version=each.version,
            queue=each.queue,
            priority=each.priority,
            status=status_of[each.id],
            ready_at=now if status_of[each.id] == "ready" else None,
            finished_at=now if status_of[each.id] == "skipped" else None,
            resources=each.resources,
        )
        for each in run.graph.steps
    ]
