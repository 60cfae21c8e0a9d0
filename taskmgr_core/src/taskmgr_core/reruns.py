"""Doing an ended run again in part: what succeeded is taken over, by reference."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import attrs

from taskmgr_core.errors import InvalidValueError, NotFoundError
from taskmgr_core.orchestrator.engine import rule_of
from taskmgr_core.orchestrator.mapping import with_makers
from taskmgr_core.orchestrator.starting import first_steps
from taskmgr_core.specs import (
    FINAL_RUN_STATUSES,
    Graph,
    NewRun,
    Run,
    Step,
    input_port,
    output_port,
    refreshed,
)
from taskmgr_core.stores.metadata import MetadataStore


def rerun(
    metadata: MetadataStore, run_id: str, first: str | None, new_id: str, now: float
) -> NewRun:
    """What a run needs to be done again.

    Its versions are those of the run as it was.

    Arguments:
        metadata: where the run is recorded.
        run_id: the run, named as for ``MetadataStore.run``.
        first: a step, or one in whose place a pipeline stands, that is done again although it
            succeeded or is cached, with all behind it; None for those alone that did not succeed.
        new_id: the new run's id.
        now: UTC seconds.

    Raises:
        NotFoundError: no such run or step.
        InvalidValueError: it has not ended, or nothing of it would be done again.
    """
    old = metadata.run(run_id)
    if old.status not in FINAL_RUN_STATUSES:
        raise InvalidValueError(
            f"run {old.id} has not ended; wait for it, or cancel it: taskmgr cancel {old.id}"
        )
    found = metadata.steps(old.id)
    known = {each.id for each in old.graph.steps} | old.graph.groups.keys()
    if first is not None and first not in known:
        raise NotFoundError.named(f"step of {old.name!r}:", first, known)
    kept = kept_steps(old.graph, found, first)
    if all(each.id in kept or each.handles_failure for each in old.graph.steps):
        raise InvalidValueError(
            f"run {old.id} {old.status}: every step of it has what it is to give; "
            "name the step that is to be done again: --from STEP"
        )
    graph = with_makers(old.graph)  # an earlier taskmgr did not note how lists are made
    run = Run(
        id=new_id,
        name=old.name,
        kind=old.kind,
        # Who names a step wants it computed; what is behind may find the same again.
        graph=refreshed(graph, lambda step: _is_in(step, first)),
        status="running",
        created_at=now,
        retry_of=old.id,
    )
    taken = {
        # The elements that a list was made from stay with the run that made it.
        each.id: attrs.evolve(each, run=new_id, origin=each.origin or old.id, elements=None)
        for each in found
        if each.id in kept
    }
    ports = _ports_of(old.graph, kept)
    return NewRun(
        run,
        first_steps(run, now, taken),
        [each for each in metadata.values(old.id) if each.port in ports],
        [each for each in metadata.edges(old.id) if each.target in ports],
    )


def kept_steps(graph: Graph, steps: Iterable[Step], first: str | None = None) -> frozenset[str]:
    """The steps whose outcome is taken over.

    Those are the steps that succeeded, or were left out by their own condition, but for
    what is behind a step that is done again.

    Arguments:
        graph: of the run.
        steps: as they ended.
        first: a step that is done again in any case.
    """
    ended: Mapping[str, Step] = {each.id: each for each in steps}
    again: set[str] = set()
    for each in graph.steps:
        step = ended[each.id]
        # What a condition left out was claimed; what was never begun was not.
        left_out = step.status == "skipped" and step.attempt > 0
        decided = step.status == "succeeded" or left_out
        if (
            not decided
            or _is_in(each.id, first)
            or rule_of(each).handles_failure
            or again.intersection(each.after)
        ):
            again.add(each.id)
    return frozenset(ended.keys() - again)


def _is_in(step: str, first: str | None) -> bool:
    """Whether a step is another one, or stands in its place."""
    return first is not None and f"{step}.".startswith(f"{first}.")


def _ports_of(graph: Graph, kept: Collection[str]) -> frozenset[str]:
    steps = [each for each in graph.steps if each.id in kept]
    fields = {input_port(each.id, field) for each in steps for field in _fields(graph, each.id)}
    outputs = {output_port(each.id, field) for each in steps for field in each.outputs}
    return frozenset({*graph.inputs, *fields, *outputs})


def _fields(graph: Graph, step: str) -> Iterable[str]:
    """All input fields of a step, those left to their default included."""
    prefix = input_port(step, "")
    return (port.removeprefix(prefix) for port in graph.schemas if port.startswith(prefix))
