"""One element of a step that is run for each of a list, or one iteration: values and lineage."""

from __future__ import annotations

import re

import attrs

from taskmgr_core.errors import InvalidValueError, NotFoundError
from taskmgr_core.specs import (
    Element,
    RunDetail,
    Step,
    element_port,
    input_port,
    output_port,
    until_port,
)
from taskmgr_core.stores.metadata import MetadataStore

_NAME = re.compile(r"([A-Za-z0-9.]+)\[([0-9]+)\]\Z")


def run_of_element(detail: RunDetail, name: str) -> str:
    """The run that an element or iteration is recorded with: this one, or an earlier one.

    Arguments:
        detail: a run; what it has taken over from another one was made there.
        name: a step and an index, as ``002[3]``.

    Raises:
        InvalidValueError: it is no such name.
        NotFoundError: there is no such step.
    """
    step, _ = _step_named(detail, name)
    return step.origin or detail.run.id


def of_element(metadata: MetadataStore, detail: RunDetail, name: str) -> RunDetail:
    """A run with the values and edges of one element or iteration, and no others.

    Arguments:
        metadata: where they are recorded.
        detail: the run.
        name: a step and an index, as ``002[3]``.

    Raises:
        InvalidValueError: it is no such name.
        NotFoundError: there is no such step, or it has no such element.
    """
    state, index = _step_named(detail, name)
    step_id, count = state.id, state.elements
    step = detail.run.graph.step(step_id)
    if count is None or index >= count:
        what = "iterations" if step.repeat else "elements"
        raise NotFoundError(f"step {step_id!r} has {count or 0} {what}, and none {index}")
    fields = [input_port(step_id, each) for each in step.inputs]
    fields += step.repeat.feed if step.repeat else ()
    lists = [step.map] if step.map else []
    until = element_port(until_port(step_id), index)
    outputs = [output_port(step_id, each) for each in step.outputs]
    cut = [element_port(step.entries, index)] if step.map else []
    own = {*cut, *(element_port(each, index) for each in (*fields, *outputs)), until}
    # The element itself may be taken by other steps, too.
    edges = [
        each
        for each in metadata.edges(detail.run.id)
        if each.target in own or (each.source in own and each.target in outputs)
    ]
    fed = {element_port(each, index) for each in (step.repeat.feed if step.repeat else ())}
    lists += [each.source for each in edges if each.target in cut]
    cut += [each.source for each in edges if each.target in fed]
    way = [*lists, *cut, "", *(element_port(each, index) for each in outputs), until]
    ports = {port for edge in edges for port in (edge.source, edge.target)}
    ordered = sorted(ports, key=lambda port: (_rank(port, way, outputs), port))
    found_values = {each.port: each for each in metadata.values(detail.run.id, ordered)}
    values = tuple(found_values[port] for port in ordered if port in found_values)
    return attrs.evolve(detail, values=values, edges=tuple(edges))


def state_of_element(metadata: MetadataStore, run_id: str, name: str) -> Element | None:
    """What came of an element or iteration; None where nothing is recorded of it yet.

    Arguments:
        metadata: where it is recorded.
        run_id: the run's full id.
        name: one that ``of_element`` has found.
    """
    found = _NAME.match(name)
    page = metadata.elements(run_id, found[1], int(found[2]), 1) if found else ()
    return next(iter(page), None)


def _step_named(detail: RunDetail, name: str) -> tuple[Step, int]:
    """The step and the index in the name of an element."""
    found = _NAME.match(name)
    if found is None:
        raise InvalidValueError(f"{name!r} is no element; write a step and an index, as 002[3]")
    steps = {each.id: each for each in detail.steps}
    if found[1] not in steps:
        raise NotFoundError.named("step", found[1], steps)
    return steps[found[1]], int(found[2])


def _rank(port: str, way: list[str], outputs: list[str]) -> int:
    """Where a port stands on the way from the list to the lists of what came of it."""
    if port in outputs:
        return len(way)
    return way.index(port) if port in way else way.index("")
