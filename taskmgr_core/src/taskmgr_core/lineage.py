"""Which value came from which: the edges of a step, and walks over the edges of a run."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator

from taskmgr_core.specs import Edge, FieldValue, GraphStep, input_port, is_element, output_port


def step_edges(
    step: GraphStep, fields: Iterable[str], replaced: Collection[str] = ()
) -> tuple[Edge, ...]:
    """The edges that one attempt adds.

    A mapping's edge goes from the source to the input port; inside a step every
    output is taken to come from every input.

    Arguments:
        step: the step.
        fields: its input fields, those left to their default included.
        replaced: those of them whose source never got a value, so that they have another.
    """
    given = tuple(fields)
    mapped = [
        Edge(source.port, input_port(step.id, field))
        for field, source in step.inputs.items()
        if source.port and field not in replaced
    ]
    inside = [
        Edge(input_port(step.id, field), output_port(step.id, output))
        for field in given
        for output in step.outputs
    ]
    return (*mapped, *inside)


def whole_edges(edges: Iterable[Edge]) -> Iterator[Edge]:
    """The edges between whole ports, without those of the elements of lists."""
    return (each for each in edges if not is_element(each.source) and not is_element(each.target))


def whole_values(values: Iterable[FieldValue]) -> Iterator[FieldValue]:
    """The values of whole ports, without those of the elements of lists."""
    return (each for each in values if not is_element(each.port))


def upstream(edges: Iterable[Edge], *ports: str) -> list[str]:
    """Every port that the values of some ports were made from, nearest first."""
    return _walk(((edge.target, edge.source) for edge in edges), ports)


def downstream(edges: Iterable[Edge], *ports: str) -> list[str]:
    """Every port whose value was made from those of some ports, nearest first."""
    return _walk(((edge.source, edge.target) for edge in edges), ports)


def _walk(pairs: Iterable[tuple[str, str]], starts: Collection[str]) -> list[str]:
    following: dict[str, list[str]] = {}
    for here, there in pairs:
        following.setdefault(here, []).append(there)
    found: dict[str, None] = {}
    waiting = deque(sorted(there for start in starts for there in following.get(start, ())))
    while waiting:
        port = waiting.popleft()
        if port not in found:
            found[port] = None
            waiting.extend(sorted(following.get(port, ())))
    return list(found)
