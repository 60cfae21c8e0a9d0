"""Compiling any pipeline: valid ones compile, and one wrong word is found at its place."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_examples import defaulted, field, version_of

from taskmgr_core.documents import structure
from taskmgr_core.errors import InvalidPipelineError
from taskmgr_core.orchestrator.graph import compile_pipeline
from taskmgr_core.orchestrator.ordering import circles, ordered
from taskmgr_core.specs import PipelineSpec, Source

Document = dict[str, Any]

NUMBERS, TEXTS = {"integer", "number"}, {"string"}
TASKS = {
    each.name: each
    for each in (
        version_of(
            "measure",
            (field("amount", float), defaulted("unit", str, "m")),
            (field("size", float), field("text", str)),
        ),
        version_of("count", (field("text", str),), (field("size", int),)),
        version_of("start", (), (field("text", str),)),
    )
}
TYPES = {"amount": NUMBERS, "unit": TEXTS, "text": TEXTS}
OUTPUTS = {
    "measure": {"size": "number", "text": "string"},
    "count": {"size": "integer"},
    "start": {"text": "string"},
}
CONSTANTS: Mapping[str, Any] = {"integer": 3, "number": 2.5, "string": "a"}


@st.composite
def documents(draw: st.DrawFn) -> tuple[Document, dict[str, Source]]:
    """A valid pipeline with its steps in any order, and where each mapped input comes from."""
    declared = draw(
        st.dictionaries(st.sampled_from("pqr"), st.sampled_from(sorted(CONSTANTS)), max_size=3)
    )
    kinds = dict(declared)
    aliases: dict[str, tuple[str, Source]] = {}
    expected: dict[str, Source] = {}
    steps: list[Document] = []
    for number in range(draw(st.integers(1, 7))):
        task = draw(st.sampled_from(sorted(TASKS)))
        step: Document = {"id": f"{number:03}", "task": task, "inputs": {}}
        mine: dict[str, tuple[str, Source]] = {}
        for each in TASKS[task].task.inputs:
            if not each.required and draw(st.booleans()):
                continue
            port = f"input_{step['id']}_{each.name}"
            fitting = TYPES[each.name]
            choices: list[tuple[Any, str, Source]] = [
                *(({"value": CONSTANTS[kind]}, kind, Source(constant=CONSTANTS[kind]))
                  for kind in sorted(fitting)),
                *((name, kind, Source(port=name)) for name, kind in kinds.items()
                  if kind in fitting),
                *((name, kind, source) for name, (kind, source) in aliases.items()
                  if kind in fitting),
            ]  # fmt: skip
            reference, kind, source = draw(st.sampled_from(choices))
            step["inputs"][port] = reference
            mine[port], expected[port] = (kind, source), source
        aliases.update(mine)
        for name, kind in OUTPUTS[task].items():
            kinds[f"output_{step['id']}_{name}"] = kind
        steps.append(step)
    document = {"pipeline": "any", "inputs": declared, "steps": draw(st.permutations(steps))}
    return document, expected


@given(documents())
def test_valid_pipeline_compiles_in_topological_order(
    drawn: tuple[Document, dict[str, Source]],
) -> None:
    """Any valid pipeline compiles: all sources resolved, each step behind those it waits for."""
    document, expected = drawn
    graph = compile_pipeline(structure(document, PipelineSpec), TASKS)
    found = {
        f"input_{step.id}_{name}": source
        for step in graph.steps
        for name, source in step.inputs.items()
    }
    assert found == expected
    done: set[str] = set()
    for step in graph.steps:
        producers = {each.port.split("_")[1] for each in step.inputs.values() if "_" in each.port}
        assert set(step.after) == producers
        assert producers <= done
        done.add(step.id)
    assert len(graph.steps) == len(document["steps"])
    taken = {source.port for source in expected.values()}
    assert taken.isdisjoint(graph.result)
    assert graph.result.keys() | taken >= graph.schemas.keys() - expected.keys() - {
        port for port in graph.schemas if port.startswith("input_") or port in graph.inputs
    }


def unknown_task(document: Document, index: int) -> str:
    """A task that is not there."""
    document["steps"][index]["task"] += "x"
    return f"steps[{index}].task"


def unknown_version(document: Document, index: int) -> str:
    """A version that is not there."""
    document["steps"][index]["version"] = "2.0.0"
    return f"steps[{index}].version"


def bad_id(document: Document, index: int) -> str:
    """An id with another sign."""
    document["steps"][index]["id"] += "-"
    return f"steps[{index}].id"


def doubled_step(document: Document, index: int) -> str:
    """The same step again."""
    document["steps"].append(document["steps"][index])
    return f"steps[{len(document['steps']) - 1}].id"


def extra_input(document: Document, index: int) -> str:
    """An input that the task has not."""
    port = f"input_{document['steps'][index]['id']}_extra"
    document["steps"][index]["inputs"][port] = {"value": 1}
    return f"steps[{index}].inputs.{port}"


def own_output(document: Document, index: int) -> str:
    """A step that waits for itself."""
    step = document["steps"][index]
    output = next(iter(OUTPUTS[step["task"]]))
    port = next(iter(step["inputs"]), f"input_{step['id']}_none")
    step["inputs"][port] = f"output_{step['id']}_{output}"
    return f"steps[{index}].inputs.{port}"


def unknown_source(document: Document, index: int) -> str:
    """A source that is not there."""
    return _remap(document, index, "output_999_size")


def constant_of_no_type(document: Document, index: int) -> str:
    """A constant that fits no input."""
    return _remap(document, index, {"value": [1]})


def constant_misspelt(document: Document, index: int) -> str:
    """A constant under another word."""
    return _remap(document, index, {"values": 1})


def source_of_no_type(document: Document, index: int) -> str:
    """A pipeline input that fits no input."""
    document["inputs"]["picture"] = "Image"
    return _remap(document, index, "picture")


def unknown_type(document: Document, _: int) -> str:
    """A pipeline input of a type that is not there."""
    document["inputs"]["wrong"] = "Imagee"
    return "inputs.wrong"


def unknown_result(document: Document, index: int) -> str:
    """A result of a port that is not there."""
    document["result"] = {"all": f"output_{document['steps'][index]['id']}_nothing"}
    return "result.all"


def _remap(document: Document, index: int, reference: Any) -> str:
    step = document["steps"][index]
    port = next(iter(step["inputs"]), f"input_{step['id']}_none")
    step["inputs"][port] = reference
    return f"steps[{index}].inputs.{port}"


MUTATIONS: tuple[Callable[[Document, int], str], ...] = (
    unknown_task,
    unknown_version,
    bad_id,
    doubled_step,
    extra_input,
    own_output,
    unknown_source,
    constant_of_no_type,
    constant_misspelt,
    source_of_no_type,
    unknown_type,
    unknown_result,
)


@given(documents(), st.sampled_from(MUTATIONS), st.integers(0, 6))
def test_single_fault_is_found_at_its_place(
    drawn: tuple[Document, dict[str, Source]],
    mutation: Callable[[Document, int], str],
    choice: int,
) -> None:
    """One wrong word in any valid pipeline: it is refused, with the place of that word."""
    document, _ = drawn
    place = mutation(document, choice % len(document["steps"]))
    with pytest.raises(InvalidPipelineError) as caught:
        compile_pipeline(structure(document, PipelineSpec), TASKS)
    assert place in {each.place for each in caught.value.problems}


@given(documents(), st.integers(0, 6))
def test_missing_input_is_found(drawn: tuple[Document, dict[str, Source]], choice: int) -> None:
    """A required input taken away from any valid pipeline is told with the port's name."""
    document, _ = drawn
    step = document["steps"][choice % len(document["steps"])]
    required = [each.name for each in TASKS[step["task"]].task.inputs if each.required]
    for name in required:
        del step["inputs"][f"input_{step['id']}_{name}"]
    if required:
        with pytest.raises(
            InvalidPipelineError, match=f"input_{step['id']}_{required[0]}: missing"
        ):
            compile_pipeline(structure(document, PipelineSpec), TASKS)


@given(
    st.dictionaries(
        st.sampled_from("abcdefg"), st.lists(st.sampled_from("abcdefg"), unique=True, max_size=3)
    )
)
def test_order_has_every_step_or_a_circle_tells_why(given_after: dict[str, list[str]]) -> None:
    """Steps that cannot be ordered wait for one of the circles, and a circle is one."""
    after = {
        step: [each for each in earlier if each in given_after]
        for step, earlier in given_after.items()
    }
    order = ordered(after)
    for index, step in enumerate(order):
        assert set(after[step]) <= set(order[:index])
    found = list(circles(after, order))
    for circle in found:
        assert circle[0] == circle[-1]
        assert all(earlier in after[step] for earlier, step in itertools.pairwise(circle))
    blocked = {step for circle in found for step in circle}
    for _ in after:
        blocked |= {step for step, earlier in after.items() if blocked.intersection(earlier)}
    assert blocked == set(after) - set(order)
