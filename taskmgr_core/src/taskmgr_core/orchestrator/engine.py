"""What a run does next: pure decisions, no I/O.

The engine is level-triggered: it looks at the state of all steps and says what
has to be done. An event that is lost or doubled changes nothing, because the
next decision starts from the recorded state again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import attrs

from taskmgr_core.specs import (
    FINAL_RUN_STATUSES,
    FINAL_STEP_STATUSES,
    SPLIT_STATUSES,
    GraphStep,
    RunStatus,
    StepStatus,
)


@attrs.frozen
class Rule:
    """What holds for a step beyond the steps that it waits for.

    Attributes:
        on_error: what follows when it fails; see ``StepSpec``.
        bears: the steps that it waits for and that may end without outputs.
        handles_failure: whether it is run when the run fails, and only then.
        parallel: how many elements it is run for at the same time; 0 where it is run once.
    """

    on_error: str = "fail"
    bears: tuple[str, ...] = ()
    handles_failure: bool = False
    parallel: int = 0


@attrs.frozen
class MapState:
    """How far a step is that is run for each element of a list, or again and again.

    Attributes:
        waiting: whether elements have not begun; of iterations, whether another follows.
        running: whether elements run.
        failed: whether elements have failed.
    """

    waiting: bool = False
    running: bool = False
    failed: bool = False


PLAIN = Rule()


def rule_of(step: GraphStep) -> Rule:
    """What holds for a step."""
    # The iterations of a loop come one after the other.
    parallel = step.parallel if step.map else int(step.repeat is not None)
    return Rule(step.borne or step.on_error, step.bears, step.handles_failure, parallel)


@attrs.frozen
class RunState:
    """What the engine needs to know of a run.

    Attributes:
        after: step id -> ids of the steps whose outputs it takes.
        steps: step id -> its status; each stands behind those that it waits for.
        status: the run's.
        cancel_requested: whether somebody asked to cancel it.
        rules: step id -> what holds for it; those that are plain are absent.
        expired: whether its time was over before it had ended.
        maps: step id -> how far it is, for each that waits for elements or iterations.
    """

    after: Mapping[str, tuple[str, ...]]
    steps: Mapping[str, StepStatus]
    status: RunStatus = "running"
    cancel_requested: bool = False
    rules: Mapping[str, Rule] = attrs.field(factory=dict)
    expired: bool = False
    maps: Mapping[str, MapState] = attrs.field(factory=dict)

    def rule(self, step: str) -> Rule:
        """What holds for a step."""
        return self.rules.get(step, PLAIN)


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


@attrs.frozen
class DropElements:
    """Have the elements of a step that have not begun not begin.

    Attributes:
        step: the step's id.
    """

    step: str


Command = MoveStep | DropElements | EndRun
Decide = Callable[[RunState], tuple[Command, ...]]


def decide(state: RunState) -> tuple[Command, ...]:
    """What has to be done now.

    A run that failed or is cancelled starts nothing more but what handles its failure:
    what has not begun is skipped (or cancelled), what runs may end. The run ends when
    every step has.

    Arguments:
        state: the recorded state.

    Returns:
        Commands, each of which is safe to carry out twice.
    """
    if state.status in FINAL_RUN_STATUSES:
        return ()
    moves = tuple(_moves(state))
    after = dict(state.steps) | {
        move.step: move.status for move in moves if isinstance(move, MoveStep)
    }
    if all(status in FINAL_STEP_STATUSES for status in after.values()):
        return (*moves, EndRun(_final_status(state, after)))
    return moves


def apply(state: RunState, command: Command) -> RunState:
    """The state once a command is carried out; one that comes too late or early changes nothing."""
    if isinstance(command, DropElements):
        found = state.maps.get(command.step)
        if found is None:
            return state
        return attrs.evolve(
            state, maps={**state.maps, command.step: attrs.evolve(found, waiting=False)}
        )
    if isinstance(command, EndRun):
        ended = all(status in FINAL_STEP_STATUSES for status in state.steps.values())
        if state.status in FINAL_RUN_STATUSES or not ended:
            return state
        return attrs.evolve(state, status=command.status)
    if state.steps.get(command.step) != command.before:
        return state
    return attrs.evolve(state, steps={**state.steps, command.step: command.status})


def is_fatal(rule: Rule, status: StepStatus) -> bool:
    """Whether a run with such a step has failed."""
    return status == "failed" and rule.on_error == "fail" and not rule.handles_failure


def is_replaced(rule: Rule, status: StepStatus) -> bool:
    """Whether what has a value for the outputs of such a step goes on with that."""
    return status == "skipped" or (status == "failed" and rule.on_error == "default")


def _moves(state: RunState) -> Iterator[MoveStep | DropElements]:
    if state.cancel_requested:
        yield from _mapped(state, "cancelled")
        yield from _stopped(state, "cancelled", handlers=True)
        return
    fatal = state.expired or _has_fatal(state, state.steps)
    if fatal or "cancelled" in state.steps.values():
        moves = (*_mapped(state, "skipped"), *_stopped(state, "skipped", handlers=False))
    else:
        moves = (*_mapped(state, None), *_started(state))
    yield from moves
    moved = {move.step: move.status for move in moves if isinstance(move, MoveStep)}
    yield from _handled(state, dict(state.steps) | moved)


def _mapped(state: RunState, stopped: StepStatus | None) -> Iterator[MoveStep | DropElements]:
    """A step that was split is ready to gather what came of it once all of that has ended.

    Arguments:
        state: the recorded state.
        stopped: what becomes of it where its run starts nothing more; None where it goes on.
    """
    for step, found in state.maps.items():
        status = state.steps.get(step)
        if status not in SPLIT_STATUSES:
            continue
        ends = stopped is not None or (found.failed and state.rule(step).on_error == "fail")
        # One that is run for what an earlier step yields has more to come until that has ended.
        grows = any(
            state.steps[earlier] not in FINAL_STEP_STATUSES for earlier in state.after.get(step, ())
        )
        if found.waiting and ends:
            yield DropElements(step)
        if not found.running and (ends or not (found.waiting or grows)):
            yield MoveStep(step, status, stopped or "ready")


def _stopped(state: RunState, status: StepStatus, *, handlers: bool) -> Iterator[MoveStep]:
    """What has not begun does not begin."""
    for step, before in state.steps.items():
        if before in ("pending", "ready") and (handlers or not state.rule(step).handles_failure):
            yield MoveStep(step, before, status)


def _started(state: RunState) -> Iterator[MoveStep]:
    """What waits for nothing more is ready, or skipped where it cannot have its inputs."""
    statuses = dict(state.steps)
    for step, status in state.steps.items():
        rule = state.rule(step)
        if status != "pending" or rule.handles_failure:
            continue
        # In the order of the steps, so that what is skipped for it is skipped with it.
        found = {_given(state, rule, earlier, statuses[earlier]) for earlier in state.after[step]}
        if "waits" not in found:
            statuses[step] = "skipped" if "nothing" in found else "ready"
            yield MoveStep(step, "pending", statuses[step])


def _given(state: RunState, rule: Rule, earlier: str, status: StepStatus) -> str:
    """What a step has of one that it waits for: ``waits``, ``outputs`` or ``nothing``."""
    if status not in FINAL_STEP_STATUSES:
        return "waits"
    if status == "succeeded":
        return "outputs"
    replaced = is_replaced(state.rule(earlier), status)
    return "outputs" if replaced and earlier in rule.bears else "nothing"


def _handled(state: RunState, statuses: Mapping[str, StepStatus]) -> Iterator[MoveStep]:
    """What handles the failure of the run is ready once all else has ended."""
    handlers = [step for step in state.rules if state.rule(step).handles_failure]
    if not handlers:
        return
    ended = all(
        status in FINAL_STEP_STATUSES for step, status in statuses.items() if step not in handlers
    )
    if ended:
        fatal = state.expired or _has_fatal(state, statuses)
        for step in handlers:
            if statuses[step] == "pending":
                yield MoveStep(step, "pending", "ready" if fatal else "skipped")


def _has_fatal(state: RunState, statuses: Mapping[str, StepStatus]) -> bool:
    return any(
        status == "failed" and is_fatal(state.rule(step), status)
        for step, status in statuses.items()
    )


def _final_status(state: RunState, steps: Mapping[str, StepStatus]) -> RunStatus:
    fatal = state.expired or _has_fatal(state, steps)
    if not fatal and "cancelled" not in steps.values():
        return "succeeded"
    return "failed" if fatal and not state.cancel_requested else "cancelled"
