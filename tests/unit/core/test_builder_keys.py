"""Whatever a pipeline file says can be said in Python."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_cases import TASKS, Case, cases
from pipeline_examples import face_tasks

from taskmgr_core.builder import BuilderError, PipelineBuilder, PortReference, StepReference
from taskmgr_core.documents import structure, unstructure
from taskmgr_core.orchestrator.graph import compile_pipeline
from taskmgr_core.simple_pipelines import SequentialPipeline, SimplePipeline
from taskmgr_core.specs import (
    LimitSpec,
    PipelineSpec,
    RepeatSpec,
    ResultSpec,
    RetrySpec,
    StepSpec,
    SwitchSpec,
)

NAMES = st.sampled_from(["a", "b", "timeout", "map", "when"])
IDS = ["1", "2", "3", "x"]
PORTS = st.sampled_from(["n", *(f"output_{step}_{name}" for step in IDS for name in ("a", "map"))])
TEXTS = st.text(max_size=5)
SECONDS = st.floats(0.1, 1e6)


def step_documents(step: str, *, handler: bool = False) -> st.SearchStrategy[dict[str, Any]]:
    """Any step as a file has it."""
    constant = st.fixed_dictionaries({"value": st.none() | st.integers() | TEXTS})
    inputs = st.dictionaries(NAMES.map(lambda name: f"input_{step}_{name}"), PORTS | constant)
    feed = st.dictionaries(
        NAMES.map(lambda name: f"input_{step}_{name}"),
        NAMES.map(lambda name: f"output_{step}_{name}"),
    )
    retry = st.fixed_dictionaries(
        {"count": st.integers(0, 9)},
        optional={"delay": SECONDS, "factor": SECONDS, "max_delay": SECONDS, "jitter": SECONDS,
                  "on": st.lists(TEXTS, max_size=2)},
    )  # fmt: skip
    repeat = st.fixed_dictionaries(
        {"until": TEXTS, "max": st.integers(1, 9)}, optional={"feed": feed, "on_max": TEXTS}
    )
    limit = st.fixed_dictionaries(
        {}, optional={"key": TEXTS | PORTS, "max": st.integers(1, 9), "rate": TEXTS, "name": TEXTS}
    )
    optional = {
        "retry": retry, "timeout": SECONDS, "on_error": TEXTS, "when": TEXTS, "repeat": repeat,
        "default": st.dictionaries(NAMES, st.integers()), "concurrency": limit,
    }  # fmt: skip
    if not handler:
        optional |= {"map": PORTS, "parallel": st.integers(1, 9)}
    required = {"id": st.just(step), "inputs": inputs}
    task = st.fixed_dictionaries({**required, "task": TEXTS.filter(bool)},
                                 optional={**optional, "version": TEXTS})  # fmt: skip
    inner = st.fixed_dictionaries({**required, "pipeline": TEXTS.filter(bool)}, optional=optional)
    return task if handler else task | inner


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Any pipeline as a file has it, of whatever sense."""
    ids = draw(st.lists(st.sampled_from(IDS[:3]), unique=True))
    cases_of = st.dictionaries(TEXTS, st.lists(st.sampled_from(ids)) if ids else st.just([]))
    optional = {
        "description": TEXTS,
        "timeout": SECONDS,
        "on_failure": step_documents("x", handler=True),
        "switch": st.lists(st.fixed_dictionaries({"on": TEXTS, "cases": cases_of}), max_size=2),
        "result": st.dictionaries(
            NAMES,
            PORTS | st.fixed_dictionaries({"ports": st.dictionaries(NAMES, PORTS, min_size=1),
                                           "join": TEXTS.filter(bool)}),
        ),
    }  # fmt: skip
    required = {
        "pipeline": TEXTS,
        "inputs": st.just({"n": "any"}),
        "steps": st.tuples(*map(step_documents, ids)).map(list),
    }
    return draw(st.fixed_dictionaries(required, optional=optional))


def built(spec: PipelineSpec) -> PipelineSpec:
    """The same, said in Python."""
    pipeline = PipelineBuilder(spec.pipeline, description=spec.description, timeout=spec.timeout)
    for name, kind in spec.inputs.items():
        pipeline.input(name, kind)
    steps = {step.id: added(pipeline, step) for step in spec.steps}
    for switch in spec.switch:
        branches = {text: [steps[each] for each in found] for text, found in switch.cases.items()}
        pipeline.switch(switch.on, branches, [steps[each] for each in switch.otherwise])
    if spec.on_failure is not None:
        inputs = inputs_of(pipeline, spec.on_failure)
        handler = pipeline.on_failure(
            spec.on_failure.task, id=spec.on_failure.id, version=spec.on_failure.version,
            inputs=inputs,
        )  # fmt: skip
        say(handler, spec.on_failure, pipeline)
    for name, entry in spec.result.items():
        if isinstance(entry, ResultSpec):
            ports = {each: PortReference(port, pipeline) for each, port in entry.ports.items()}
            pipeline.result(name, ports=ports, join=entry.join, label=entry.label)
        else:
            pipeline.result(name, PortReference(entry, pipeline))
    return pipeline.build()


def inputs_of(pipeline: PipelineBuilder, step: StepSpec) -> Mapping[str, Any]:
    """What a step takes, by its fields."""
    prefix = f"input_{step.id}_"
    return {
        port.removeprefix(prefix): PortReference(source, pipeline)
        if isinstance(source, str) else source["value"]
        for port, source in step.inputs.items()
    }  # fmt: skip


def added(pipeline: PipelineBuilder, step: StepSpec) -> StepReference:
    """A step that is said in Python."""
    inputs = inputs_of(pipeline, step)
    if step.pipeline:
        found = pipeline.subpipeline(step.pipeline, id=step.id, inputs=inputs)
    else:
        found = pipeline.step(step.task, id=step.id, version=step.version, inputs=inputs)
    return say(found, step, pipeline)


def say(found: StepReference, step: StepSpec, pipeline: PipelineBuilder) -> StepReference:
    """All else of it."""
    if step.retry is not None:
        found = found.retry(**attrs.asdict(step.retry))
    if step.timeout is not None:
        found = found.timeout(step.timeout)
    if step.map:
        found = found.map(PortReference(step.map, pipeline), step.parallel)
    if step.repeat is not None:
        feed = {
            target.removeprefix(f"input_{step.id}_"): source.removeprefix(f"output_{step.id}_")
            for target, source in step.repeat.feed.items()
        }
        found = found.repeat(step.repeat.until, step.repeat.max, feed, step.repeat.on_max)
    if step.concurrency is not None:
        limit = attrs.asdict(step.concurrency)
        if (limit["key"] or "").startswith("output_"):  # a port may stand there as it is given
            limit["key"] = PortReference(limit["key"], pipeline)
        found = found.concurrency(**limit)
    if step.when is not None:
        found = found.when(step.when)
    return found.on_error(step.on_error).default(step.default)


@given(documents())
def test_python_says_what_a_file_says(document: dict[str, Any]) -> None:
    """Any pipeline that a file can hold is the same when it is built."""
    spec = structure(document, PipelineSpec)
    # How many at a time has a meaning only where there are elements.
    steps = tuple(each if each.map else attrs.evolve(each, parallel=100) for each in spec.steps)
    assert built(spec) == attrs.evolve(spec, steps=steps)


# Says at least once whatever a file can say; what is new in a model has to be added.
WHOLE: dict[str, Any] = {
    "pipeline": "whole",
    "description": "everything",
    "timeout": 60.0,
    "inputs": {"n": "any"},
    "steps": [
        {
            "id": "1", "task": "t", "version": "1.0.0", "timeout": 3.0, "on_error": "default",
            "inputs": {"input_1_a": "n"}, "default": {"a": 1}, "when": "n != 0",
            "map": "n", "parallel": 7,
            "retry": {"count": 2, "delay": 0.5, "factor": 3.0, "max_delay": 9.0, "jitter": 0.1,
                      "on": ["task-error"]},
            "concurrency": {"key": "n", "max": 2, "rate": "3/s", "name": "shared"},
        },
        {
            "id": "2", "pipeline": "p", "inputs": {"input_2_a": {"value": 1}},
            "repeat": {"until": "iteration == 1", "max": 3, "on_max": "continue",
                       "feed": {"input_2_a": "output_2_b"}},
        },
    ],
    "on_failure": {"id": "x", "task": "t", "inputs": {"input_x_a": "failure"}},
    "switch": [{"on": "n", "cases": {"a": ["1"]}, "otherwise": ["2"]}],
    "result": {"r": {"ports": {"x": "output_1_a"}, "join": "id", "label": "{x.id}"}},
}  # fmt: skip


def said(model: Any) -> set[tuple[str, str]]:
    """The fields of a model, and of those in it, that have another value than by default."""
    if isinstance(model, Mapping):
        return {each for value in model.values() for each in said(value)}
    if isinstance(model, tuple):
        return {each for value in model for each in said(value)}
    if not attrs.has(type(model)):
        return set()
    fields = attrs.fields(type(model))
    own = {(type(model).__name__, each.name) for each in fields
           if getattr(model, each.name) != each.default}  # fmt: skip
    return own | {each for field in fields for each in said(getattr(model, field.name))}


def test_every_key_can_be_said_in_python() -> None:
    """No key of pipelines, steps and what stands in them is missing in the builder."""
    spec = structure(WHOLE, PipelineSpec)
    models = (PipelineSpec, StepSpec, RetrySpec, RepeatSpec, LimitSpec, SwitchSpec, ResultSpec)
    assert said(spec) >= {(each.__name__, field.name) for each in models
                          for field in attrs.fields(each)}  # fmt: skip
    assert built(spec) == spec


@given(cases())
def test_python_and_file_are_one_graph(case: Case) -> None:
    """Pipelines that can run compile to the same graph, whichever way they are written."""
    others = {each.pipeline: built(each) for each in case.pipelines}
    read = structure(unstructure(case.pipelines[-1]), PipelineSpec)
    assert compile_pipeline(others[read.pipeline], TASKS, others) == case.graph
    assert compile_pipeline(read, TASKS, others) == case.graph


def test_port_in_a_text_is_its_name() -> None:
    """A condition is written with the ports that it reads."""
    pipeline = PipelineBuilder("p")
    n = pipeline.input("n")
    step = pipeline.step("t", a=n)
    step.repeat(until=f"{step.output('r')} > {step.input('a')}", max=3).when(f"{n} > 0")
    (spec,) = pipeline.build().steps
    assert (spec.when, spec.repeat and spec.repeat.until) == ("n > 0", "output_001_r > input_001_a")


def test_misuse_is_told() -> None:
    """A second handler, its id taken, a port of another pipeline, a default that is no JSON."""
    pipeline = PipelineBuilder("p")
    pipeline.on_failure("t", id="1", a=pipeline.failure)
    with pytest.raises(BuilderError, match="has a step on_failure already"):
        pipeline.on_failure("t")
    with pytest.raises(BuilderError, match="the id '1' is taken by the step 't'"):
        pipeline.subpipeline("p", id="1")
    with pytest.raises(BuilderError, match="belongs to another pipeline builder"):
        pipeline.step("t").map(PipelineBuilder("q").input("n"))
    with pytest.raises(BuilderError, match="step '003', default"):
        pipeline.step("t", id="003").default({"r": object()})


class Faces(SequentialPipeline):
    """A class that says more of a step than its task."""

    def get_tasks(self) -> Sequence[str | SimplePipeline]:
        """Two tasks."""
        return ["face_detection", "face_features"]

    def configure(self, step: StepReference) -> None:
        """One of them is tried again."""
        if step.task == "face_features":
            step.retry(3).on_error("continue")


def test_class_may_say_more_of_a_step() -> None:
    """Each step is handed to it as it is added."""
    first, second = Faces().build(face_tasks()).steps
    assert (first.retry, second.on_error) == (None, "continue")
    assert second.retry is not None
    assert second.retry.count == 3
