"""Pipelines as classes: the same graph as those that are written out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from pipeline_examples import face_pipeline, face_tasks, field, version_of

from taskmgr_core.builder import BuilderError
from taskmgr_core.orchestrator.graph import compile_pipeline
from taskmgr_core.simple_pipelines import ParallelPipeline, SequentialPipeline, SimplePipeline


class Describe(ParallelPipeline):
    """What is said of faces, side by side."""

    def get_tasks(self) -> Sequence[str | SimplePipeline]:
        """Two tasks."""
        return ["face_attributes", "face_features"]

    def process_parallel_results(self, results: Mapping[str, Mapping[str, Any]]) -> Any:
        """The values, in the order of the tasks."""
        return [value for outputs in results.values() for value in outputs.values()]


class Faces(SequentialPipeline):
    """Faces, then what is said of them."""

    name = "face_processing"

    def get_tasks(self) -> Sequence[str | SimplePipeline]:
        """A task, then a pipeline."""
        return ["face_detection", Describe()]


def test_classes_are_the_graph_of_the_file() -> None:
    """The steps of the face pipeline wait for, and take, the same as those of its file."""
    ours = compile_pipeline(Faces().build(face_tasks()), face_tasks())
    theirs = compile_pipeline(face_pipeline(), face_tasks())
    assert ours.steps == theirs.steps
    assert ours.inputs == theirs.inputs
    assert dict(ours.result) == {
        "face_attributes_attributes_array": "output_002_attributes_array",
        "face_features_features_array": "output_003_features_array",
    }


def test_results_are_given_by_task() -> None:
    """The parallel pipeline's own method gets them, also at the end of a sequential one."""
    result = {"face_attributes_attributes_array": 1, "face_features_features_array": 2}
    assert Faces().results(result) == [1, 2]


def test_only_output_goes_into_the_only_input_left() -> None:
    """Fields of other names are connected where there is no choice; others become inputs."""
    text = field("text", str)
    tasks = {
        each.name: each
        for each in (
            version_of("read", (text,), (field("result", str),)),
            version_of("upper", (field("words", str),), (field("loud", str),)),
            version_of("both", (text, field("left", str), field("right", str)), (text,)),
        )
    }

    class Chain(SequentialPipeline):
        def get_tasks(self) -> Sequence[str | SimplePipeline]:
            return ["read", "upper", "both"]

    spec = Chain().build(tasks)
    assert spec.pipeline == "Chain"
    assert list(spec.inputs) == ["text", "left", "right"]
    assert [dict(each.inputs) for each in spec.steps] == [
        {"input_001_text": "text"},
        {"input_002_words": "output_001_result"},
        {"input_003_text": "text", "input_003_left": "left", "input_003_right": "right"},
    ]


@pytest.mark.parametrize("tasks", [[], "face_detection"])
def test_pipeline_without_tasks_is_refused(tasks: Any) -> None:
    """The class is named, and what it has to give."""

    class Empty(SequentialPipeline):
        def get_tasks(self) -> Sequence[str | SimplePipeline]:
            found: Sequence[str] = tasks
            return found

    with pytest.raises(BuilderError, match="Empty: get_tasks gives"):
        Empty().build(face_tasks())


def test_task_twice_side_by_side_is_refused() -> None:
    """Its results could not be told apart."""

    class Twice(ParallelPipeline):
        def get_tasks(self) -> Sequence[str | SimplePipeline]:
            return ["face_detection", "face_detection"]

    with pytest.raises(BuilderError, match="each once"):
        Twice().build(face_tasks())
