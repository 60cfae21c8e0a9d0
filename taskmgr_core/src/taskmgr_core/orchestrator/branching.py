"""The conditions of the steps of a pipeline, from what is written. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import attrs

from taskmgr_core.errors import Problem, nearest
from taskmgr_core.orchestrator import conditions
from taskmgr_core.orchestrator.compatibility import Schema
from taskmgr_core.orchestrator.handling import with_fallback
from taskmgr_core.orchestrator.ports import PlacedStep, Ports
from taskmgr_core.specs import PipelineSpec, Source, SwitchSpec


@attrs.frozen
class Condition:
    """When a step is run.

    Attributes:
        expression: in CEL; empty for always.
        reads: the names in it -> where their values come from.
        texts: the expressions in it that have to give a text.
    """

    expression: str = ""
    reads: Mapping[str, Source] = attrs.field(factory=dict)
    texts: tuple[str, ...] = ()


ALWAYS = Condition()


def conditions_of(
    spec: PipelineSpec, steps: Sequence[PlacedStep], ports: Ports, problems: list[Problem]
) -> dict[str, Condition]:
    """The condition of each step, from its ``when`` and from the switches that name it.

    Arguments:
        spec: the pipeline.
        steps: its steps.
        ports: their ports.
        problems: gets what is wrong.
    """
    parts: dict[str, list[str]] = {step.id: [] for step in steps}
    for step in steps:
        if step.spec.when is not None:
            place = f"{step.place}.when"
            if step.handles_failure:
                problems.append(Problem(place, "what is run when the run fails has no condition"))
            problems.extend(problems_of_expression(step.spec.when, place, ports))
            parts[step.id].append(step.spec.when)
    for index, switch in enumerate(spec.switch):
        problems.extend(_of_switch(switch, f"switch[{index}]", parts, ports))
    return {
        step: Condition(
            conditions.joined(iter(found)),
            reads_of(found, ports),
            tuple(each.on for each in spec.switch if step in steps_of(each)),
        )
        if found
        else ALWAYS
        for step, found in parts.items()
    }


def steps_of(switch: SwitchSpec) -> frozenset[str]:
    """The ids of the steps that a switch decides on."""
    return frozenset(
        each for branch in (*switch.cases.values(), switch.otherwise) for each in branch
    )


def _of_switch(
    switch: SwitchSpec, place: str, parts: dict[str, list[str]], ports: Ports
) -> Iterator[Problem]:
    """What is wrong with a switch; its conditions are added to the parts of its steps."""
    yield from problems_of_expression(switch.on, f"{place}.on", ports, "STRING")
    if not switch.cases:
        yield Problem(f"{place}.cases", "there are none; name the steps of each text")
    named: dict[str, str] = {}
    branches = [(f"{place}.cases.{case}", found) for case, found in switch.cases.items()]
    wanted = [conditions.case_of(switch.on, case) for case in switch.cases]
    branches.append((f"{place}.otherwise", switch.otherwise))
    wanted.append(conditions.no_case_of(switch.on, switch.cases))
    for (where, found), condition in zip(branches, wanted, strict=True):
        for index, step in enumerate(found):
            if step not in parts:
                yield Problem(f"{where}[{index}]", f"no step {step!r}; {nearest(step, parts)}")
            elif step in named:
                yield Problem(f"{where}[{index}]", f"step {step!r} is at {named[step]} already")
            else:
                named[step] = where
                parts[step].append(condition)


def problems_of_expression(
    expression: str,
    place: str,
    ports: Ports,
    wanted: str = "BOOL",
    own: Mapping[str, Schema | None] = MappingProxyType({}),
) -> Iterator[Problem]:
    """What is wrong with an expression over ports; see ``conditions.problems_of``.

    Arguments:
        expression: as written.
        place: where it stands.
        ports: those of the pipeline.
        wanted: what it must give.
        own: the schemas of names that stand for something else than their port.
    """
    reads = reads_of([expression], ports)
    schemas = {
        name: ports.schema(source.port) if source.port else None for name, source in reads.items()
    } | dict(own)
    for message in conditions.problems_of(expression, schemas, wanted):
        name = conditions.unknown_name(message)
        hint = ports.problem_of(name) if name is not None else None
        if name is None:
            yield Problem(place, message)
        elif hint is not None:
            yield Problem(place, hint)


def reads_of(expressions: Sequence[str], ports: Ports) -> dict[str, Source]:
    """The names in expressions -> where their values come from."""
    names = [name for each in expressions for name in conditions.names_in(each)]
    found = {name: with_fallback(ports.named(name), ports) for name in names}
    return {name: source for name, source in found.items() if source is not None}
