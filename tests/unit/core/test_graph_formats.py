"""The graph as text, in Mermaid and in DOT: what is drawn, read by others' parsers."""

from __future__ import annotations

import re
from typing import get_args

import attrs
import mermaidx
import pydot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_samples import graph_step, parsed, state, things_graph, things_run

from taskmgr_core.report.graph_dot import graph_dot
from taskmgr_core.report.graph_mermaid import graph_mermaid
from taskmgr_core.report.graph_svg import graph_svg
from taskmgr_core.report.graph_text import graph_lines
from taskmgr_core.report.theme import STATUS_MARKS, STATUS_SIGNS
from taskmgr_core.specs import Graph, Source, Step, StepStatus

IMAGE = {"$artifact": "sha256:1", "size": 3}
# What has a meaning in DOT, HTML, Mermaid or Markdown, and words of theirs.
AWKWARD = ["end", 'a"b', "<b>&amp;", "#quot;", "`x`", "a|b{c}", "\\", "graph", "ü漢", "-->", "a\nb"]


def text_of(graph: Graph, steps: tuple[Step, ...] = ()) -> str:
    """The lines as one text."""
    return "\n".join(line.text for line in graph_lines(graph, steps))


def awkward_graph(names: list[str]) -> Graph:
    """A pipeline whose task, input, field, constant and result have these names."""
    task, given_, field, constant, entry = names
    first = graph_step(
        "001", task, {field: Source(given_), "k": Source(constant={constant: constant})}, (field,)
    )
    second = graph_step("end", task, {field: Source(f"output_001_{field}")}, ("out",), ["001"])
    return Graph(task, {given_: {}}, (), {}, (first, second), {entry: "output_end_out"})


def test_text_says_where_each_port_gets_its_value() -> None:
    """Each input names its source, each step what it waits for; constants are written out."""
    step = graph_step("003", "scale", {"by": Source(constant=[1, "a"])}, ("out",))
    graph = things_graph()
    told = text_of(attrs.evolve(graph, steps=(*graph.steps, step)))
    assert re.search(r"002 measure 1\.2\.0  after 001$", told, re.MULTILINE)
    assert re.search(r"input_002_photo +<- picture$", told, re.MULTILINE)
    assert re.search(r"input_002_things +<- output_001_things$", told, re.MULTILINE)
    assert re.search(r"things\.shape +<- output_002_shapes$", told, re.MULTILINE)
    assert re.search(r'input_003_by +=  \[1, "a"\]$', told, re.MULTILINE)


@pytest.mark.parametrize("status", get_args(StepStatus))
def test_state_has_a_sign_beside_its_colour(status: StepStatus) -> None:
    """In every format a state is told by a shape as well, and no two states have the same."""
    assert len(set(STATUS_MARKS.values())) == len(STATUS_MARKS) == len(get_args(StepStatus))
    detail = things_run(IMAGE)
    first, second = detail.steps
    steps = (first, attrs.evolve(second, status=status))
    mark = STATUS_MARKS[status]
    graph = detail.run.graph
    assert f"{mark} {status}" in text_of(graph, steps)
    assert f"{mark} measure" in graph_mermaid(graph, steps)
    assert f"{mark} measure" in graph_dot(graph, steps)
    assert STATUS_SIGNS[status] in graph_svg(graph, steps)


def test_pipeline_that_does_not_run_has_no_state() -> None:
    """Without a run nothing is said of states."""
    graph = things_graph()
    for drawn in (text_of(graph), graph_mermaid(graph), graph_dot(graph)):
        assert not any(mark in drawn for mark in STATUS_MARKS.values() if mark != "·")
        assert "pending" not in drawn


def test_mermaid_draws_a_run() -> None:
    """The real Mermaid draws it: the names of tasks and ports are in its picture."""
    detail = things_run(IMAGE)
    drawn = mermaidx.render(graph_mermaid(detail.run.graph, detail.steps)).svg()
    for name in ("✓ find", "✓ measure", "picture → photo", "things.shape"):
        assert name in drawn


def test_mermaid_draws_any_name() -> None:
    """Names with signs and words of Mermaid's own are drawn as they are."""
    steps = tuple(
        graph_step(f"{number}", name, {name: Source(name), "k": Source(constant=name)}, (name,))
        for number, name in enumerate(AWKWARD)
    )
    result = {name: f"output_{number}_{name}" for number, name in enumerate(AWKWARD)}
    graph = Graph("any", {name: {} for name in AWKWARD}, (), {}, steps, result)
    states = tuple(state(each, 0.1, 0.2) for each in steps)
    drawn = parsed(mermaidx.render(graph_mermaid(graph, states)).svg())
    told = "".join(drawn.itertext())
    for name in AWKWARD:
        assert f"✓ {' '.join(name.split())}" in told


# The parser itself is behind what it is made of.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:pydot")
@settings(max_examples=30)
@given(
    st.lists(st.text(min_size=1, max_size=12) | st.sampled_from(AWKWARD), min_size=5, max_size=5)
)
def test_dot_is_read_whatever_the_names(names: list[str]) -> None:
    """A parser of DOT finds each card once, and each mapping between the ports that it joins."""
    graph = awkward_graph(names)
    read = pydot.graph_from_dot_data(graph_dot(graph))
    assert read is not None
    nodes = [each.get_name() for each in read[0].get_nodes()]
    assert [each for each in nodes if each.startswith('"')] == [
        '"inputs"',
        '"step 001"',
        '"step end"',
        '"result"',
    ]
    edges = [(each.get_source(), each.get_destination()) for each in read[0].get_edges()]
    assert edges == [
        ('"inputs":o0:e', '"step 001":i0:w'),
        ('"step 001":o0:e', '"step end":i0:w'),
        ('"step end":o0:e', '"result":i0:w'),
    ]


@given(
    st.lists(st.text(min_size=1, max_size=12) | st.sampled_from(AWKWARD), min_size=5, max_size=5)
)
def test_cards_in_dot_are_well_formed(names: list[str]) -> None:
    """The tables of the cards are XML, as Graphviz wants them, and svg is as well."""
    graph = awkward_graph(names)
    for table in re.findall(r"label=<(<TABLE.*</TABLE>)>\]", graph_dot(graph)):
        assert parsed(table).tag == "TABLE"
    assert parsed(graph_svg(graph)).tag.endswith("svg")


def test_cached_and_waiting_steps_say_so() -> None:
    """All writers tell that a step was not run, and what keeps one from being run."""
    graph = things_graph()
    first, second = graph.steps
    steps = (
        state(first, 0.0, 0.1, cached_from="r/001"),
        Step("r", second.id, second.task, "1", "default", 5, "ready", waits_for="2 at once of x"),
    )
    for write in (text_of, graph_mermaid, graph_dot, graph_svg):
        drawn = write(graph, steps)
        assert "cached" in drawn
        assert "waits: 2 at once of x" in drawn
        assert "cached" not in write(graph, (attrs.evolve(steps[0], cached_from=""), steps[1]))
        assert "taken over" in write(graph, (attrs.evolve(steps[0], origin="r0"), steps[1]))
