"""Pipelines written in Python: the same as a file's, and clear about misuse."""

from typing import Any

import pytest
from pipeline_examples import face_pipeline, face_tasks

from taskmgr_core.builder import BuilderError, PipelineBuilder
from taskmgr_core.orchestrator.graph import compile_pipeline
from taskmgr_core.specs import PipelineSpec, StepSpec
from taskmgr_plugins import Image
from taskmgr_plugins.schemas import schema_of


def face_builder() -> PipelineBuilder:
    """The face pipeline, built."""
    pipeline = PipelineBuilder("face_processing")
    image = pipeline.input("image", "Image")
    faces = pipeline.step("face_detection", image=image)
    array = faces.output("faces_array")
    attributes = pipeline.step("face_attributes", faces_array=array, image=faces.input("image"))
    features = pipeline.step("face_features", faces_array=array, image=faces.input("image"))
    pipeline.result(
        "faces",
        join="face_id",
        ports={
            "detection": array,
            "attributes": attributes.output("attributes_array"),
            "features": features.output("features_array"),
        },
        label="{attributes.gender.value} {attributes.estimated_age:.0f}",
    )
    return pipeline


def test_builder_gives_the_pipeline_of_the_file() -> None:
    """The face pipeline built in Python is the one of the file, and compiles."""
    spec = face_builder().build()
    assert spec == face_pipeline()
    assert compile_pipeline(spec, face_tasks()).name == "face_processing"


def test_plain_values_become_constants() -> None:
    """Whatever is no port is a constant, as JSON has it."""
    pipeline = PipelineBuilder("constants", description="one line")
    step = pipeline.step(
        "any", version="1.2.0", none=None, pair=(1, 2), text="image", given={"a": 1}
    )
    pipeline.result("all", step.output("result"))
    assert pipeline.build() == PipelineSpec(
        pipeline="constants",
        inputs={},
        steps=(
            StepSpec(
                "001",
                "any",
                {
                    "input_001_none": {"value": None},
                    "input_001_pair": {"value": [1, 2]},
                    "input_001_text": {"value": "image"},
                    "input_001_given": {"value": {"a": 1}},
                },
                "1.2.0",
            ),
        ),
        result={"all": "output_001_result"},
        description="one line",
    )


def test_ids_are_given_in_order_and_skip_those_that_are_taken() -> None:
    """Ids count up; an id of one's own is kept and never given again."""
    pipeline = PipelineBuilder("ids")
    steps = [
        pipeline.step("a"),
        pipeline.step("a", id="003"),
        pipeline.step("a"),
        pipeline.step("a"),
    ]
    assert [step.id for step in steps] == ["001", "003", "004", "005"]


def test_fields_with_the_names_of_options_go_into_inputs() -> None:
    """A task may have fields named ``id``, ``version``, ``inputs``, ``task`` and ``self``."""
    pipeline = PipelineBuilder("names")
    pipeline.step("a", inputs={"id": 1, "version": 2, "inputs": 3, "self": 4}, task=5)
    (step,) = pipeline.build().steps
    assert list(step.inputs) == [
        f"input_001_{name}" for name in ("id", "version", "inputs", "self", "task")
    ]


def test_input_types_may_be_annotations_and_schemas() -> None:
    """An input is declared by a type's name, a schema or a Python annotation."""
    pipeline = PipelineBuilder("types")
    pipeline.input("anything")
    pipeline.input("picture", Image)
    pipeline.input("numbers", list[float])
    pipeline.input("share", {"type": "number", "maximum": 1})
    assert pipeline.build().inputs == {
        "anything": "any",
        "picture": schema_of(Image),
        "numbers": {"type": "array", "items": {"type": "number"}},
        "share": {"type": "number", "maximum": 1},
    }


def test_built_pipeline_stays_as_it_was() -> None:
    """What is added to the builder afterwards does not change what was built."""
    pipeline = face_builder()
    spec = pipeline.build()
    pipeline.step("face_detection", image=pipeline.input("other", "Image"))
    assert spec == face_pipeline()


def test_misuse_is_told() -> None:
    """Each misuse is refused where it happens, with the name and the cure."""
    pipeline = PipelineBuilder("misused")
    image = pipeline.input("image", "Image")
    faces = pipeline.step("face_detection", image=image)
    output = faces.output("faces_array")
    stranger = PipelineBuilder("other").input("image")
    pipeline.result("faces", output)
    misuses: list[tuple[str, Any]] = [
        ("has an input 'image' already", lambda: pipeline.input("image")),
        ("the id '001' is taken by the step 'face_", lambda: pipeline.step("a", id="001")),
        ("input 'x': the step '001' .* name one, as .out", lambda: pipeline.step("a", x=faces)),
        ("input 'x': 'image' belongs to another", lambda: pipeline.step("a", x=stranger)),
        ("input 'x': .* JSON can hold", lambda: pipeline.step("a", x=object())),
        ("input 'x': .* JSON can hold", lambda: pipeline.step("a", x=[output])),
        ("input 'x': nan .* JSON can hold", lambda: pipeline.step("a", x=float("nan"))),
        ("input 'x' is given twice", lambda: pipeline.step("a", inputs={"x": 1}, x=1)),
        ("has a result 'faces' already", lambda: pipeline.result("faces", output)),
        ("result 'r': give one output, or", lambda: pipeline.result("r")),
        ("result 'r': give one output, or", lambda: pipeline.result("r", output, join="id")),
        ("result 'r': give one output, or", lambda: pipeline.result("r", ports={"a": output})),
        ("result 'r': 'x' is no output; give", lambda: pipeline.result("r", "x")),  # type: ignore[arg-type]
        ("result 'r': the step '001'", lambda: pipeline.result("r", faces)),  # type: ignore[arg-type]
    ]
    for message, misuse in misuses:
        with pytest.raises(BuilderError, match=message):
            misuse()
