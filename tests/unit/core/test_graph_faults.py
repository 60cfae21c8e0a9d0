"""Compiling pipelines: each fault with its place and the cure."""

import time
from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from pipeline_examples import (
    face_document,
    face_pipeline,
    face_tasks,
    field,
    version_of,
)

from taskmgr_core.documents import structure
from taskmgr_core.errors import InvalidPipelineError, NotFoundError
from taskmgr_core.orchestrator.graph import compile_pipeline
from taskmgr_core.specs import (
    PipelineSpec,
    ResultSpec,
    StepSpec,
    TaskVersion,
)


def problems_of(spec: PipelineSpec, versions: Any = None) -> dict[str, str]:
    """Place -> message of everything that is wrong with a pipeline."""
    with pytest.raises(InvalidPipelineError) as caught:
        compile_pipeline(spec, face_tasks() if versions is None else versions)
    return {each.place: each.message for each in caught.value.problems}


def with_inputs(index: int, **inputs: Any) -> PipelineSpec:
    """The face pipeline with other mappings for one step; None removes one."""
    document = face_document()
    mapping = {**document["steps"][index]["inputs"], **inputs}
    document["steps"][index]["inputs"] = {
        port: reference for port, reference in mapping.items() if reference is not None
    }
    return structure(document, PipelineSpec)


def with_result(**result: Any) -> PipelineSpec:
    """The face pipeline with another result."""
    return face_pipeline(result=result)


def joined(**changes: Any) -> PipelineSpec:
    """The face pipeline with another joined result."""
    return with_result(faces={**face_document()["result"]["faces"], **changes})


def test_every_problem_is_told_at_once() -> None:
    """One error has the faults of inputs, steps and result, in the order of the file."""
    document = face_document()
    document["inputs"]["picture"] = "Imag"
    document["steps"][0]["task"] = "face_detecton"
    document["steps"][1]["inputs"]["input_002_kind"] = {"value": "slow"}
    document["result"]["ages"] = "output_002_ages"
    with pytest.raises(InvalidPipelineError) as caught:
        compile_pipeline(structure(document, PipelineSpec), face_tasks())
    assert str(caught.value) == (
        "the pipeline 'face_processing' cannot run:\n"
        "  inputs.picture: no type 'Imag'; did you mean 'Image'?\n"
        "  steps[0].task: no task 'face_detecton'; did you mean 'face_detection'?\n"
        '  steps[1].inputs.input_002_kind: "slow" is not one of "fast", "exact"\n'
        "  result.ages: there is no output 'output_002_ages'; "
        "did you mean 'output_002_attributes_array'?"
    )


FAULTS: Mapping[str, tuple[PipelineSpec, str, str]] = {
    "result named as the summary": (
        with_result(processing_summary="output_001_faces_array"),
        "result.processing_summary",
        "every pipeline's result has an entry 'processing_summary' of its own; rename it",
    ),
    "misspelt input port": (
        with_inputs(1, input_002_imag="image"),
        "steps[1].inputs.input_002_imag",
        "'input_002_imag' is no input of step '002' (face_attributes); "
        "did you mean 'input_002_image'?",
    ),
    "field in place of a port": (
        with_inputs(1, kind={"value": "fast"}),
        "steps[1].inputs.kind",
        "'kind' is no input of step '002' (face_attributes); did you mean 'input_002_kind'?",
    ),
    "port of another step": (
        with_inputs(1, input_003_image="image"),
        "steps[1].inputs.input_003_image",
        "'input_003_image' is no input of step '002' (face_attributes); "
        "did you mean 'input_002_image'?",
    ),
    "missing input": (
        with_inputs(1, input_002_faces_array=None),
        "steps[1].inputs.input_002_faces_array",
        "missing; face_attributes needs array of FaceBox: name a pipeline input or an output "
        'port, or write {"value": ...}',
    ),
    "unknown pipeline input": (
        with_inputs(0, input_001_image="imge"),
        "steps[0].inputs.input_001_image",
        "there is no 'imge'; did you mean 'image'?",
    ),
    "unknown output": (
        with_inputs(1, input_002_faces_array="output_001_faces"),
        "steps[1].inputs.input_002_faces_array",
        "there is no 'output_001_faces'; did you mean 'output_001_faces_array'?",
    ),
    "field in place of an output": (
        with_inputs(1, input_002_faces_array="faces_array"),
        "steps[1].inputs.input_002_faces_array",
        "there is no 'faces_array'; did you mean 'output_001_faces_array'?",
    ),
    "unknown step": (
        with_inputs(1, input_002_faces_array="output_009_faces_array"),
        "steps[1].inputs.input_002_faces_array",
        "there is no 'output_009_faces_array'; there is no step '009', did you mean '003'?",
    ),
    "misspelt constant": (
        with_inputs(0, input_001_threshold={"valu": 1}),
        "steps[0].inputs.input_001_threshold",
        "'valu' is not allowed; a constant is written {\"value\": ...}",
    ),
    "empty constant": (
        with_inputs(0, input_001_threshold={}),
        "steps[0].inputs.input_001_threshold",
        'a constant is written {"value": ...}',
    ),
    "constant of another type": (
        with_inputs(0, input_001_threshold={"value": "high"}),
        "steps[0].inputs.input_001_threshold",
        '"high" does not fit number',
    ),
    "constant that is not finite": (
        with_inputs(0, input_001_threshold={"value": float("nan")}),
        "steps[0].inputs.input_001_threshold",
        "nan is not a finite number, as JSON needs it",
    ),
    "constant with a fault inside": (
        with_inputs(1, input_002_faces_array={"value": [{"face_id": 1, "confidence": 1}]}),
        "steps[1].inputs.input_002_faces_array[0]",
        "the required 'bbox' is missing",
    ),
    "output of another type": (
        with_inputs(2, input_003_faces_array="output_002_attributes_array"),
        "steps[2].inputs.input_003_faces_array",
        "output_002_attributes_array (array of FaceAttributes) does not fit array of FaceBox: "
        "[].bbox: is missing, and it is required; [].confidence: is missing, and it is required",
    ),
    "input of another type": (
        attrs.evolve(face_pipeline(), inputs={"image": "string"}),
        "steps[0].inputs.input_001_image",
        "image (string) does not fit Image",
    ),
    "input port for itself": (
        with_inputs(0, input_001_image="input_001_image"),
        "steps[0].inputs.input_001_image",
        "it takes its value from itself: input_001_image -> input_001_image",
    ),
    "input ports for one another": (
        with_inputs(0, input_001_image="input_002_image"),
        "steps[0].inputs.input_001_image",
        "it takes its value from itself: input_001_image -> input_002_image -> input_001_image",
    ),
    "output for its own step": (
        with_inputs(1, input_002_faces_array="output_002_attributes_array"),
        "steps[1].inputs.input_002_faces_array",
        "the step takes its own output output_002_attributes_array",
    ),
    "name that reads as a port": (
        attrs.evolve(face_pipeline(), inputs={"image": "Image", "input_a_b": "any"}),
        "inputs.input_a_b",
        "'input_a_b' reads as the id of a port; rename it",
    ),
    "name that is no identifier": (
        attrs.evolve(face_pipeline(), inputs={"image": "Image", "my image": "any"}),
        "inputs.my image",
        "'my image' is no name; allowed are letters, digits and '_', a letter first",
    ),
    "schema that is none": (
        attrs.evolve(face_pipeline(), inputs={"image": "Image", "size": {"type": "int"}}),
        "inputs.size.type",
        "no JSON Schema: \"int\" is no type; did you mean 'integer'?",
    ),
    "pipeline without a name": (
        attrs.evolve(face_pipeline(), pipeline=""),
        "pipeline",
        "'': allowed are letters, digits, '_', '-' and '.'",
    ),
    "pipeline without steps": (
        attrs.evolve(face_pipeline(), steps=(), result={}),
        "steps",
        "there are none; a pipeline needs at least one",
    ),
    "result that is an input": (
        with_result(picture="image"),
        "result.picture",
        "'image' is an input; a result is made of output ports",
    ),
    "join of nothing": (
        joined(ports={}, label=""),
        "result.faces.ports",
        "there are none; name the output ports that are joined",
    ),
    "join on an unknown port": (
        joined(ports={"detection": "output_001_face_array"}, label=""),
        "result.faces.ports.detection",
        "there is no output 'output_001_face_array'; did you mean 'output_001_faces_array'?",
    ),
    "join on an unknown key": (
        joined(ports={"detection": "output_001_faces_array"}, join="faceid", label=""),
        "result.faces.ports.detection",
        "output_001_faces_array cannot be joined on 'faceid': "
        "its elements have no 'faceid'; did you mean 'face_id'?",
    ),
    "join on an object": (
        joined(ports={"detection": "output_001_faces_array"}, join="bbox", label=""),
        "result.faces.ports.detection",
        "output_001_faces_array cannot be joined on 'bbox': "
        "a key must be a string or a number, not Box",
    ),
    "join under the name of the key": (
        joined(ports={"face_id": "output_001_faces_array"}, label=""),
        "result.faces.ports.face_id",
        "'face_id' is the key of each entry; take another name",
    ),
    "label that cannot be read": (
        joined(label="{attributes.gender"),
        "result.faces.label",
        "the label '{attributes.gender' cannot be read (expected '}' before end of string); "
        "write {{ and }} for braces",
    ),
    "label with an unknown name": (
        joined(label="{attribute.estimated_age}"),
        "result.faces.label",
        "{attribute.estimated_age}: an entry has no 'attribute'; did you mean 'attributes'?",
    ),
    "label with an unknown property": (
        joined(label="{attributes.gender.valeu}"),
        "result.faces.label",
        "{attributes.gender.valeu}: attributes.gender has no 'valeu'; did you mean 'value'?",
    ),
    "label with a format that does not suit": (
        joined(label="{attributes.gender.value:.0%}"),
        "result.faces.label",
        "{attributes.gender.value:.0%}: string cannot be formatted so "
        "(Unknown format code '%' for object of type 'str')",
    ),
    "label that reaches into Python": (
        joined(label="{attributes.__class__}"),
        "result.faces.label",
        "{attributes.__class__}: attributes has no '__class__'; known: 'estimated_age', 'gender'",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_has_its_place_and_the_cure(fault: str) -> None:
    """Each fault alone is told with exactly this place and message."""
    spec, place, message = FAULTS[fault]
    assert problems_of(spec)[place] == message


def test_steps_with_bad_ids_are_refused() -> None:
    """An id has letters and digits, and is one step's only."""
    step = face_pipeline().steps[0]
    steps = (step, attrs.evolve(step, inputs={}), StepSpec("0_1", "face_detection"))
    found = problems_of(attrs.evolve(face_pipeline(), steps=steps, result={}))
    assert found["steps[1].id"] == "'001' is the id of steps[0] already"
    assert found["steps[2].id"] == "'0_1' is no id; allowed are letters and digits"


def test_unknown_task_hides_nothing_and_adds_nothing() -> None:
    """Ports of a step whose task is unknown are not faults of those who name them."""
    first, *others = face_pipeline().steps
    steps = (attrs.evolve(first, task="detection"), *others)
    assert list(problems_of(attrs.evolve(face_pipeline(), steps=steps))) == ["steps[0].task"]


def test_unknown_version_is_told_apart_from_an_unknown_task() -> None:
    """A pinned version that is not there stands at ``version``, with those that are."""
    first, *others = face_pipeline().steps
    steps = (attrs.evolve(first, version="9"), *others)
    assert problems_of(attrs.evolve(face_pipeline(), steps=steps)) == {
        "steps[0].version": "no version of task 'face_detection': '9'; known: '1.0.0'"
    }


def test_look_up_that_finds_nothing_is_a_problem_with_its_message() -> None:
    """The message of a store's ``NotFoundError`` becomes that of the step."""

    def look_up(task: str, version: str | None) -> TaskVersion:
        raise NotFoundError.named("task", task, ["other"])

    found = problems_of(face_pipeline(), look_up)
    assert found["steps[0].task"] == "no task 'face_detection'; known: 'other'"


def test_missing_input_is_told_once() -> None:
    """An input port that is named by others but not mapped itself is the only fault."""
    assert list(problems_of(with_inputs(0, input_001_image=None))) == [
        "steps[0].inputs.input_001_image"
    ]


def test_cycle_names_its_steps_in_the_direction_of_the_data() -> None:
    """Steps that wait for one another are named as a circle; those behind it are not."""
    task = version_of("add", (field("a", int), field("b", int)), (field("sum", int),))
    sources = {"001": "output_003_sum", "002": "output_001_sum", "003": "output_002_sum"}
    steps = [
        StepSpec(step, "add", {f"input_{step}_a": source, f"input_{step}_b": {"value": 1}})
        for step, source in {**sources, "004": "output_003_sum"}.items()
    ]
    found = problems_of(PipelineSpec("circle", {}, tuple(steps)), {"add": task})
    assert found == {
        "steps": "they wait for one another: 001 -> 002 -> 003 -> 001; "
        "take an input of one of them from elsewhere"
    }


def test_elements_with_a_source_of_their_own_cannot_be_joined() -> None:
    """A property named as the entry's own ``source`` would be lost, so it is refused."""
    schema = {
        "type": "array",
        "items": {"type": "object", "properties": {"id": {"type": "integer"}, "source": {}}},
    }
    output = attrs.evolve(field("found", list[int]), schema=schema)
    task = version_of("find", (), (output,))
    result = {"all": ResultSpec(ports={"x": "output_001_found"}, join="id")}
    spec = PipelineSpec("finding", {}, (StepSpec("001", "find"),), result)
    (message,) = problems_of(spec, {"find": task}).values()
    assert "have a 'source' of their own" in message


@pytest.mark.parametrize("schema", [{}, {"type": "array"}, {"type": "array", "items": {}}])
def test_join_of_elements_that_are_not_declared_is_left_to_the_run(schema: Any) -> None:
    """Where a task does not say what its list holds, a join on it is allowed."""
    task = version_of("find", (), (attrs.evolve(field("found", str), schema=schema),))
    result = {"all": ResultSpec(ports={"x": "output_001_found"}, join="id", label="{x.name:>3}")}
    spec = PipelineSpec("finding", {}, (StepSpec("001", "find"),), result)
    assert compile_pipeline(spec, {"find": task}).result == result


def test_thousands_of_faults_are_told_in_a_few_seconds() -> None:
    """Looking for nearest names does not make a hopeless pipeline expensive to refuse."""
    steps = tuple(
        StepSpec(f"{number:04}", "face_detection", {f"input_{number:04}_image": f"imag{number}"})
        for number in range(1000)
    )
    started = time.perf_counter()
    assert len(problems_of(PipelineSpec("hopeless", {"image": "Image"}, steps))) == 1000
    assert time.perf_counter() - started < 5
