"""What a run does next: pure decisions, no I/O.

The engine is level-triggered: it looks at the state of all steps and says what
has to be done. An event that is lost or doubled changes nothing, because the
next decision starts from the recorded state again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from taskmgr_core.specs import FINAL_RUN_STATUSES, FINAL_STEP_STATUSES, RunStatus, StepStatus


@attrs.frozen
class RunState:
    """What the engine needs to know of a run.

    Attributes:
        after: step id -> ids of the steps whose outputs it takes.
        steps: step id -> its status.
        status: the run's.
        cancel_requested: whether somebody asked to cancel it.
    """

    after: Mapping[str, tuple[str, ...]]
    steps: Mapping[str, StepStatus]
    status: RunStatus = "running"
    cancel_requested: bool = False


@attrs.frozen
class MoveStep:
    """Change a step's status, if it still is what it was.

    Attributes:
        step: the step's id.
        before: the status it must have.
        status: the status it gets: ``ready``, ``skipped`` or ``cancelled``.
    """

    step: str
    before: StepStatus
    status: StepStatus


@attrs.frozen
class EndRun:
    """Give the run its final status, if it has none and every step has ended."""

    status: RunStatus


Command = MoveStep | EndRun
Decide = Callable[[RunState], tuple[Command, ...]]


def decide(state: RunState) -> tuple[Command, ...]:
    """What has to be done now.

    A run that failed or is cancelled starts nothing more: what has not begun is
    skipped (or cancelled), what runs may end. The run ends when every step has.

    Arguments:
        state: the recorded state.

    Returns:
        Commands, each of which is safe to carry out twice.
    """
    if state.status in FINAL_RUN_STATUSES:
        return ()
    moves = _moves(state)
    after = dict(state.steps) | {move.step: move.status for move in moves}
    if all(status in FINAL_STEP_STATUSES for status in after.values()):
        return (*moves, EndRun(_final_status(after, state.cancel_requested)))
    return moves


def apply(state: RunState, command: Command) -> RunState:
    """The state once a command is carried out; one that comes too late or early changes nothing."""
    if isinstance(command, EndRun):
        ended = all(status in FINAL_STEP_STATUSES for status in state.steps.values())
        if state.status in FINAL_RUN_STATUSES or not ended:
            return state
        return attrs.evolve(state, status=command.status)
    if state.steps.get(command.step) != command.before:
        return state
    return attrs.evolve(state, steps={**state.steps, command.step: command.status})


def _moves(state: RunState) -> tuple[MoveStep, ...]:
    stopped: StepStatus | None = None
    if state.cancel_requested:
        stopped = "cancelled"
    elif any(status in ("failed", "cancelled") for status in state.steps.values()):
        stopped = "skipped"
    if stopped is not None:
        return tuple(
            MoveStep(step, status, stopped)
            for step, status in state.steps.items()
            if status in ("pending", "ready")
        )
    return tuple(
        MoveStep(step, "pending", "ready")
        for step, status in state.steps.items()
        if status == "pending"
        and all(state.steps[earlier] == "succeeded" for earlier in state.after[step])
    )


def _final_status(steps: Mapping[str, StepStatus], cancel_requested: bool) -> RunStatus:
    if all(status == "succeeded" for status in steps.values()):
        return "succeeded"
    if any(status == "failed" for status in steps.values()) and not cancel_requested:
        return "failed"
    return "cancelled"
