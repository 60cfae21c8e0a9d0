"""A step that is run again and again: how it begins, what an iteration leads to, how it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from taskmgr_core.errors import RunnerError
from taskmgr_core.orchestrator.compatibility import type_name
from taskmgr_core.orchestrator.repeating import end_of, fields_read, follows, is_enough
from taskmgr_core.specs import (
    Claim,
    Edge,
    Element,
    Failure,
    FieldValue,
    GraphStep,
    Outcome,
    RepeatSpec,
    TaskVersion,
    element_port,
    input_port,
    output_port,
    until_port,
)
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.values import fetched, put_aside, recorded
from taskmgr_core.worker.elements import PAGE, whole_edges


def begun(inputs: tuple[FieldValue, ...]) -> Outcome:
    """What a step begins with that is to be run again and again."""
    return Outcome("looping", inputs)


def iterated(claim: Claim, outcome: Outcome, artifacts: ArtifactStore) -> Outcome:
    """The outcome of an attempt, with whether another iteration follows on it.

    An iteration that failed for good is followed by another one where its step bears that: with
    ``default`` the condition is asked of the values of the default.

    Arguments:
        claim: of anything.
        outcome: what came of it.
        artifacts: where large values are.

    Raises:
        RunnerError: the condition cannot be told.
        ArtifactError: a value that it reads is not to be had.
    """
    step, index = claim.graph_step, claim.element
    if step.repeat is None or index is None or outcome.status not in ("succeeded", "failed"):
        return outcome
    succeeded = outcome.status == "succeeded"
    if not succeeded:
        if step.on_error != "default":
            more = follows(step, index, succeeded=False, enough=False)
            return attrs.evolve(outcome, more=more)
        made: Mapping[str, Any] = step.default
    else:
        made = _documents(outcome, step, "output", artifacts)
    given = _documents(outcome, step, "input", artifacts)
    enough = is_enough(step.repeat.until, index, given, made)
    port = until_port(step.id)
    names = {value.port for value in outcome.values}
    read = sorted(
        found
        for kind, field in fields_read(step.repeat.until)
        if (found := f"{kind}_{step.id}_{field}") in names
    )
    return attrs.evolve(
        outcome,
        values=(*outcome.values, recorded(port, enough, "boolean", step.id)),
        edges=(*outcome.edges, *(Edge(each, port) for each in read)),
        more=follows(step, index, succeeded=succeeded, enough=enough),
    )


def ended(
    claim: Claim,
    version: TaskVersion,
    inputs: tuple[FieldValue, ...],
    inline_bytes: int,
    artifacts: ArtifactStore,
    metadata: MetadataStore,
) -> Outcome:
    """What a step gives that was run again and again: what the last iteration gave.

    Arguments:
        claim: of the step, all of whose iterations have ended.
        version: what it runs.
        inputs: the values of its input ports.
        inline_bytes: larger values are put aside as files.
        artifacts: where files are.
        metadata: where the iterations are recorded.

    Raises:
        RunnerError: the last iteration failed, or it was the last that may be without being
            enough.
    """
    step, repeat, count = claim.graph_step, _repeat(claim.graph_step), claim.step.elements or 1
    last = _iteration(claim, count - 1, metadata)
    port = element_port(until_port(step.id), count - 1)
    asked = metadata.values(claim.step.run, [port])
    enough = any(each.document is True for each in asked)
    end = end_of(step, count, succeeded=last.status == "succeeded", enough=enough)
    if end == "failed":
        raise _failed(last)
    if end == "max":
        raise RunnerError(
            f"{repeat.until} did not hold after {count} iterations, which are as many as may be; "
            'raise max, or write "on_max": "continue" to go on with what the last one gave',
            "max-iterations",
            retryable=False,
        )
    outputs, edges = _outputs(claim, version, last, metadata)
    kept = [put_aside(each, inline_bytes, artifacts) for each in outputs]
    return Outcome("succeeded", (*inputs, *kept), (*whole_edges(step, inputs), *edges))


def _outputs(
    claim: Claim, version: TaskVersion, last: Element, metadata: MetadataStore
) -> tuple[list[FieldValue], list[Edge]]:
    step = claim.graph_step
    kinds = {field.name: type_name(field.schema) for field in version.task.outputs}
    if last.status != "succeeded" and step.on_error == "default":
        return [
            recorded(output_port(step.id, name), step.default[name], kinds[name], step.id)
            for name in step.outputs
        ], []
    good = next((each for each in _backwards(claim, metadata) if each.status == "succeeded"), None)
    if good is None:
        raise _failed(last)
    ports = {element_port(output_port(step.id, name), good.index): name for name in step.outputs}
    outputs = [
        attrs.evolve(value, port=output_port(step.id, ports[port]), source="")
        for port, value in good.outputs.items()
        if port in ports
    ]
    return outputs, [Edge(port, output_port(step.id, name)) for port, name in ports.items()]


def _backwards(claim: Claim, metadata: MetadataStore) -> Iterator[Element]:
    """The iterations, the last first, a page in memory at a time."""
    stop = claim.step.elements or 0
    while stop > 0:
        first = max(stop - PAGE, 0)
        page = metadata.elements(claim.step.run, claim.step.id, first, stop - first)
        yield from reversed(page)
        stop = first


def _iteration(claim: Claim, index: int, metadata: MetadataStore) -> Element:
    found = metadata.elements(claim.step.run, claim.step.id, index, 1)
    return found[0] if found else Element(index, "cancelled", None, {})


def _failed(element: Element) -> RunnerError:
    said = element.failure or Failure("cancelled", "it has not ended")
    return RunnerError(
        f"iteration {element.index}: {said.message}",
        said.code,
        traceback=said.traceback,
        details={**said.details, "iteration": str(element.index)},
        retryable=False,
    )


def _documents(
    outcome: Outcome, step: GraphStep, kind: str, artifacts: ArtifactStore
) -> dict[str, Any]:
    """Field -> its value, of those that the condition reads."""
    port_of = input_port if kind == "input" else output_port
    wanted = {port_of(step.id, field): field for _, field in _read(step, kind)}
    return {
        wanted[each.port]: fetched(each.document, artifacts)
        for each in outcome.values
        if each.port in wanted
    }


def _read(step: GraphStep, kind: str) -> Iterator[tuple[str, str]]:
    return (each for each in fields_read(_repeat(step).until) if each[0] == kind)


def _repeat(step: GraphStep) -> RepeatSpec:
    if step.repeat is None:
        raise ValueError(f"step {step.id!r} is run once")
    return step.repeat
