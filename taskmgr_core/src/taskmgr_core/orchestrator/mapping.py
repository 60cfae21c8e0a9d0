"""Steps that are run for each element of a list: what they take, what is wrong. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from taskmgr_core.errors import Problem
from taskmgr_core.orchestrator.compatibility import Schema, says_nothing, type_name
from taskmgr_core.orchestrator.ports import PlacedStep, Ports
from taskmgr_core.specs import Graph, Source, output_port

MOST_PARALLEL = 1000


def mapped_port(step: PlacedStep, ports: Ports) -> str:
    """The port whose elements a step is run for, led back to its source; empty for none."""
    source = ports.named(step.spec.map) if step.spec.map else None
    return "" if source is None else source.port


def mapped_schema(step: PlacedStep, source: Source, ports: Ports) -> Schema | None:
    """The schema of what an input of a step gets from its source; None where it is not known."""
    schema = ports.schema(source.port)
    if not step.spec.map or source.port != mapped_port(step, ports) or schema is None:
        return schema
    items = schema.get("items") if isinstance(schema, Mapping) else None
    return items if isinstance(items, Mapping) else {}


def problems_of_map(
    step: PlacedStep, sources: Mapping[str, Source], ports: Ports
) -> Iterator[Problem]:
    """What is wrong with running a step for each element."""
    if not step.spec.map:
        return
    place = f"{step.place}.map"
    problem = ports.problem_of(step.spec.map)
    port = mapped_port(step, ports)
    if problem is not None:
        yield Problem(place, problem)
    elif not port:
        yield Problem(place, "it must be a port or an input of the pipeline that holds a list")
    elif all(source.port != port for source in sources.values()) and step.task is not None:
        yield Problem(place, f"no input of the step takes its elements; map one to {port!r}")
    schema = ports.schema(port) if port else None
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    if schema is not None and not says_nothing(schema) and kind != "array":
        yield Problem(place, f"{port} is {type_name(schema)}, not a list")
    if not 1 <= step.spec.parallel <= MOST_PARALLEL:
        yield Problem(
            f"{step.place}.parallel",
            f"{step.spec.parallel} is not allowed; it must be 1 to {MOST_PARALLEL}",
        )
    if step.handles_failure:
        yield Problem(place, "what is run when the run fails is run once")


def with_makers(graph: Graph) -> Graph:
    """A graph whose steps know how the list is made that they are run for.

    Arguments:
        graph: with the steps of all pipelines in it, or one of an earlier taskmgr.
    """
    makers = {
        output_port(step.id, name): "map" if step.map else "repeat"
        for step in graph.steps
        if step.map or step.repeat
        for name in step.outputs
    }
    steps = (
        attrs.evolve(each, map_of=makers.get(each.map, "")) if each.map else each
        for each in graph.steps
    )
    return attrs.evolve(graph, steps=tuple(steps))
