"""When and how often a step is run, as the pictures of a pipeline tell it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import mermaidx
import pydot
import pytest
from report_samples import graph_step, parsed, state

from taskmgr_core.orchestrator.conditions import case_of, joined, no_case_of
from taskmgr_core.report.graph_dot import graph_dot
from taskmgr_core.report.graph_mermaid import graph_mermaid
from taskmgr_core.report.graph_notes import notes_of
from taskmgr_core.report.graph_svg import graph_svg
from taskmgr_core.report.graph_text import graph_lines
from taskmgr_core.specs import FailedElements, Graph, GraphStep, RepeatSpec, Source, Step

SVG = "{http://www.w3.org/2000/svg}"
MODE = {"mode": Source("mode")}


def told(step: GraphStep, done: Step | None = None) -> list[str]:
    """The notes of a step."""
    return list(notes_of(step, done))


def one(**more: Any) -> GraphStep:
    """A step of which something is said."""
    return attrs.evolve(graph_step("2", "draw", {"it": Source("it")}, ("out",)), **more)


def branched() -> Graph:
    """A list that is mapped, a step on a condition, one of a switch, and one for failures."""
    steps = (
        graph_step("1", "list", {"of": Source("it")}, ("out",)),
        one(inputs={"it": Source("output_1_out")}, map="output_1_out", after=("1",)),
        one(id="3", when="output_1_out.size() > 1", reads={"output_1_out": Source("output_1_out")},
            after=("1",)),
        one(id="4", when=no_case_of("mode", {"a": ()}), reads=MODE),
        one(id="9", inputs={"failure": Source("failure")}, handles_failure=True),
    )  # fmt: skip
    return Graph("g", {"it": {}, "mode": {}}, (), {}, steps, {"all": "output_2_out"})


def test_step_that_is_run_once_says_nothing() -> None:
    """Nor does the state of one."""
    step = one()
    assert told(step) == told(step, state(step, 0.0, 1.0)) == []


def test_map_says_its_list_and_of_a_run_its_elements() -> None:
    """Those that failed are counted."""
    step = one(map="output_1_out")
    done = state(step, 0.0, 1.0, elements=3, failed=FailedElements(2))
    assert told(step) == ["map over output_1_out"]
    assert told(step, done) == ["map over output_1_out", "3 elements, 2 failed"]
    assert told(step, attrs.evolve(done, failed=FailedElements()))[1] == "3 elements"


def test_switch_is_told_as_it_is_written() -> None:
    """Its case, or otherwise, beside the step's own condition."""
    case = joined(iter(["go", case_of("mode", "a")]))
    assert told(one(when=case, reads=MODE)) == ["when go", 'switch on mode: "a"']
    otherwise = no_case_of("mode", {"a": (), "b": ()})
    assert told(one(when=otherwise, reads=MODE)) == ["switch on mode: otherwise"]


def test_condition_says_the_ports_of_the_run() -> None:
    """A pipeline in the place of a step has other names for them, and constants for its inputs."""
    reads = {"output_1_out": Source("output_2.1_out"), "n": Source(constant=7)}
    found = told(one(when="output_1_out > n", reads=reads))
    assert found == ["when output_2.1_out > 7"]


def test_repeat_says_its_own_ports_and_what_is_fed() -> None:
    """They have the id that the step has in the run."""
    repeat = RepeatSpec("output_1_out > 5 || iteration > 2", 9, {"input_2.1_it": "output_2.1_out"})
    assert told(one(id="2.1", repeat=repeat)) == [
        "repeat until output_2.1_out > 5 || iteration > 2",
        "at most 9 times, feed out to it",
    ]


def test_long_condition_is_shortened() -> None:
    """The card stays a card."""
    (found,) = told(one(when=" && ".join(["go"] * 100)))
    assert len(found) < 70
    assert found.endswith("…")


def test_text_says_what_else_a_step_depends_on() -> None:
    """Below its name, and the report on a failure has its source."""
    lines = [each.text for each in graph_lines(branched())]
    for line in (
        "  map over output_1_out",
        "  when output_1_out.size() > 1",
        "  switch on mode: otherwise",
        "  handles failures of the run",
        "  input_9_failure <- failure",
    ):
        assert line in lines


CONTROL = [
    ("step 1", "step 3"),
    ("inputs", "step 4"),
    ("step 2", "step 9"),
    ("step 3", "step 9"),
    ("step 4", "step 9"),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pydot")
def test_dot_has_dashed_edges_for_what_carries_no_value() -> None:
    """Read by another's parser: conditions, switches and failures, and no edge twice."""
    read: Any = pydot.graph_from_dot_data(graph_dot(branched()))
    edges = [
        (
            each.get_source().split(":")[0].strip('"'),
            each.get_destination().split(":")[0].strip('"'),
        )
        for each in read[0].get_edges()
        if each.get_style() == "dashed"
    ]
    assert edges == CONTROL
    assert "map over output_1_out" in graph_dot(branched())


def test_mermaid_has_dotted_edges_for_what_carries_no_value() -> None:
    """Another's program draws them, with the notes."""
    text = graph_mermaid(branched())
    assert text.count(" -. ") == len(CONTROL)
    assert '  n_step_1 -. "out" .-> n_step_3' in text
    assert '  n_step_2 -. "on failure" .-> n_step_9' in text
    drawn = mermaidx.render(text).svg()
    assert "handles failures of the run" in drawn
    assert "switch on mode: otherwise" in drawn


def dashed(graph: Graph) -> Iterator[str]:
    """What is said of the dashed lines of a picture."""
    for each in parsed(graph_svg(graph)).iter(f"{SVG}path"):
        if each.get("class") == "wire control":
            yield str(each.findtext(f"{SVG}title"))


def test_svg_has_dashed_lines_for_what_carries_no_value() -> None:
    """A condition that reads a port which the step takes as well has no second line."""
    assert list(dashed(branched())) == [
        "output_1_out → step 3",
        "mode → step 4",
        "step 2 → step 9",
        "step 3 → step 9",
        "step 4 → step 9",
    ]
    steps = (one(when="it > 1", reads={"it": Source("it")}),)
    assert list(dashed(attrs.evolve(branched(), steps=steps))) == []


def test_notes_stand_inside_their_card() -> None:
    """Between its edges and above its ports, however long they are."""
    long = one(when="a_long_name > 1 && " * 9 + "b", reads={}, map="output_1_out" * 9)
    root = parsed(graph_svg(attrs.evolve(branched(), steps=(*branched().steps[:2], long))))
    for card in root.iter(f"{SVG}g"):
        box = card.find(f"{SVG}rect")
        if box is None:
            continue
        (rule,) = [each for each in card.findall(f"{SVG}path") if each.get("class") == "rule"]
        edge = float(str(rule.get("d")).split()[1].split("H")[0])
        for text in card.findall(f"{SVG}text"):
            assert float(str(text.get("y"))) < edge < float(str(box.get("height")))
            if "end" not in str(text.get("class")):
                room = float(str(box.get("width"))) - float(str(text.get("x")))
                assert len(str(text.text)) * 6.7 < room
