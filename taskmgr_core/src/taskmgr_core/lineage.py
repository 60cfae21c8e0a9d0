"""Which value came from which: the edges of a step, and walks over the edges of a run."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

import attrs

from taskmgr_core.specs import Edge, FieldValue, GraphStep, input_port, output_port
from taskmgr_core.stores.metadata import MetadataStore, ValueUse
from taskmgr_core.stores.records import intact


def step_edges(step: GraphStep, fields: Iterable[str]) -> tuple[Edge, ...]:
    """The edges that one attempt adds.

    A mapping's edge goes from the source to the input port; inside a step every
    output is taken to come from every input.

    Arguments:
        step: the step.
        fields: its input fields, those left to their default included.
    """
    mapped = [
        Edge(source.port, input_port(step.id, field))
        for field, source in step.inputs.items()
        if source.port
    ]
    inside = [
        Edge(input_port(step.id, field), output_port(step.id, output))
        for field in fields
        for output in step.outputs
    ]
    return (*mapped, *inside)


def upstream(edges: Iterable[Edge], port: str) -> list[str]:
    """Every port that a port's value was made from, nearest first."""
    return _walk(((edge.target, edge.source) for edge in edges), port)


def downstream(edges: Iterable[Edge], port: str) -> list[str]:
    """Every port whose value was made from a port's, nearest first."""
    return _walk(((edge.source, edge.target) for edge in edges), port)


@attrs.frozen
class Trace:
    """One place where a value turned up, and what it is connected with there.

    Attributes:
        run: the run's id.
        value: the value itself.
        made_from: everything it was made from, nearest first.
        led_to: everything that was made from it, nearest first.
    """

    run: str
    value: FieldValue
    made_from: tuple[FieldValue, ...]
    led_to: tuple[FieldValue, ...]


def trace(metadata: MetadataStore, digest: str, limit: int = 1000) -> list[Trace]:
    """Every recorded value that is, or contains, what has a digest, newest run first.

    Aliases (the same value on an input port) are left to the value that they repeat. A
    run of which a value is damaged is left out with a warning.
    """
    uses = [each for each in metadata.uses(digest, limit) if not each.value.source]
    return intact(uses, lambda use: _traced(metadata, use))


def _traced(metadata: MetadataStore, use: ValueUse) -> Trace:
    edges = metadata.edges(use.run)
    values = {value.port: value for value in metadata.values(use.run)}
    return Trace(
        run=use.run,
        value=use.value,
        made_from=_present(values, upstream(edges, use.value.port)),
        led_to=_present(values, downstream(edges, use.value.port)),
    )


def _present(values: Mapping[str, FieldValue], ports: Iterable[str]) -> tuple[FieldValue, ...]:
    return tuple(values[port] for port in ports if port in values)


def _walk(pairs: Iterable[tuple[str, str]], start: str) -> list[str]:
    following: dict[str, list[str]] = {}
    for here, there in pairs:
        following.setdefault(here, []).append(there)
    found: dict[str, None] = {}
    waiting = deque(sorted(following.get(start, ())))
    while waiting:
        port = waiting.popleft()
        if port not in found:
            found[port] = None
            waiting.extend(sorted(following.get(port, ())))
    return list(found)
