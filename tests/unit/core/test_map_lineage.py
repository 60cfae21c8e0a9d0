"""A map over what another map, or a loop, gave: where each entry of the list came from."""

from __future__ import annotations

from typing import Any, cast

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_examples import defaulted, field, version_of

from taskmgr_core.documents import structure
from taskmgr_core.lineage import upstream
from taskmgr_core.orchestrator.graph import compile_pipeline
from taskmgr_core.orchestrator.mapping import with_makers
from taskmgr_core.specs import (
    Claim,
    Edge,
    Graph,
    PipelineSpec,
    Step,
    element_port,
    element_step,
    input_port,
    is_element,
    output_port,
)
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.values import recorded
from taskmgr_core.worker.elements import begun

NUMBERS = {"type": "array", "items": {"type": "integer"}}
TASKS = {
    each.name: each
    for each in (
        version_of(
            "add", (field("left", int), defaulted("right", int, 1)), (field("result", int),)
        ),
        version_of("grow", (field("values", list[int]),), (field("result", list[int]),)),
    )
}


def pipeline(*steps: dict[str, Any], name: str = "maps", result: str = "") -> PipelineSpec:
    """A pipeline with the input ``numbers``."""
    document = {"pipeline": name, "inputs": {"numbers": NUMBERS}, "steps": list(steps)}
    return structure(document | ({"result": {"result": result}} if result else {}), PipelineSpec)


def mapped(number: str, port: str, **more: Any) -> dict[str, Any]:
    """A step that adds one to each entry of a list."""
    return {
        "id": number, "task": "add", "map": port, "inputs": {f"input_{number}_left": port}, **more
    }  # fmt: skip


def made_by(graph: Graph) -> dict[str, str]:
    """Step -> what the one has that makes the list that it is run for."""
    return {each.id: each.map_of for each in graph.steps}


TWO = (mapped("001", "numbers"), mapped("002", "output_001_result"))


# what a graph knows


def test_entries_of_what_elements_gave_have_a_name_of_their_own() -> None:
    """A plain list lends its entries its name; that of a map has given it to the elements."""
    graph = compile_pipeline(pipeline(*TWO), TASKS)
    assert made_by(graph) == {"001": "", "002": "map"}
    first, second = (element_step(each, 3) for each in graph.steps)
    assert first.inputs["left"].port == "numbers[3]"
    assert second.inputs["left"].port == "map:002[3]"


def test_entries_of_what_iterations_gave_have_a_name_of_their_own() -> None:
    """The list of the last iteration is no entry of it."""
    grown = {
        "id": "001", "task": "grow", "inputs": {"input_001_values": "numbers"},
        "repeat": {"until": "iteration == 2", "max": 3},
    }  # fmt: skip
    graph = compile_pipeline(pipeline(grown, mapped("002", "output_001_result")), TASKS)
    assert made_by(graph) == {"001": "", "002": "repeat"}


def test_map_across_a_pipeline_is_one_over_a_map() -> None:
    """What makes a list is known from outside of a pipeline, and from inside another one."""
    inner = pipeline(mapped("1", "numbers"), name="inner", result="output_1_result")
    steps = [
        {"id": "a", "pipeline": "inner", "inputs": {"input_a_numbers": "numbers"}},
        {"id": "b", "pipeline": "inner", "inputs": {"input_b_numbers": "output_a_result"}},
        mapped("c", "output_b_result"),
    ]
    graph = compile_pipeline(pipeline(*steps), TASKS, {"inner": inner})
    assert made_by(graph) == {"a.1": "", "b.1": "map", "c": "map"}
    assert element_step(graph.step("b.1"), 0).inputs["left"].port == "map:b.1[0]"


def test_graph_of_an_earlier_taskmgr_is_read_and_run_again() -> None:
    """It goes by the list's own name as it did, and a run that is done again by the new one."""
    graph = compile_pipeline(pipeline(*TWO), TASKS)
    earlier = attrs.evolve(graph, steps=tuple(attrs.evolve(s, map_of="") for s in graph.steps))
    assert element_step(earlier.step("002"), 3).inputs["left"].port == "output_001_result[3]"
    assert with_makers(earlier) == graph


# where the entries came from


@attrs.frozen
class Recorded:
    """A store that knows the edges of one run."""

    known: list[Edge]

    def edges(self, run_id: str) -> list[Edge]:
        """See ``MetadataStore.edges``."""
        assert run_id == "r"
        return self.known


LIST = output_port("001", "result")


def edges_of_elements(count: int, gave: set[int]) -> list[Edge]:
    """Those of step 001 of a run, some of whose elements gave an output."""
    made = []
    for index in range(count):
        item, field_ = element_port("numbers", index), element_port("input_001_left", index)
        made += [Edge("numbers", item), Edge(item, field_)]
        if index in gave:
            output = element_port(LIST, index)
            made += [Edge(field_, output), Edge(output, LIST)]
    return made


def begun_over(edges: list[Edge], found: list[int], map_of: str = "map") -> list[Edge]:
    """The edges of a run after step 002 has begun to be run for a list."""
    step = attrs.evolve(compile_pipeline(pipeline(*TWO), TASKS).step("002"), map_of=map_of)
    value = recorded(LIST, found, "array of integer", "001")
    claim = Claim(
        Step("r", "002", step.task, step.version, "default", 5, "running"), step, {LIST: value}
    )
    inputs = (value.taken_on(input_port("002", "left"), "integer"),)
    nowhere = cast("ArtifactStore", None)  # small values are in no files
    store = cast("MetadataStore", Recorded(edges))
    outcome = begun(claim, (attrs.evolve(inputs[0], document=found),), 9999, nowhere, store)
    assert [each.document for each in outcome.elements] == found
    assert not {each.port for each in outcome.elements} & {
        port for edge in edges for port in (edge.source, edge.target)
    }
    return [*edges, *outcome.edges]


def elements_behind(edges: list[Edge], index: int) -> set[str]:
    """The entries of the run's input that one entry of step 002 came from."""
    found = upstream(edges, element_port("map:002", index))
    assert element_port("map:002", index) not in found, "a circle"
    return {port for port in found if port.startswith("numbers[")}


@given(st.lists(st.booleans(), max_size=9), st.booleans())
def test_each_entry_leads_to_its_own_element(succeeded: list[bool], filled: bool) -> None:
    """However many were left out, or are a default, which came from none of them."""
    gave = [index for index, each in enumerate(succeeded) if each]
    entries = list(range(len(succeeded))) if filled else gave
    edges = begun_over(edges_of_elements(len(succeeded), set(gave)), entries)
    for index, element in enumerate(entries):
        own = {element_port("numbers", element)} if element in gave else set()
        assert elements_behind(edges, index) == own
    for port in {each.source for each in edges}:
        assert port not in upstream(edges, port), "a circle"


@pytest.mark.parametrize("map_of", ["repeat", ""])
def test_entry_of_a_list_that_was_made_at_once_leads_to_the_list(map_of: str) -> None:
    """What is known of an entry of the last iteration's list is the list."""
    iterations = [Edge(element_port(LIST, 2), LIST)] if map_of else []
    step = compile_pipeline(pipeline(*TWO), TASKS).step("002")
    entries = attrs.evolve(step, map_of=map_of).entries
    cut = [each for each in begun_over(iterations, [7, 8, 9], map_of) if each not in iterations]
    assert cut == [Edge(LIST, element_port(entries, index)) for index in range(3)]
    assert all(is_element(each.target) for each in cut)
