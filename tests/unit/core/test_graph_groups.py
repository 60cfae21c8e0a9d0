"""Pipelines in the place of steps, as they are drawn: around their own steps and no others."""

from typing import Any

import attrs
import mermaidx
import pydot
import pytest
from report_samples import graph_step

from taskmgr_core.report.graph_cards import cards_of, grouped
from taskmgr_core.report.graph_dot import graph_dot
from taskmgr_core.report.graph_mermaid import graph_mermaid
from taskmgr_core.report.graph_svg import graph_svg
from taskmgr_core.report.graph_text import graph_lines
from taskmgr_core.specs import Graph, RepeatSpec, Source, Step

STEPS = [
    ("1", "picture"),
    ("2.1", "output_1_out"),
    ("2.in.1", "output_2.1_out"),
    ("2.end.1", "output_2.in.1_out"),
    ("3", "output_2.end.1_out"),
]


def nested() -> Graph:
    """Two pipelines in one, between two steps; the last step is run again and again."""
    steps = [graph_step(step, "draw", {"it": Source(port)}, ("out",)) for step, port in STEPS]
    steps[-1] = attrs.evolve(steps[-1], repeat=RepeatSpec("output_3_out > 1", 7))
    groups = {"2": "outer", "2.in": "in<ner", "2.end": "end"}
    return Graph("g", {"picture": {}}, (), {}, tuple(steps), {"all": "output_3_out"}, groups=groups)


def test_cards_stand_in_their_pipelines() -> None:
    """Each pipeline is opened before its first step and closed behind its last one."""
    graph = nested()
    cards = cards_of(graph, {}, result=True)
    found = [("/".join(each.id for each in groups), card and card.subtitle)
             for groups, card in grouped(graph, cards)]  # fmt: skip
    assert found == [
        ("", ""),
        ("", "1 · 1.2.0"),
        ("2", None),
        ("2", "2.1 · 1.2.0"),
        ("2/2.in", None),
        ("2/2.in", "2.in.1 · 1.2.0"),
        ("2", None),
        ("2/2.end", None),
        ("2/2.end", "2.end.1 · 1.2.0"),
        ("2", None),
        ("", None),
        ("", "3 · 1.2.0"),
        ("", ""),
    ]


def test_text_is_indented() -> None:
    """A pipeline is named, and what stands in it is moved to the right."""
    lines = [line.text for line in graph_lines(nested())]
    for line in ("2  outer", "    2.1 draw 1.2.0", "    2.in  in<ner", "        2.in.1 draw 1.2.0"):
        assert line in lines
    begin = lines.index("3 draw 1.2.0")
    assert lines[begin + 1 : begin + 3] == ["  repeat until output_3_out > 1", "  at most 7 times"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pydot")
def test_dot_has_a_cluster_for_each() -> None:
    """Read by another's parser, a pipeline's nodes are in its cluster."""
    read: Any = pydot.graph_from_dot_data(graph_dot(nested()))
    (graph,) = read
    (outer,) = graph.get_subgraphs()
    assert outer.get_name() == '"cluster 2"'
    assert outer.get_label() == '"2 · outer"'
    assert [each.get_name() for each in outer.get_nodes()] == ['"step 2.1"']
    assert [each.get_label() for each in outer.get_subgraphs()] == [
        '"2.in · in<ner"',
        '"2.end · end"',
    ]
    assert "at most 7 times" in graph_dot(nested())


def test_mermaid_has_a_subgraph_for_each() -> None:
    """Drawn by another's program, the names of the pipelines are in the picture."""
    text = graph_mermaid(nested())
    assert text.count("subgraph ") == text.splitlines().count("  end") == 3
    drawn = mermaidx.render(text).svg()
    assert "2 · outer" in drawn
    assert "at most 7 times" in drawn


def test_iterations_are_told_of_a_run() -> None:
    """The card of a loop says how often it has been run."""
    state = Step("r", "3", "draw", "1.2.0", "default", 5, "looping", elements=4)
    assert "looping · 4 iterations" in graph_svg(nested(), [state])
    assert any("looping 4 iterations" in line.text.replace(" · ", " ")
               for line in graph_lines(nested(), [state]))  # fmt: skip
