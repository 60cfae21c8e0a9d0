"""Pipelines in the place of steps: what is wrong with them, and the graph without them. Pure.

A step that names a pipeline is compiled away: the steps of that pipeline stand in its place,
with its id before theirs. At run time nothing knows of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from taskmgr_core.errors import Problem
from taskmgr_core.orchestrator import conditions
from taskmgr_core.orchestrator.handling import bears
from taskmgr_core.orchestrator.ports import PlacedStep, port_step
from taskmgr_core.specs import (
    FieldSpec,
    Graph,
    GraphStep,
    RepeatSpec,
    ResultSpec,
    Source,
    StepSpec,
    TaskSpec,
    inner_step,
    input_port,
    output_port,
    port_field,
)

MOST_STEPS = 1000
MOST_LEVELS = 8

# What a step may say of a task and not of a whole pipeline, with what to do instead.
_OF_TASKS = {
    "version": "a pipeline has no versions; write version at its steps",
    "retry": "a pipeline is not tried again as a whole; write retry at its steps",
    "timeout": "a pipeline has no time limit of its own here; write timeout at its steps",
    "map": "a pipeline is not run for each element; write map at its steps, or map a task",
    "concurrency": "a pipeline has no limit as a whole; write concurrency at its steps",
    "repeat": "a pipeline is not run again and again; write repeat at one of its steps",
}
_PLAIN = StepSpec("")


def interface_of(name: str, graph: Graph) -> TaskSpec:
    """What a pipeline takes and gives, as a step that stands for it sees it.

    Entries of the result that are joined are put together when a result is read: no step can
    take them.
    """
    return TaskSpec(
        name=name,
        inputs=tuple(
            FieldSpec(each, schema, required=each not in graph.optional)
            for each, schema in graph.inputs.items()
        ),
        outputs=tuple(
            FieldSpec(each, graph.schemas[port])
            for each, port in graph.result.items()
            if isinstance(port, str)
        ),
    )


def joined_of(step: PlacedStep) -> dict[str, ResultSpec]:
    """The joined entries of the result of a step's pipeline, by the ports they would have."""
    if step.inner is None:
        return {}
    return {
        output_port(step.id, name): _renamed_result(step.id, entry)
        for name, entry in step.inner.result.items()
        if isinstance(entry, ResultSpec)
    }


def problems_of_inner(step: PlacedStep) -> Iterator[Problem]:
    """What a step says that cannot be said of a whole pipeline."""
    if not step.spec.pipeline:
        return
    for key, cure in _OF_TASKS.items():
        if getattr(step.spec, key) != getattr(_PLAIN, key):
            yield Problem(f"{step.place}.{key}", cure)
    if step.handles_failure:
        yield Problem(f"{step.place}.pipeline", "what is run when the run fails is one task")
    if step.inner is None:
        return
    place, name = f"{step.place}.pipeline", step.spec.pipeline
    if step.inner.timeout is not None:
        yield Problem(
            place,
            f"{name!r} has a timeout, which is of a whole run; write timeouts at its steps, "
            "and one for the run here",
        )
    if any(each.handles_failure for each in step.inner.steps):
        yield Problem(
            place, f"{name!r} has on_failure, which is of a whole run; write it in this pipeline"
        )
    if levels_of(step.inner) >= MOST_LEVELS:
        yield Problem(place, too_deep(name))


def problems_of_mapped_inputs(step: PlacedStep, sources: Mapping[str, Source]) -> Iterator[Problem]:
    """What a step gives to a pipeline that runs steps of its own for each element of it."""
    if step.inner is None:
        return
    mapped = {each.map for each in step.inner.steps if each.map in step.inner.inputs}
    for name in sorted(mapped):
        place = step.input_place(input_port(step.id, name))
        if name not in sources:  # which is said where inputs are missing
            continue
        port = sources[name].port
        if not port:
            yield Problem(
                place,
                f"{step.spec.pipeline!r} runs a step for each element of it; it must be a port or "
                "an input of the pipeline, not a constant",
            )
            continue
        same = [other for other in sources if other != name and sources[other].port == port]
        if same:
            yield Problem(
                place,
                f"{port} is given to {same[0]!r} as well, and {step.spec.pipeline!r} runs a "
                f"step for each element of {name!r}; give the two different ports",
            )


def too_many(steps: list[PlacedStep]) -> Iterator[Problem]:
    """More steps than a run may have, once pipelines stand in the places of steps."""
    inner = [step for step in steps if step.inner is not None]
    count = len(steps) - len(inner) + sum(len(each.inner.steps) for each in inner if each.inner)
    if inner and count > MOST_STEPS:
        yield Problem(
            "steps",
            f"with the pipelines in it there are {count}; allowed are {MOST_STEPS}. Run parts "
            "of it by themselves",
        )


def levels_of(graph: Graph) -> int:
    """How deep pipelines stand in one another; 0 for none."""
    return max((each.id.count(".") for each in graph.steps), default=0)


def too_deep(name: str) -> str:
    """Why a pipeline is not taken that holds too many, one in another."""
    return f"with {name!r} pipelines stand in one another more than {MOST_LEVELS} levels deep"


def inlined(graph: Graph, inner: Mapping[str, Graph]) -> Graph:
    """A graph with the steps of pipelines in the place of the steps that name them.

    Arguments:
        graph: the graph.
        inner: the id of a step -> the graph of its pipeline.
    """
    if not inner:
        return graph
    ends = {
        output_port(outer, name): _renamed(outer, port)
        for outer, each in inner.items()
        for name, port in each.result.items()
        if isinstance(port, str)
    }
    steps = [
        step
        for each in graph.steps
        for step in (_steps_of(each, inner[each.id]) if each.id in inner else [each])
    ]
    ids = {step.id for step in steps}
    return attrs.evolve(
        graph,
        steps=tuple(_connected(each, ends, ids) for each in steps),
        schemas=dict(_schemas(graph, inner)),
        result={name: _ended(entry, ends) for name, entry in graph.result.items()},
        groups=dict(_groups(graph, inner)),
    )


def _groups(graph: Graph, inner: Mapping[str, Graph]) -> Iterator[tuple[str, str]]:
    yield from graph.groups.items()
    for outer, each in inner.items():
        yield outer, each.name
        for group, name in each.groups.items():
            yield inner_step(outer, group), name


def _schemas(
    graph: Graph, inner: Mapping[str, Graph]
) -> Iterator[tuple[str, Mapping[str, object]]]:
    for port, schema in graph.schemas.items():
        if port in graph.inputs or port_step(port) not in inner:
            yield port, schema
    for outer, each in inner.items():
        for port, schema in each.schemas.items():
            if port not in each.inputs:
                yield _renamed(outer, port), schema


def _steps_of(outer: GraphStep, graph: Graph) -> list[GraphStep]:
    """The steps of a pipeline, as they stand in the place of a step."""
    return [_placed(outer, step, graph) for step in graph.steps]


def _placed(outer: GraphStep, step: GraphStep, graph: Graph) -> GraphStep:
    inputs = {
        field: carried
        for field, source in step.inputs.items()
        if (carried := _carried(outer, source, graph)) is not None
    }
    reads, keys = (
        {name: _carried(outer, source, graph) or Source() for name, source in sources.items()}
        for sources in (step.reads, step.key_reads)
    )
    when, texts = step.when, step.texts
    # What waits for a step that is left out is left out with it, and need not ask again.
    if outer.when and set(step.after) <= set(step.bears):
        when, reads, texts = _both(outer, step, reads)
    mapped = step.map and (_carried(outer, Source(step.map), graph) or Source()).port
    return attrs.evolve(
        step,
        id=inner_step(outer.id, step.id),
        inputs=inputs,
        reads=reads,
        key_reads=keys,
        when=when,
        texts=texts,
        map=mapped,
        repeat=_renamed_repeat(outer.id, step),
        borne=step.borne or ("" if step.on_error != "fail" else _borne(outer)),
    )


def _borne(outer: GraphStep) -> str:
    return "" if outer.on_error == "fail" else outer.on_error


def _both(
    outer: GraphStep, step: GraphStep, reads: Mapping[str, Source]
) -> tuple[str, dict[str, Source], tuple[str, ...]]:
    """The condition that those of a step and of the pipeline in its place hold."""
    taken = {*outer.reads, *reads}
    names: dict[str, str] = {}
    for name in reads:
        if name in outer.reads:
            names[name] = f"inner_{name}"
            while names[name] in taken:
                names[name] += "_"
            taken.add(names[name])
    own = {names.get(name, name): source for name, source in reads.items()}
    parts = [outer.when, *([conditions.renamed(step.when, names)] if step.when else [])]
    texts = (*outer.texts, *(conditions.renamed(each, names) for each in step.texts))
    return conditions.joined(iter(parts)), {**outer.reads, **own}, texts


def _carried(outer: GraphStep, source: Source, graph: Graph) -> Source | None:
    """A source inside a pipeline, seen from outside; None for an input that nobody gives."""
    if not source.port:
        return source
    if source.port in graph.inputs:
        return outer.inputs.get(source.port)
    return attrs.evolve(source, port=_renamed(outer.id, source.port))


def _renamed(outer: str, port: str) -> str:
    """A port of a step inside a pipeline, with the id of the step in whose place it stands."""
    kind, rest = port.split("_", 1)
    return f"{kind}_{inner_step(outer, rest)}"


def _renamed_repeat(outer: str, step: GraphStep) -> RepeatSpec | None:
    if step.repeat is None:
        return None
    inner = inner_step(outer, step.id)
    feed = {
        input_port(inner, port_field(step.id, target)): output_port(
            inner, port_field(step.id, source)
        )
        for target, source in step.repeat.feed.items()
    }
    return attrs.evolve(step.repeat, feed=feed)


def _renamed_result(outer: str, entry: ResultSpec) -> ResultSpec:
    return attrs.evolve(
        entry, ports={name: _renamed(outer, port) for name, port in entry.ports.items()}
    )


def _connected(step: GraphStep, ends: Mapping[str, str], ids: set[str]) -> GraphStep:
    """A step whose sources are ports of steps that are there, and what it waits for by them."""
    inputs = {field: _at_end(source, ends) for field, source in step.inputs.items()}
    reads = {name: _at_end(source, ends) for name, source in step.reads.items()}
    keys = {name: _at_end(source, ends) for name, source in step.key_reads.items()}
    sources = (*reads.values(), *inputs.values(), *keys.values())
    producers = [port_step(each.port) or "" for each in sources]
    after = tuple(dict.fromkeys(each for each in producers if each in ids))
    return attrs.evolve(
        step,
        inputs=inputs,
        reads=reads,
        key_reads=keys,
        map=ends.get(step.map, step.map),
        after=after,
        bears=bears(sources, after),
    )


def _at_end(source: Source, ends: Mapping[str, str]) -> Source:
    port = ends.get(source.port)
    return source if port is None else attrs.evolve(source, port=port)


def _ended(entry: str | ResultSpec, ends: Mapping[str, str]) -> str | ResultSpec:
    if isinstance(entry, str):
        return ends.get(entry, entry)
    return attrs.evolve(
        entry, ports={name: ends.get(port, port) for name, port in entry.ports.items()}
    )
