"""Which steps are run for what another one yields, while that still does. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import attrs

from taskmgr_core.specs import Feed, Graph, GraphStep, ResultSpec, output_port


def with_feeds(
    steps: Sequence[GraphStep], yielding: Collection[str], shown: Collection[str]
) -> tuple[GraphStep, ...]:
    """The steps of a graph, those that yield with what they feed.

    Arguments:
        steps: all steps of the graph.
        yielding: the ids of those whose task yields its output.
        shown: the ports that are part of the result.
    """
    return tuple(_fed(step, steps, shown) if step.id in yielding else step for step in steps)


def _fed(step: GraphStep, steps: Sequence[GraphStep], shown: Collection[str]) -> GraphStep:
    if step.map or step.repeat:  # what it yields for one element is not its output
        return step
    ports = {output_port(step.id, name) for name in step.outputs}
    feeds = tuple(_feeds(step, steps, ports))
    fed = {each.step for each in feeds}
    taken = {port for each in steps if each.id not in fed for port in each.sources}
    whole = not feeds or bool(ports & (taken | set(shown)))
    return attrs.evolve(step, feeds=feeds, whole=whole)


def _feeds(step: GraphStep, steps: Sequence[GraphStep], ports: Collection[str]) -> Iterator[Feed]:
    """Those that can begin with nothing but an item: they wait for no other value."""
    for each in steps:
        alone = each.after == (step.id,) and not each.when and not each.handles_failure
        if alone and each.map in ports:
            yield Feed(each.id, each.task, each.parallel)


def _ports_of(result: Mapping[str, str | ResultSpec]) -> set[str]:
    """Every port that a result shows."""
    joined = [each.ports.values() for each in result.values() if isinstance(each, ResultSpec)]
    return {each for each in result.values() if isinstance(each, str)}.union(*joined)


def fed(graph: Graph, yielding: Collection[str]) -> Graph:
    """The graph with what is run for what is yielded; of pipelines in it their steps say so.

    Arguments:
        graph: with the steps of all pipelines in it.
        yielding: the ids of its own steps whose task yields.
    """
    inner = {step.id for step in graph.steps if step.feeds}
    return attrs.evolve(
        graph, steps=with_feeds(graph.steps, {*yielding, *inner}, _ports_of(graph.result))
    )
