"""What stands for an output that was not given: the same for who takes it and for the result."""

from typing import Any

import attrs
import pytest
from pipeline_examples import defaulted, field, version_of

from taskmgr_core import documents
from taskmgr_core.documents import structure
from taskmgr_core.orchestrator.graph import compile_pipeline
from taskmgr_core.results import absent, assemble
from taskmgr_core.specs import Graph, PipelineSpec, Step, StepStatus

TASKS = {
    "add": version_of("add", (field("left", int), defaulted("right", int, 1)),
                      (field("result", int),)),
    "rows": version_of("rows", (), (field("rows", list[dict[str, int]]),)),
    "any": version_of("any", (field("it", Any),), (field("it", Any),)),
}  # fmt: skip


def add(step: str, left: Any = "n", **more: Any) -> dict[str, Any]:
    """A step that adds."""
    return {"id": step, "task": "add", "inputs": {f"input_{step}_left": left}, **more}


def pipeline(name: str, *steps: dict[str, Any], **more: Any) -> PipelineSpec:
    """A pipeline with a number, a list of them, and a switch on or off."""
    inputs = {"n": "integer", "ns": {"type": "array", "items": {"type": "integer"}},
              "go": "boolean"}  # fmt: skip
    return structure({"pipeline": name, "inputs": inputs, "steps": list(steps), **more},
                     PipelineSpec)  # fmt: skip


PLAIN = pipeline("plain", add("1"), result={"d": "output_1_result", "e": "output_1_result"})
DEFAULTED = pipeline(
    "defaulted", add("1", default={"result": 5}, on_error="default"),
    {"id": "2", "task": "rows", "default": {"rows": [{"id": 1}]}},
    result={"d": "output_1_result", "all": {"ports": {"x": "output_2_rows"}, "join": "id"}},
)  # fmt: skip


def sub(name: str, **more: Any) -> dict[str, Any]:
    """A step ``a`` in whose place a pipeline stands."""
    return {"id": "a", "pipeline": name, "inputs": {"input_a_n": "n"}, **more}


def graph(*steps: dict[str, Any], **more: Any) -> Graph:
    """A pipeline of some steps, compiled, beside which two others are published."""
    known = {each.pipeline: each for each in (PLAIN, DEFAULTED)}
    return compile_pipeline(pipeline("outer", *steps, **more), TASKS, known)


def shown(found: Graph, status: StepStatus = "skipped") -> dict[str, Any]:
    """The result of a run all of whose steps have come to the same."""
    steps = [Step("run", each.id, each.task, "1.0.0", "", 0, status) for each in found.steps]
    return assemble(found, {}, absent(found, steps))


D = {"result": {"d": "output_a_d"}}
SEVEN: dict[str, Any] = {"default": {"d": 7, "e": 8}}
CASES: dict[str, tuple[Any, Any, Any]] = {
    "step": ([add("a", when="go", default={"result": 9})], {"result": {"d": "output_a_result"}}, 9),
    "map": (
        [add("a", "ns", map="ns", when="go", default={"result": -1})],
        {"result": {"d": "output_a_result"}},
        [],
    ),
    "sub-pipeline": ([sub("plain", when="go", **SEVEN)], D, 7),
    "other entry": ([sub("plain", when="go", **SEVEN)], {"result": {"d": "output_a_e"}}, 8),
    "one inside": ([sub("defaulted")], D, 5),
    "one inside, and its own": ([sub("defaulted", default={"d": 7})], D, 7),
    "left out as a whole": ([sub("defaulted", when="go")], D, None),
    "by a switch": (
        [sub("defaulted"), add("b")],
        {**D, "switch": [{"on": "'x'", "cases": {"x": ["a"]}, "otherwise": ["b"]}]},
        None,
    ),
    "nothing": ([sub("plain", when="go")], D, None),
}


@pytest.mark.parametrize("name", CASES)
def test_result_shows_what_a_step_would_take(name: str) -> None:
    """The result of a run that left a step out is what a step behind it gets, or nothing."""
    steps, more, expected = CASES[name]
    found = graph(*steps, **more)
    assert shown(found) == {"d": expected}
    taking = {"id": "z", "task": "any", "inputs": {"input_z_it": more["result"]["d"]}}
    last = graph(*steps, taking, **more).step("z")
    assert last.inputs["it"].fallback == (() if expected is None else (expected,))
    assert (last.bears != ()) == (expected is not None)


@pytest.mark.parametrize(
    ("on_error", "expected"), [("default", 7), ("continue", None)], ids=["default", "continue"]
)
def test_default_stands_for_a_pipeline_that_failed(on_error: str, expected: Any) -> None:
    """Only where on_error says so: with continue nothing stands in the result."""
    found = graph(sub("plain", on_error=on_error, **SEVEN), **D)
    assert shown(found, "failed") == {"d": expected}


def test_value_that_was_given_wins() -> None:
    """A step that has failed and recorded its output all the same is shown with that."""
    found = graph(add("a", default={"result": 9}, on_error="default"))
    steps = [Step("run", "a", "add", "1.0.0", "", 0, "failed")]
    assert assemble(found, {"output_a_result": 3}, absent(found, steps)) == {"output_a_result": 3}


@pytest.mark.parametrize("declared", [{"all": "output_a_all"}, {}])
def test_joined_entry_has_the_defaults_of_its_ports(declared: Any) -> None:
    """Ports that are joined, here or in a pipeline inside, have what stands for each."""
    entry = {"ports": {"y": "output_b_rows"}, "join": "id"}
    rows = {"id": "b", "task": "rows", "when": "go", "default": {"rows": [{"id": 4}]}}
    assert shown(graph(rows, result={"it": entry}))["it"][0]["id"] == 4
    found = shown(graph(sub("defaulted"), result=declared))
    (joined,) = (each for name, each in found.items() if name.endswith("all"))
    assert joined == [{"id": 1, "x": {"source": "output_a.2_rows"}}]


def test_run_of_before_has_the_defaults_of_its_steps() -> None:
    """A graph that was recorded without what stands in its result is read as ever."""
    found = graph(
        add("a", when="go", default={"result": 9}),
        add("b", "ns", map="ns", when="go", default={"result": 9}),
        result={"d": "output_a_result", "e": "output_b_result"},
    )
    recorded = documents.unstructure(attrs.evolve(found, fallbacks=None))
    assert "fallbacks" not in recorded
    assert shown(structure(recorded, Graph)) == {"d": 9, "e": []}
    assert structure(documents.unstructure(found), Graph) == found
