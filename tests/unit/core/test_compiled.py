"""A pipeline that is submitted again is compiled once, and only if it is the same in all."""

import attrs
import pytest
from pipeline_examples import face_pipeline, face_tasks, field, version_of

from taskmgr_core.compiled import CompiledPipelines
from taskmgr_core.errors import InvalidPipelineError, NotFoundError
from taskmgr_core.orchestrator.graph import compile_pipeline, compile_task
from taskmgr_core.specs import PipelineSpec, StepSpec, TaskVersion


def published(task: str, version: str | None) -> TaskVersion:
    """The tasks of the pipeline, in one version."""
    if version is None and task in face_tasks():
        return face_tasks()[task]
    raise NotFoundError(f"there is no {task} {version}")


def later(task: str, version: str | None) -> TaskVersion:
    """The same after another version was rolled out."""
    found = published(task, version)
    return attrs.evolve(found, release=attrs.evolve(found.release, version="1.1.0"))


def test_same_pipeline_is_compiled_once() -> None:
    """The second time the graph is the one that was made the first time."""
    compiled = CompiledPipelines()
    first = compiled.graph(face_pipeline(), published)
    assert first == compile_pipeline(face_pipeline(), published)
    assert compiled.graph(face_pipeline(), published) is first


def test_versions_are_looked_up_each_time() -> None:
    """A version that was rolled out meanwhile is in the graph; after a rollback the old one is."""
    compiled = CompiledPipelines()
    versions = [
        {step.version for step in compiled.graph(face_pipeline(), look_up).steps}
        for look_up in (published, later, published)
    ]
    assert versions == [{"1.0.0"}, {"1.1.0"}, {"1.0.0"}]


def test_pipeline_that_was_changed_is_another() -> None:
    """Any change of the pipeline counts, also one in place."""
    compiled = CompiledPipelines()
    spec = face_pipeline()
    first = compiled.graph(spec, published)
    described = attrs.evolve(spec, pipeline="another")
    assert compiled.graph(described, published).name == "another"
    constants = {**spec.steps[0].inputs, "input_001_confidence": {"value": 0.5}}
    steps = (attrs.evolve(spec.steps[0], inputs=constants), *spec.steps[1:])
    with pytest.raises(InvalidPipelineError):
        compiled.graph(attrs.evolve(spec, steps=steps), published)
    assert compiled.graph(spec, published) is first


def test_what_is_wrong_is_told_each_time() -> None:
    """A pipeline with an unknown task is refused with all its problems, again and again."""
    compiled = CompiledPipelines()
    spec = face_pipeline()
    wrong = attrs.evolve(spec, steps=(attrs.evolve(spec.steps[0], task="faces"), *spec.steps[1:]))
    for _ in range(2):
        with pytest.raises(InvalidPipelineError, match="faces"):
            compiled.graph(wrong, published)


def test_few_are_kept() -> None:
    """Of more pipelines than the capacity the one that was not asked for longest is let go."""
    compiled = CompiledPipelines(capacity=2)
    names = [attrs.evolve(face_pipeline(), pipeline=each) for each in ("a", "b", "c")]
    first = compiled.graph(names[0], published)
    for each in names[1:]:
        compiled.graph(each, published)
    assert compiled.graph(names[0], published) is not first


def test_task_of_one_version_is_compiled_once() -> None:
    """A run of a task alone has the graph of that version, made the first time."""
    compiled = CompiledPipelines()
    first, second = (look_up("face_detection", None) for look_up in (published, later))
    graph = compiled.graph_of_task(first)
    assert graph == compile_task(first)
    assert compiled.graph_of_task(first) is graph
    assert compiled.graph_of_task(second) == compile_task(second) != graph


def test_graph_has_values_of_its_own() -> None:
    """What becomes of a list that was written into a pipeline changes nothing of it."""
    words: list[object] = ["a", ("b",)]
    default = {"result": ["none"]}
    task = version_of("all", (field("texts", list),), (field("result", list[str]),))
    inputs = {"input_001_texts": {"value": words}}
    taken = {"input_002_texts": "output_001_result"}
    steps = (
        StepSpec("001", "all", inputs, on_error="default", default=default),
        StepSpec("002", "all", taken),
    )
    graph = compile_pipeline(PipelineSpec("words", {}, steps), {"all": task})
    words.append("c")
    default["result"].append("changed")
    assert graph.step("001").inputs["texts"].constant == ["a", ["b"]]
    assert graph.step("001").default == {"result": ["none"]}
    assert graph.step("002").inputs["texts"].fallback == (["none"],)
