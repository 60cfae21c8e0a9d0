"""A step that is run for each element of a list: how it begins, and what its elements gave."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from taskmgr_core.errors import RunnerError
from taskmgr_core.lineage import step_edges
from taskmgr_core.orchestrator.compatibility import type_name
from taskmgr_core.specs import (
    Claim,
    Edge,
    Element,
    Failure,
    FieldValue,
    GraphStep,
    Outcome,
    TaskVersion,
    element_port,
    input_port,
    output_port,
    until_port,
)
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.values import fetched, put_aside, recorded

PAGE = 500
MOST_SHOWN = 40


def begun(
    claim: Claim,
    inputs: tuple[FieldValue, ...],
    inline_bytes: int,
    artifacts: ArtifactStore,
    metadata: MetadataStore,
) -> Outcome:
    """What a step is to be run for.

    Arguments:
        claim: of the step, which has no elements yet.
        inputs: the values of its input ports, the list on those that get its elements.
        inline_bytes: larger elements are put aside as files.
        artifacts: where files are.
        metadata: where it is recorded what the list was made from.

    Raises:
        RunnerError: the value is no list.
    """
    step = claim.graph_step
    source = claim.values.get(step.map)
    whole = next(each for field, each in _fields(step, inputs) if _is_mapped(step, field))
    found = fetched(whole.document, artifacts)
    if not isinstance(found, list):
        raise RunnerError(
            f"{step.map} holds {_short(found)}, which is no list, and step {step.id} is run for "
            "each element of one; give it a list",
            "invalid-input",
            retryable=False,
        )
    producer = "" if source is None else source.producer
    elements = tuple(
        put_aside(
            recorded(element_port(step.entries, index), document, _kind(document), producer),
            inline_bytes,
            artifacts,
        )
        for index, document in enumerate(found)
    )
    if not elements:
        outputs = [
            recorded(output_port(step.id, name), [], "array", step.id) for name in step.outputs
        ]
        return Outcome("succeeded", (*inputs, *outputs), whole_edges(step, inputs))
    edges = () if source is None else tuple(_entry_edges(claim, elements, metadata))
    return Outcome("mapping", inputs, edges, elements=elements)


def _entry_edges(
    claim: Claim, entries: tuple[FieldValue, ...], metadata: MetadataStore
) -> Iterator[Edge]:
    """From what each entry of a list came from, which is the list where that is all that is known.

    Of a list that elements gave it is the element; a default that stands in place of what one
    should have given came from nothing that is recorded.
    """
    step = claim.graph_step
    if step.map_of != "map":
        yield from (Edge(step.map, each.port) for each in entries)
        return
    gave = sorted(
        int(edge.source[len(step.map) + 1 : -1])
        for edge in metadata.edges(claim.step.run)
        if edge.target == step.map and edge.source.startswith(f"{step.map}[")
    )
    # Only a default fills the list up; without one its entries are those that gave some, in order.
    indexes = gave if len(gave) == len(entries) else range(len(entries))
    known = set(gave)
    for index, entry in zip(indexes, entries, strict=True):
        if index in known:
            yield Edge(element_port(step.map, index), entry.port)


def of_element(claim: Claim, outcome: Outcome) -> Outcome:
    """The outcome of a claim, its ports those of the element or iteration that it was for.

    What every element gets alike was recorded when the step began.
    """
    if claim.element is None:
        return outcome
    step, index = claim.graph_step, claim.element
    mine = {
        input_port(step.id, field): source.port
        for field, source in step.inputs.items()
        if source.port.endswith(f"[{index}]")
    }
    if step.repeat is not None:
        mine |= dict.fromkeys(step.repeat.feed, "")
    made = {output_port(step.id, name) for name in step.outputs} | {until_port(step.id)}
    values = [
        attrs.evolve(each, port=element_port(each.port, index))
        for each in outcome.values
        if each.port in mine or each.port in made
    ]
    return attrs.evolve(
        outcome, values=tuple(values), edges=tuple(_edges_of(outcome, mine, made, index))
    )


def gathered(
    claim: Claim,
    version: TaskVersion,
    inputs: tuple[FieldValue, ...],
    inline_bytes: int,
    artifacts: ArtifactStore,
    metadata: MetadataStore,
) -> Outcome:
    """What the elements of a step gave, as lists in their order.

    Arguments:
        claim: of the step, all of whose elements have ended.
        version: what it runs.
        inputs: the values of its input ports.
        inline_bytes: larger lists are put aside as files.
        artifacts: where files are.
        metadata: where the elements are recorded.

    Raises:
        RunnerError: an element has failed, or what it is run for broke off, and the step
            has no word on that.
    """
    step = claim.graph_step
    broken = _broke_off(claim, metadata)
    if broken:  # what stands for the list where there is none is not what the elements are of
        prefix = input_port(step.id, "")
        inputs = tuple(
            each for each in inputs if not _is_mapped(step, each.port.removeprefix(prefix))
        )
    lists: dict[str, list[Any]] = {name: [] for name in step.outputs}
    edges: list[Edge] = []
    for element in _elements(claim, metadata):
        if element.status != "succeeded" and step.on_error == "fail":
            raise _failed(claim, element)
        for name, found in lists.items():
            port = output_port(step.id, name)
            value = element.outputs.get(element_port(port, element.index))
            if value is not None and element.status == "succeeded":
                found.append(fetched(value.document, artifacts))
                edges.append(Edge(value.port, port))
            elif step.on_error == "default":
                found.append(step.default[name])
    if step.on_error == "fail" and broken:
        raise RunnerError(
            f"{step.map} broke off after {claim.step.elements} items: the step that yields it "
            "has failed",
            "broken-stream",
            retryable=False,
        )
    kinds = {field.name: type_name(field.schema) for field in version.task.outputs}
    outputs = [
        put_aside(
            recorded(output_port(step.id, name), found, f"array of {kinds[name]}", step.id),
            inline_bytes,
            artifacts,
        )
        for name, found in lists.items()
    ]
    return Outcome("succeeded", (*inputs, *outputs), (*whole_edges(step, inputs), *edges))


def _broke_off(claim: Claim, metadata: MetadataStore) -> bool:
    """Whether the elements were yielded by a step that has given no list in the end."""
    step = claim.graph_step
    if step.map in claim.values:
        return False
    # The elements of a list that stands for one that was never given have no producer.
    first = metadata.values(claim.step.run, [element_port(step.entries, 0)])
    return any(each.producer for each in first)


def _elements(claim: Claim, metadata: MetadataStore) -> Iterator[Element]:
    """All elements of a step, a page in memory at a time."""
    for first in range(0, claim.step.elements or 0, PAGE):
        yield from metadata.elements(claim.step.run, claim.step.id, first, PAGE)


def _failed(claim: Claim, element: Element) -> RunnerError:
    said = element.failure or Failure("cancelled", "it has not ended")
    return RunnerError(
        f"element {element.index} of {claim.graph_step.map}: {said.message}",
        said.code,
        traceback=said.traceback,
        details={**said.details, "element": str(element.index)},
        retryable=False,
    )


def _edges_of(
    outcome: Outcome, mine: Mapping[str, str], made: set[str], index: int
) -> Iterator[Edge]:
    for edge in outcome.edges:
        target = edge.target
        if target in mine:
            yield Edge(edge.source, element_port(target, index))
        elif target in made:
            own = edge.source in mine or edge.source in made
            source = element_port(edge.source, index) if own else edge.source
            yield Edge(source, element_port(target, index))


def whole_edges(step: GraphStep, inputs: tuple[FieldValue, ...]) -> tuple[Edge, ...]:
    """The edges of a whole step, from the values of its input ports."""
    fields = dict(_fields(step, inputs))
    return step_edges(step, fields, [name for name, each in fields.items() if not each.source])


def _fields(step: GraphStep, inputs: tuple[FieldValue, ...]) -> Iterator[tuple[str, FieldValue]]:
    prefix = input_port(step.id, "")
    return ((each.port.removeprefix(prefix), each) for each in inputs)


def _is_mapped(step: GraphStep, field: str) -> bool:
    return field in step.inputs and step.inputs[field].port == step.map


def _short(document: Any) -> str:
    text = json.dumps(document, ensure_ascii=False)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def _kind(document: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return names.get(type(document), "object")
