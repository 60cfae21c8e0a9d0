"""Graphs as stores record them are written out once, and are always those of the run."""

import json

import attrs
from pipeline_examples import face_pipeline, face_tasks

from taskmgr_core.documents import loads
from taskmgr_core.errors import NotFoundError
from taskmgr_core.orchestrator.graph import compile_pipeline
from taskmgr_core.specs import Graph, GraphStep, TaskVersion
from taskmgr_core.stores.plans import Plan, Plans
from taskmgr_core.stores.records import remembered


def version(task: str, _: str | None) -> TaskVersion:
    """The tasks of the pipeline."""
    if task in face_tasks():
        return face_tasks()[task]
    raise NotFoundError(task)


def face_graph(name: str = "faces") -> Graph:
    """A graph of three steps, made anew."""
    return compile_pipeline(attrs.evolve(face_pipeline(), pipeline=name), version)


def test_plan_has_all_of_a_graph() -> None:
    """The graph and each step can be read from it again; what takes what is in both directions."""
    graph = face_graph()
    plan = Plan.of(graph)
    assert loads(plan.text, Graph) == graph
    for step in graph.steps:
        assert loads(plan.steps[step.id].text, GraphStep) == step
        assert tuple(json.loads(plan.steps[step.id].after)) == step.after
        takers = [each.id for each in graph.steps if step.id in each.after]
        assert json.loads(plan.steps[step.id].takers) == takers


def test_step_that_was_written_here_is_not_read_again() -> None:
    """Whoever claims it in the same process gets the very step."""
    graph = face_graph("written-here")
    plan = Plan.of(graph)
    for step in graph.steps:
        found = remembered(plan.steps[step.id].text, GraphStep, "a step", "")
        assert found is step


def test_same_graph_is_written_out_once() -> None:
    """The very object; an equal one, and one that follows it in memory, have plans of their own."""
    plans = Plans(capacity=2)
    kept = face_graph()
    first = plans.of(kept)
    assert plans.of(kept) is first
    assert plans.of(face_graph()) is not first
    for number in range(50):  # each is let go at once, and its place in memory taken again
        other = face_graph(f"faces-{number}")
        assert loads(plans.of(other).text, Graph) == other
        del other


def test_few_and_short_ones_are_kept() -> None:
    """Beyond the capacity the one that was not asked for longest goes; a long one never stays."""
    plans = Plans(capacity=2)
    graphs = [face_graph(each) for each in "abc"]
    first = plans.of(graphs[0])
    for each in graphs[1:]:
        plans.of(each)
    assert plans.of(graphs[0]) is not first
    length = len(plans.of(graphs[0]).text)
    short = Plans(length=2 * length)
    first = short.of(graphs[0])
    assert short.of(graphs[0]) is first
    long = attrs.evolve(graphs[0], name="x" * 2 * length)
    assert short.of(long) is not short.of(long)
    for each in graphs[1:]:
        short.of(each)
    assert short.of(graphs[0]) is not first


def test_graph_is_known_by_its_text_while_it_is_kept() -> None:
    """The very object; none of a text that nobody wrote, or whose plan was let go."""
    plans = Plans(capacity=1)
    graph, other = face_graph(), face_graph("others")
    text = plans.of(graph).text
    assert plans.graph(text) is graph
    assert plans.graph(text + " ") is None
    plans.of(other)
    assert plans.graph(text) is None
