"""Pipelines that cannot be read whole: all that can be said of them is said at once."""

import contextlib
import copy
import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_examples import face_document, face_tasks

from taskmgr_core.documents import InvalidDocumentError, unstructure
from taskmgr_core.drafts import draft, is_inside
from taskmgr_core.errors import InvalidPipelineError
from taskmgr_core.orchestrator.graph import compile_pipeline
from taskmgr_core.pipelines import parse_pipeline
from taskmgr_core.specs import PipelineSpec, StepSpec


def problems_of(document: Any) -> dict[str, str]:
    """What is said of a pipeline file: place -> message."""
    with pytest.raises(InvalidDocumentError) as caught:
        parse_pipeline(json.dumps(document), ".json", versions=face_tasks())
    return {each.place: each.message for each in caught.value.problems}


def known(model: type) -> str:
    """The keys that a model has, as they are told."""
    names = sorted(each.name for each in attrs.fields(model))
    return "known: " + ", ".join(map(repr, names[:12])) + (", ..." if len(names) > 12 else "")


def changed(*path: Any, to: Any) -> dict[str, Any]:
    """The face pipeline with another value in a place."""
    document: Any = copy.deepcopy(face_document())
    *way, last = path
    found = document
    for step in way:
        found = found[step]
    found[last] = to
    return dict(document)


def test_faults_of_structure_hide_no_fault_of_meaning() -> None:
    """An unknown key and a wrong type are told with an unknown task, port and type misfit."""
    document = face_document()
    document["colour"] = "red"
    document["steps"][0]["priority"] = 3
    document["steps"][0]["inputs"]["input_001_threshold"] = {"value": "high"}
    document["steps"][1]["version"] = 2
    document["steps"][1]["inputs"]["input_002_image"] = "imgae"
    document["steps"][2]["task"] = "face_featurs"
    document["result"] = {"faces": "output_001_face"}
    assert problems_of(document) == {
        "": "unknown field 'colour', " + known(PipelineSpec),
        "steps[0]": "unknown field 'priority', " + known(StepSpec),
        "steps[0].inputs.input_001_threshold": '"high" does not fit number',
        "steps[1].version": '2 is not of type str; write it in quotes: "2"',
        "steps[1].inputs.input_002_image": "there is no 'imgae'; did you mean 'image'?",
        "steps[2].task": "no task 'face_featurs'; did you mean 'face_features'?",
        "result.faces": (
            "there is no output 'output_001_face'; did you mean 'output_001_faces_array'?"
        ),
    }


def test_circle_is_told_beside_an_unknown_key() -> None:
    """Steps that wait for one another are found in a file that has an unknown key."""
    document = changed("steps", 0, "inputs", "input_001_image", to="output_003_features_array")
    document["colour"] = "red"
    assert {"", "steps"} <= set(problems_of(document))


ALONE: list[tuple[tuple[Any, ...], Any, str]] = [
    (("pipeline",), 5, "pipeline"),
    (("inputs",), [], "inputs"),
    (("inputs", "image"), 5, "inputs.image"),
    (("steps",), "abc", "steps"),
    (("steps", 0), "001", "steps[0]"),
    (("steps", 0, "id"), 1, "steps[0].id"),
    (("steps", 0, "task"), None, "steps[0].task"),
    (("steps", 0, "version"), 1, "steps[0].version"),
    (("steps", 0, "inputs"), "image", "steps[0].inputs"),
    (("steps", 1, "inputs", "input_002_faces_array"), 5, "steps[1].inputs.input_002_faces_array"),
    (("result",), 5, "result"),
    (("result", "faces"), 5, "result.faces"),
    (("result", "faces", "join"), 5, "result.faces.join"),
    (("result", "faces", "ports"), 5, "result.faces.ports"),
    (("result", "faces", "ports", "detection"), 5, "result.faces.ports.detection"),
    (("result", "faces", "label"), 5, "result.faces.label"),
]


@pytest.mark.parametrize(("path", "value", "place"), ALONE, ids=[each[2] for each in ALONE])
def test_fault_of_structure_has_no_consequences(
    path: tuple[Any, ...], value: Any, place: str
) -> None:
    """What cannot be read is told once: nothing that refers to it is called wrong."""
    assert list(problems_of(changed(*path, to=value))) == [place]


@pytest.mark.parametrize("key", ["id", "task", "inputs"])
def test_misspelt_key_has_no_consequences(key: str) -> None:
    """Of a misspelt key only that is told, and that the right one is missing if it is needed."""
    document = face_document()
    step = document["steps"][0]
    step[key + "s" if key != "inputs" else "inptus"] = step.pop(key)
    places = {"steps[0]", "steps[0].id"} if key == "id" else {"steps[0]"}
    assert set(problems_of(document)) == places


def test_unknown_task_is_told_of_a_step_without_an_id() -> None:
    """A step that nothing can refer to is still checked for its task."""
    document = changed("steps", 0, "task", to="face_detction")
    del document["steps"][0]["id"]
    assert set(problems_of(document)) == {"steps[0].id", "steps[0].task"}


def test_port_that_cannot_be_joined_is_told_where_the_key_is_missing() -> None:
    """The ports of a result without its key are looked up."""
    document = changed("result", "faces", "ports", "detection", to="output_001_fases")
    del document["result"]["faces"]["join"]
    assert set(problems_of(document)) == {"result.faces.join", "result.faces.ports.detection"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(data=st.data())
def test_any_damage_leaves_what_can_be_read(data: st.DataObject) -> None:
    """Whatever stands in some place: the rest is read, and every problem has a place in a hole."""
    document: Any = face_document()
    parent: Any = None
    key: Any = None
    found = document
    while isinstance(found, dict | list) and found and data.draw(st.booleans() | st.just(True)):
        parent = found
        key = data.draw(
            st.sampled_from(list(found) if isinstance(found, dict) else range(len(found)))
        )
        found = found[key]
    if parent is not None:
        parent[key] = data.draw(JSON)
    read = draft(document, PipelineSpec)
    assert all(isinstance(each.id, str) for each in read.value.steps)
    if not read.problems:
        assert draft(unstructure(read.value), PipelineSpec).problems == ()
    assert not read.holes or any(is_inside(each.place, read.holes) for each in read.problems)
    with contextlib.suppress(InvalidPipelineError):
        compile_pipeline(read.value, face_tasks())
