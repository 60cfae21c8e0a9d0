"""Compiling pipelines: the graph that comes out."""

import time
from typing import Any

import attrs
import pytest
from pipeline_examples import (
    defaulted,
    face_document,
    face_pipeline,
    face_tasks,
    field,
    version_of,
)

from taskmgr_core.documents import dumps, loads, structure
from taskmgr_core.errors import InvalidPipelineError
from taskmgr_core.orchestrator.graph import compile_pipeline, compile_task
from taskmgr_core.specs import (
    Graph,
    GraphStep,
    PipelineSpec,
    Source,
    StepSpec,
    TaskVersion,
)
from taskmgr_plugins import Image
from taskmgr_plugins.schemas import schema_of


def with_inputs(index: int, **inputs: Any) -> PipelineSpec:
    """The face pipeline with other mappings for one step; None removes one."""
    document = face_document()
    mapping = {**document["steps"][index]["inputs"], **inputs}
    document["steps"][index]["inputs"] = {
        port: reference for port, reference in mapping.items() if reference is not None
    }
    return structure(document, PipelineSpec)


def test_face_pipeline_compiles_to_this_graph() -> None:
    """The whole graph of the face pipeline: sources resolved, options and versions fixed."""
    graph = compile_pipeline(face_pipeline(), face_tasks())
    image, faces = Source(port="image"), Source(port="output_001_faces_array")
    assert graph.name == "face_processing"
    assert graph.inputs == {"image": schema_of(Image)}
    assert graph.optional == ()
    assert graph.steps == (
        GraphStep(
            id="001",
            task="face_detection",
            version="1.0.0",
            queue="vision",
            priority=7,
            timeout=60.0,
            memory_mb=2048,
            retries=0,
            inputs={"image": image},
            outputs=("faces_array",),
            after=(),
        ),
        GraphStep(
            id="002",
            task="face_attributes",
            version="1.0.0",
            queue="default",
            priority=5,
            timeout=60.0,
            memory_mb=2048,
            retries=0,
            inputs={"faces_array": faces, "image": image},
            outputs=("attributes_array",),
            after=("001",),
        ),
        GraphStep(
            id="003",
            task="face_features",
            version="1.0.0",
            queue="default",
            priority=5,
            timeout=60.0,
            memory_mb=2048,
            retries=2,
            inputs={"faces_array": faces, "image": image},
            outputs=("features_array",),
            after=("001",),
        ),
    )
    assert graph.result == face_pipeline().result


def test_schemas_name_every_port_and_pipeline_input() -> None:
    """``Graph.schemas`` has each pipeline input and each port, mapped or not."""
    graph = compile_pipeline(face_pipeline(), face_tasks())
    assert list(graph.schemas) == [
        "image",
        "input_001_image",
        "input_001_threshold",
        "input_002_faces_array",
        "input_002_image",
        "input_002_kind",
        "input_003_faces_array",
        "input_003_image",
        "output_001_faces_array",
        "output_002_attributes_array",
        "output_003_features_array",
    ]
    assert graph.schemas["input_002_kind"] == {"enum": ["fast", "exact"]}


def test_steps_keep_the_order_of_the_file_where_they_may() -> None:
    """Steps stand behind what they wait for, and otherwise as in the file."""
    first, second, third = face_pipeline().steps
    graph = compile_pipeline(
        attrs.evolve(face_pipeline(), steps=(third, first, second)), face_tasks()
    )
    assert [step.id for step in graph.steps] == ["001", "003", "002"]


def test_constant_becomes_a_source_without_port() -> None:
    """``{"value": ...}`` is kept in the graph, and makes no step wait."""
    graph = compile_pipeline(with_inputs(0, input_001_threshold={"value": 1}), face_tasks())
    assert graph.step("001").inputs["threshold"] == Source(port="", constant=1)
    assert graph.step("001").after == ()


def test_input_port_stands_for_its_source_through_any_number_of_steps() -> None:
    """An input port named as a source is replaced by what that input takes, transitively."""
    spec = with_inputs(2, input_003_image="input_002_image")
    assert compile_pipeline(spec, face_tasks()).step("003").inputs["image"] == Source(port="image")


def test_input_port_left_to_its_default_stands_for_that_default() -> None:
    """Naming an input port that is not mapped gives the default that it has."""
    task = version_of("scale", (defaulted("factor", float, 2.5),), (field("result", float),))
    steps = (
        StepSpec("001", "scale"),
        StepSpec("002", "scale", {"input_002_factor": "input_001_factor"}),
    )
    graph = compile_pipeline(PipelineSpec("twice", {}, steps), {"scale": task})
    assert graph.step("002").inputs == {"factor": Source(constant=2.5)}


def test_result_is_by_default_what_no_step_takes() -> None:
    """Without a declared result, every output that no other step takes is one, by its port id."""
    graph = compile_pipeline(attrs.evolve(face_pipeline(), result={}), face_tasks())
    assert graph.result == {
        "output_002_attributes_array": "output_002_attributes_array",
        "output_003_features_array": "output_003_features_array",
    }


def test_pipeline_input_is_optional_where_every_use_has_a_default() -> None:
    """An input is optional if nothing that takes it is required; one required use is enough."""
    task = version_of(
        "join", (field("text", str), defaulted("end", str, ".")), (field("result", str),)
    )
    inputs = {"text": "string", "end": "string", "both": "string", "unused": "any"}
    steps = (
        StepSpec("001", "join", {"input_001_text": "text", "input_001_end": "end"}),
        StepSpec("002", "join", {"input_002_text": "both", "input_002_end": "both"}),
    )
    graph = compile_pipeline(PipelineSpec("texts", inputs, steps), {"join": task})
    assert graph.optional == ("end", "unused")


READ_BY: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "when": ({"when": "it != null"}, {}),
    "when, by an input port": (
        {"inputs": {"input_001_end": "it"}, "when": "input_001_end > 1"},
        {},
    ),
    "switch": ({}, {"switch": [{"on": "it", "cases": {"x": ["001"]}}]}),
    "key": ({"concurrency": {"max": 1, "key": "it"}}, {}),
    "map": ({"inputs": {"input_001_end": "it"}, "map": "it"}, {}),
}


@pytest.mark.parametrize("name", READ_BY)
def test_pipeline_input_that_is_read_is_not_optional(name: str) -> None:
    """What a condition, a switch, a key or a map reads has to be given, here and from outside."""
    step, more = READ_BY[name]
    tasks = {"cut": version_of("cut", (defaulted("end", Any, 0),), (field("it", Any),))}
    inputs = {"it": "any", "other": "any"}
    steps = [{"id": "001", "task": "cut", **step}]
    spec = structure({"pipeline": "p", "inputs": inputs, "steps": steps, **more}, PipelineSpec)
    assert compile_pipeline(spec, tasks).optional == ("other",)
    sub = {"id": "a", "pipeline": "p", "inputs": {"input_a_it": "given"}}
    outer: Any = {"pipeline": "outer", "inputs": {"given": "any"}, "steps": [sub]}
    assert compile_pipeline(structure(outer, PipelineSpec), tasks, {"p": spec}).optional == ()
    sub["inputs"] = {}
    with pytest.raises(InvalidPipelineError) as caught:
        compile_pipeline(structure(outer, PipelineSpec), tasks, {"p": spec})
    (problem,) = caught.value.problems
    assert problem.message.startswith("missing; p needs any: ")


def test_pipeline_input_may_be_a_json_schema() -> None:
    """A pipeline input may be declared with a JSON Schema of its own."""
    schema = {"type": "number", "minimum": 0}
    spec = attrs.evolve(
        with_inputs(0, input_001_threshold="threshold"),
        inputs={"image": "Image", "threshold": schema},
    )
    assert compile_pipeline(spec, face_tasks()).inputs["threshold"] == schema


def test_versions_may_be_looked_up_by_a_function() -> None:
    """A function of name and version, as the metadata store's, is asked once for each pair."""
    asked: list[tuple[str, str | None]] = []

    def look_up(task: str, version: str | None) -> TaskVersion:
        asked.append((task, version))
        return face_tasks()[task]

    spec = face_pipeline()
    steps = (*spec.steps, StepSpec("004", "face_detection", {"input_004_image": "image"}))
    compile_pipeline(attrs.evolve(spec, steps=steps), look_up)
    assert asked == [
        ("face_detection", None),
        ("face_attributes", None),
        ("face_features", None),
    ]


def test_graph_survives_json() -> None:
    """A graph is kept with its run: written as JSON and read back, it is the same."""
    graph = compile_pipeline(face_pipeline(), face_tasks())
    assert loads(dumps(graph), Graph) == graph


def test_task_compiles_to_a_graph_of_one_step() -> None:
    """A run of one task has its fields as inputs and result, those with defaults optional."""
    graph = compile_task(face_tasks()["face_detection"])
    assert graph.name == "face_detection"
    assert list(graph.inputs) == ["image", "threshold"]
    assert graph.optional == ("threshold",)
    assert graph.result == {"faces_array": "output_001_faces_array"}
    (step,) = graph.steps
    assert step.id == "001"
    assert step.inputs == {"image": Source(port="image"), "threshold": Source(port="threshold")}


def test_task_may_have_fields_that_read_as_ports() -> None:
    """A parameter such as ``input_image_path`` does not keep a task from running alone."""
    task = version_of("read", (field("input_image_path", str),), (field("result", str),))
    assert list(compile_task(task).inputs) == ["input_image_path"]


def test_thousand_steps_compile_in_under_a_second() -> None:
    """Compiling costs about the same for each step."""
    spec = chain(1000)
    started = time.perf_counter()
    graph = compile_pipeline(spec, face_tasks())
    assert time.perf_counter() - started < 1
    assert len(graph.steps) == 1000
    assert graph.steps[-1].inputs["image"] == Source(port="image")


def chain(count: int) -> PipelineSpec:
    """Steps each of which takes its picture from the input port of the one before."""
    steps = [
        StepSpec(
            f"{number:04}",
            "face_detection",
            {f"input_{number:04}_image": f"input_{number - 1:04}_image" if number else "image"},
        )
        for number in range(count)
    ]
    return PipelineSpec("chain", {"image": "Image"}, tuple(steps))
