"""Tasks and pipelines that the tests of the core share."""

from typing import Any, Literal

import attrs

from taskmgr_core.documents import structure
from taskmgr_core.specs import FieldSpec, PipelineSpec, Release, StoredFile, TaskSpec, TaskVersion
from taskmgr_plugins import Array, Box, Image
from taskmgr_plugins.schemas import schema_of


@attrs.frozen
class FaceBox:
    """A face found in a picture."""

    face_id: int
    bbox: Box
    confidence: float


@attrs.frozen
class Guess:
    """One guess with its confidence."""

    value: str
    confidence: float


@attrs.frozen
class FaceAttributes:
    """What a face looks like."""

    face_id: int
    gender: Guess
    estimated_age: float | None


@attrs.frozen
class FaceFeatures:
    """The embedding of a face."""

    face_id: int
    embedding: Array


def field(name: str, annotation: Any, **more: Any) -> FieldSpec:
    """A field whose schema comes from an annotation."""
    return FieldSpec(name=name, schema=schema_of(annotation), **more)


def defaulted(name: str, annotation: Any, default: Any) -> FieldSpec:
    """An input with a default."""
    return field(name, annotation, required=False, default=default)


def version_of(
    name: str,
    inputs: tuple[FieldSpec, ...],
    outputs: tuple[FieldSpec, ...],
    version: str = "1.0.0",
    **options: Any,
) -> TaskVersion:
    """A published task."""
    stored = StoredFile("x", "sha256:" + "0" * 64, 1)
    release = Release(
        distribution=name.replace("_", "-"),
        version=version,
        wheel=stored,
        lock=stored,
        sdk=stored,
        models=(),
        python="3.11",
        platform="linux-x86_64",
        published_at="2025-01-01T00:00:00Z",
    )
    return TaskVersion(TaskSpec(name=name, inputs=inputs, outputs=outputs, **options), release)


def face_tasks() -> dict[str, TaskVersion]:
    """The three tasks of the face pipeline."""
    image = field("image", Image)
    faces = field("faces_array", list[FaceBox])
    threshold = defaulted("threshold", float, 0.5)
    tasks = (
        version_of("face_detection", (image, threshold), (faces,), queue="vision", priority=7),
        version_of(
            "face_attributes",
            (faces, image, defaulted("kind", Literal["fast", "exact"], "fast")),
            (field("attributes_array", list[FaceAttributes]),),
        ),
        version_of(
            "face_features",
            (faces, image),
            (field("features_array", list[FaceFeatures]),),
            retries=2,
        ),
    )
    return {each.name: each for each in tasks}


def face_document() -> dict[str, Any]:
    """The face pipeline as its file has it."""
    return {
        "pipeline": "face_processing",
        "inputs": {"image": "Image"},
        "steps": [
            {
                "id": "001",
                "task": "face_detection",
                "inputs": {"input_001_image": "image"},
            },
            {
                "id": "002",
                "task": "face_attributes",
                "inputs": {
                    "input_002_faces_array": "output_001_faces_array",
                    "input_002_image": "input_001_image",
                },
            },
            {
                "id": "003",
                "task": "face_features",
                "inputs": {
                    "input_003_faces_array": "output_001_faces_array",
                    "input_003_image": "input_001_image",
                },
            },
        ],
        "result": {
            "faces": {
                "ports": {
                    "detection": "output_001_faces_array",
                    "attributes": "output_002_attributes_array",
                    "features": "output_003_features_array",
                },
                "join": "face_id",
                "label": "{attributes.gender.value} {attributes.estimated_age:.0f}",
            }
        },
    }


def face_pipeline(**changes: Any) -> PipelineSpec:
    """The face pipeline, with other values for some of its keys."""
    return structure({**face_document(), **changes}, PipelineSpec)
