"""The parts of a graph, from what was found of the steps of a pipeline. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from taskmgr_core.documents import own
from taskmgr_core.errors import NotFoundError, Problem, nearest
from taskmgr_core.orchestrator.branching import Condition
from taskmgr_core.orchestrator.compatibility import Schema, misfit_of, problems_between, type_name
from taskmgr_core.orchestrator.handling import bears
from taskmgr_core.orchestrator.inlining import joined_of
from taskmgr_core.orchestrator.limiting import key_reads, limit_in
from taskmgr_core.orchestrator.mapping import mapped_port
from taskmgr_core.orchestrator.ports import PlacedStep, Ports
from taskmgr_core.orchestrator.validation import Validator
from taskmgr_core.specs import (
    FieldSpec,
    GraphStep,
    ResultSpec,
    Source,
    TaskVersion,
    input_port,
    output_port,
    ports_of,
)

Versions = Mapping[str, TaskVersion] | Callable[[str, str | None], TaskVersion]

_SHOWN_MISFITS = 3


def version_of(versions: Versions, task: str, version: str | None) -> TaskVersion:
    """A published task.

    Arguments:
        versions: the published tasks.
        task: its name.
        version: an exact version; None for the current one.

    Raises:
        NotFoundError: there is no such task or version.
    """
    if callable(versions):
        return versions(task, version)
    if task not in versions:
        raise NotFoundError.named("task", task, versions)
    found = versions[task]
    if version is not None and version != found.version:
        raise NotFoundError.named(f"version of task {task!r}:", version, [found.version])
    return found


def misfits(
    source: Source, field: FieldSpec, schema: Schema | None, place: str, validator: Validator
) -> Sequence[Problem]:
    """Why an input cannot get what is mapped to it.

    Arguments:
        source: where its value comes from.
        field: the input.
        schema: of what comes from there; None where it is not known.
        place: where the mapping stands.
        validator: checks constants.
    """
    if not source.port:
        return validator.validate(source.constant, field.schema, place)
    if schema is None:
        return ()
    problems = problems_between(schema, field.schema)
    if not problems:
        return ()
    message = misfit_of(source.port, schema, field.schema, problems, _SHOWN_MISFITS)
    return (Problem(place, message),)


def no_port(port: str, step: PlacedStep, fields: Mapping[str, FieldSpec]) -> str:
    """Why a step has no such input, with the one that may be meant."""
    full = input_port(step.id, port)
    hint = f"did you mean {full!r}?" if full in fields else nearest(port, fields)
    return f"{port!r} is no input of step {step.id!r} ({step.runs}); {hint}"


def missing(step: PlacedStep, field: FieldSpec) -> str:
    """What to do about an input that nothing is mapped to."""
    return (
        f"missing; {step.runs} needs {type_name(field.schema)}: name a pipeline input or "
        'an output port, or write {"value": ...}'
    )


def optional(
    inputs: Mapping[str, Any],
    steps: Sequence[PlacedStep],
    sources: Mapping[str, Mapping[str, Source]],
    conditions: Mapping[str, Condition],
    ports: Ports,
) -> tuple[str, ...]:
    """The pipeline inputs of which every use has a default.

    What a condition, a switch, a key or ``map`` reads has none: that cannot be told without it.
    """
    needed: set[str] = set()
    for step in steps:
        asked = (*conditions[step.id].reads.values(), *key_reads(step, ports).values())
        taken = (sources[step.id][field.name] for field in step.inputs if field.required)
        needed |= {source.port for source in (*asked, *taken)} | {mapped_port(step, ports)}
    return tuple(name for name in inputs if name not in needed)


def handler_last(order: list[str], steps: Sequence[PlacedStep]) -> list[str]:
    """What is run when all else has ended stands behind it."""
    handlers = {step.id for step in steps if step.handles_failure}
    return sorted(order, key=lambda step: step in handlers)


def untaken(
    ports: Ports, steps: Sequence[PlacedStep], sources: Mapping[str, Mapping[str, Source]]
) -> Mapping[str, str]:
    """A result of the outputs that no step takes; of all of them where each is taken."""
    taken = {source.port for fields in sources.values() for source in fields.values()}
    handlers = {step.id for step in steps if step.handles_failure}
    made = [port for port in ports.outputs if ports.producer(port) not in handlers]
    left = [port for port in made if port not in taken]
    joined = [port for step in steps for port in joined_of(step)]
    return {port: port for port in (*(left or ([] if joined else made)), *joined)}


def joined_in(
    result: Mapping[str, str | ResultSpec], steps: Sequence[PlacedStep]
) -> dict[str, str | ResultSpec]:
    """A result in which what a pipeline inside joins stands as it joins it."""
    joined = {port: entry for step in steps for port, entry in joined_of(step).items()}
    return {
        name: joined.get(entry, entry) if isinstance(entry, str) else entry
        for name, entry in result.items()
    }


def fallbacks_of(
    result: Mapping[str, str | ResultSpec], steps: Sequence[PlacedStep], ports: Ports
) -> dict[str, dict[str, Any]]:
    """What stands in a result for outputs that were not given; see ``Graph.fallbacks``.

    Arguments:
        result: name -> a port or ports that are joined, as they are written.
        steps: the steps of the pipeline.
        ports: their ports.
    """
    joined = {
        output_port(step.id, name): dict(step.inner_fallbacks(name))
        for step in steps
        if step.inner is not None
        for name, entry in step.inner.result.items()
        if isinstance(entry, ResultSpec)
    }

    def found(entry: str | ResultSpec) -> dict[str, Any]:
        if isinstance(entry, str) and entry in joined:
            return joined[entry]
        fallbacks = {name: ports.default_of(port) for name, port in ports_of(entry).items()}
        return {name: alone[0] for name, alone in fallbacks.items() if alone}

    return {name: fallbacks for name, entry in result.items() if (fallbacks := found(entry))}


def graph_step(
    placed: PlacedStep,
    sources: Mapping[str, Source],
    after: tuple[str, ...],
    condition: Condition,
    ports: Ports,
    pipeline: str,
) -> GraphStep:
    """A step of a graph; of one that names a pipeline what its steps get from it.

    Arguments:
        placed: the step.
        sources: field -> where its value comes from.
        after: the steps that it waits for.
        condition: when it is run.
        ports: the ports of its pipeline.
        pipeline: the name of that.
    """
    spec, task, keys = placed.spec, placed.task, key_reads(placed, ports)
    if task is None:
        raise ValueError(f"step {placed.id!r} was compiled without a version")
    return GraphStep(
        id=placed.id,
        task=task.name,
        version=placed.version.version if placed.version else "",
        queue=task.queue,
        priority=task.priority,
        timeout=task.timeout if spec.timeout is None else spec.timeout,
        memory_mb=task.memory_mb,
        retries=task.retries,
        inputs=dict(sources),
        outputs=tuple(field.name for field in task.outputs),
        after=after,
        resources=dict(task.resources),
        bears=bears((*sources.values(), *condition.reads.values(), *keys.values()), after),
        when=condition.expression,
        reads=dict(condition.reads),
        texts=condition.texts,
        map=mapped_port(placed, ports),
        parallel=spec.parallel,
        repeat=spec.repeat,
        retry=spec.retry,
        on_error=spec.on_error,
        default=own(dict(spec.default)),
        handles_failure=placed.handles_failure,
        cache=task.cache,
        max_concurrent=task.max_concurrent,
        rate=task.rate,
        limit=limit_in(placed, pipeline),
        key_reads=keys,
    )
