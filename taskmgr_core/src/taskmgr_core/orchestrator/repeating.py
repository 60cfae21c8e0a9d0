"""Steps that are run again and again: what is wrong with them, and when one is enough. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from taskmgr_core.errors import Problem, nearest
from taskmgr_core.orchestrator import conditions
from taskmgr_core.orchestrator.compatibility import Schema, misfit_of, problems_between
from taskmgr_core.orchestrator.ports import PlacedStep, Ports
from taskmgr_core.specs import FieldSpec, GraphStep, RepeatSpec, input_port, output_port

MOST_ITERATIONS = 10_000
ON_MAX = ("fail", "continue")
ITERATION = "iteration"
"""What stands in a condition for the number of the iteration that has ended, from 0."""

_OWN = re.compile(r"(input|output)_[A-Za-z0-9]+_(.+)\Z")


def problems_of_repeat(step: PlacedStep, ports: Ports) -> Iterator[Problem]:
    """What is wrong with running a step again and again."""
    repeat, place = step.spec.repeat, f"{step.place}.repeat"
    if repeat is None or step.spec.pipeline:
        return
    if step.spec.map:
        yield Problem(
            place, "a step has map or repeat, not both; put one of them into a step before"
        )
    if step.handles_failure:
        yield Problem(place, "what is run when the run fails is run once")
    if not 1 <= repeat.max <= MOST_ITERATIONS:
        yield Problem(
            f"{place}.max", f"{repeat.max} is not allowed; it must be 1 to {MOST_ITERATIONS}"
        )
    if repeat.on_max not in ON_MAX:
        yield Problem(
            f"{place}.on_max", f"{repeat.on_max!r} is not known; {nearest(repeat.on_max, ON_MAX)}"
        )
    if step.task is not None:
        yield from _problems_of_until(repeat, step, ports)
        yield from _problems_of_feed(repeat, step)


def is_enough(
    until: str, iteration: int, inputs: Mapping[str, Any], outputs: Mapping[str, Any]
) -> bool:
    """Whether a step need not be run again.

    Arguments:
        until: the condition, in which nothing was found wrong.
        iteration: the number of the iteration that has ended, from 0.
        inputs, outputs: field -> what it was given and what it gave, as JSON.

    Raises:
        RunnerError: with the code ``condition``: it cannot be told.
    """
    values: dict[str, Any] = {}
    for name in conditions.names_in(until):
        found = _OWN.match(name)
        if found is not None:
            values[name] = (inputs if found[1] == "input" else outputs).get(found[2])
        elif name == ITERATION:
            values[name] = iteration
    return conditions.holds(until, values)


def follows(step: GraphStep, iteration: int, *, succeeded: bool, enough: bool) -> bool:
    """Whether another iteration follows on one that has ended.

    Arguments:
        step: the step.
        iteration: the number of the one that has ended, from 0.
        succeeded: whether it did.
        enough: whether the condition holds.
    """
    borne = succeeded or step.on_error != "fail"
    return step.repeat is not None and borne and not enough and iteration + 1 < step.repeat.max


def end_of(
    step: GraphStep, count: int, *, succeeded: bool, enough: bool
) -> Literal["gives", "failed", "max"]:
    """What the iterations of a step come to: it gives outputs, the last failed, or max is reached.

    Arguments:
        step: the step.
        count: how many iterations there were.
        succeeded: whether the last one did.
        enough: whether the condition held after it.
    """
    if enough or step.repeat is None:
        return "gives"
    if not succeeded and (step.on_error == "fail" or count < step.repeat.max):
        return "failed"
    return "gives" if step.repeat.on_max == "continue" else "max"


def own_port(step_id: str, name: str) -> str:
    """A name in a condition, with the id that its step has in a run.

    Arguments:
        step_id: the id; a pipeline that stands in the place of a step has put something before it.
        name: a port of the step as its own pipeline calls it, or another name.
    """
    found = _OWN.match(name)
    return name if found is None else f"{found[1]}_{step_id}_{found[2]}"


def fields_read(until: str) -> frozenset[tuple[str, str]]:
    """What a condition reads: ``input`` or ``output``, and the field."""
    found = (_OWN.match(name) for name in conditions.names_in(until))
    return frozenset((each[1], each[2]) for each in found if each is not None)


def _problems_of_until(repeat: RepeatSpec, step: PlacedStep, ports: Ports) -> Iterator[Problem]:
    place = f"{step.place}.repeat.until"
    if not repeat.until.strip():
        yield Problem(
            place, 'it is empty; say when it is enough, as "iteration == 4" for five times'
        )
        return
    own: dict[str, Schema | None] = {
        **{input_port(step.id, each.name): each.schema for each in step.inputs},
        **{output_port(step.id, each.name): each.schema for each in step.outputs},
        ITERATION: {"type": "integer"},
    }
    for message in conditions.problems_of(repeat.until, own):
        name = conditions.unknown_name(message)
        if name is not None and ports.named(name) is not None:
            message = (
                f"{name} is not of step {step.id!r}; a loop looks at its own ports and at "
                f"{ITERATION!r}. Give the value to an input of the step"
            )
        elif name is not None:
            message = f"there is no {name!r}; {nearest(name, own)}"
        yield Problem(place, message)


def _problems_of_feed(repeat: RepeatSpec, step: PlacedStep) -> Iterator[Problem]:
    inputs = {input_port(step.id, each.name): each for each in step.inputs}
    outputs = {output_port(step.id, each.name): each for each in step.outputs}
    for target, source in repeat.feed.items():
        place = f"{step.place}.repeat.feed.{target}"
        if target not in inputs:
            yield Problem(place, f"{target!r} is no input of the step; {nearest(target, inputs)}")
        if source not in outputs:
            yield Problem(
                place,
                f"{source!r} is no output of the step, and only its own are fed back; "
                f"{nearest(source, outputs)}",
            )
        elif target in inputs:
            yield from _misfits(outputs[source], inputs[target], source, place)


def _misfits(output: FieldSpec, wanted: FieldSpec, source: str, place: str) -> Iterator[Problem]:
    problems = problems_between(output.schema, wanted.schema)
    if problems:
        yield Problem(place, misfit_of(source, output.schema, wanted.schema, problems))
