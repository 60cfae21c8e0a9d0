"""The models as JSON and back, and what is said of a document that does not fit."""

from typing import Any

import attrs
import pytest
from pipeline_examples import face_document, face_pipeline, face_tasks

from taskmgr_core.documents import (
    InvalidDocumentError,
    canonical,
    digest_of,
    dumps,
    loads,
    structure,
    unstructure,
    without_unknown,
)
from taskmgr_core.orchestrator.graph import compile_pipeline
from taskmgr_core.specs import (
    Claim,
    Edge,
    Failure,
    FieldValue,
    LogLine,
    Outcome,
    PipelineSpec,
    ResultSpec,
    Run,
    RunDetail,
    Source,
    Step,
    StepSpec,
    StoredFile,
    TaskSpec,
    TaskVersion,
    Worker,
)


def examples() -> dict[str, Any]:
    """One of each model, nothing left to its default where that can be."""
    graph = compile_pipeline(face_pipeline(), face_tasks())
    failure = Failure("task-error", "no", "Traceback", {"exit": "1"})
    step = Step(
        run="r",
        id="001",
        task="a",
        version="1",
        queue="q",
        priority=3,
        status="failed",
        attempt=2,
        lost=1,
        worker="w",
        not_before=1.5,
        ready_at=1.0,
        started_at=2,
        finished_at=3.0,
        seconds={"compute": 1},
        failure=failure,
        failures=(failure,),
    )
    value = FieldValue("p", "sha256:0", 3, "array", "001", [1, None], "q", ("sha256:1",))
    run = Run("r", "face", "pipeline", graph, "failed", 1.0, 2.0, True, failure)
    made = [
        graph,
        run,
        step,
        value,
        face_pipeline(),
        face_tasks()["face_features"],
        Source(constant={"a": [1]}),
        Claim(step, graph.steps[0], {"p": value}),
        Outcome("ready", (value,), (Edge("p", "q"),), {"total": 1.0}, failure, 4.0),
        Worker("w", "host", 1, 2, ("q",), 1.0, 2.0, ("r/001",)),
        LogLine(1, "r", "001", 1, 2.0, "stdout", "text"),
        RunDetail(run, (step,), (value,), (Edge("p", "q"),), {"faces": []}),
    ]
    return {type(each).__name__: each for each in made}


@pytest.mark.parametrize("name", examples())
def test_model_survives_json(name: str) -> None:
    """A model written as JSON and read back is the same."""
    value = examples()[name]
    assert loads(dumps(value), type(value)) == value


def test_defaults_are_left_out() -> None:
    """What has its default is not written, so that documents stay small and old ones readable."""
    assert unstructure(StepSpec("001", "a")) == {"id": "001", "task": "a"}


def test_result_entries_are_ports_or_joins() -> None:
    """A text is a port's id, an object is a join."""
    result = structure(face_document(), PipelineSpec).result
    assert isinstance(result["faces"], ResultSpec)
    assert structure({**face_document(), "result": {"a": "b"}}, PipelineSpec).result == {"a": "b"}


def test_every_fault_is_told_with_its_place() -> None:
    """Faults at any depth are told at once, with the nearest right name."""
    document = {
        "pipelin": "x",
        "inputs": {},
        "steps": [{"id": 1, "task": "t", "inputs": {}}, {"id": "002", "tsk": "t"}],
    }
    with pytest.raises(InvalidDocumentError) as caught:
        structure(document, PipelineSpec, "the file")
    assert {each.place for each in caught.value.problems} == {
        "pipeline",
        "",
        "steps[0].id",
        "steps[1]",
    }
    message = str(caught.value)
    assert message.startswith("the file:\n  ")
    assert "unknown field 'pipelin', did you mean 'pipeline'?" in message
    assert 'steps[0].id: 1 is not of type str; write it in quotes: "1"' in message


@pytest.mark.parametrize(
    ("written", "hint"),
    [(True, '; write it in quotes: "true"'), (1.5, '; write it in quotes: "1.5"'), (["n"], "")],
)
def test_text_without_quotes_is_told_how_to_write_it(written: Any, hint: str) -> None:
    """A condition ``true`` or a version 1.5 is a text only in quotes; a list is none anyway."""
    step = {"id": "001", "task": "cut", "when": written}
    with pytest.raises(InvalidDocumentError) as caught:
        structure({"pipeline": "p", "inputs": {}, "steps": [step]}, PipelineSpec)
    assert str(caught.value.problems[0]) == f"steps[0].when: {written!r} is not of type str{hint}"


@pytest.mark.parametrize(
    ("field", "value"),
    [("size", True), ("size", 1.5), ("size", "1"), ("name", 1), ("digest", None)],
)
def test_scalars_are_not_converted(field: str, value: Any) -> None:
    """A number is no text and a truth value no number: nothing is guessed."""
    document = unstructure(face_tasks()["face_features"])
    document["release"]["wheel"][field] = value
    with pytest.raises(InvalidDocumentError) as caught:
        structure(document, TaskVersion)
    assert [each.place for each in caught.value.problems] == [f"release.wheel.{field}"]


def test_whole_numbers_are_floats_where_floats_are_wanted() -> None:
    """JSON writes 60.0 as 60 at times; a float field takes it."""
    document = {**unstructure(face_tasks()["face_features"].task), "timeout": 30}
    assert structure(document, type(face_tasks()["face_features"].task)).timeout == 30.0


def test_text_that_is_no_json_is_told() -> None:
    """A text that cannot be parsed is refused with the place of the fault."""
    with pytest.raises(InvalidDocumentError, match="not JSON: Expecting value: line 1 column 1"):
        loads("", PipelineSpec, "the message")


def test_numbers_that_json_has_not_are_refused() -> None:
    """NaN is never written."""
    with pytest.raises(ValueError, match="Out of range"):
        dumps(attrs.evolve(examples()["FieldValue"], document=float("nan")))


def test_equal_values_have_equal_bytes_and_digests() -> None:
    """Canonical JSON does not depend on the order of keys."""
    first, second = canonical({"a": 1, "b": "ü"}), canonical({"b": "ü", "a": 1})
    assert first == second == '{"a":1,"b":"ü"}'.encode()
    assert digest_of(b"") == (
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )


def test_task_recorded_before_there_was_a_network_option_is_read() -> None:
    """A document that says nothing of the network is that of a task without; nor is one written."""
    before = {"name": "old", "inputs": [], "outputs": []}
    read = structure(before, TaskSpec, "a task")
    assert not read.network
    assert "network" not in unstructure(read)
    assert unstructure(attrs.evolve(read, network=True))["network"] is True


def test_what_a_later_taskmgr_added_can_be_left_out() -> None:
    """Keys that a model has not go, wherever they are; what is wrong stays wrong."""
    plugin = {"name": "acme", "source": "acme 1", "state": "ok"}
    known = {
        "id": "w",
        "host": "h",
        "pid": 1,
        "slots": 1,
        "queues": [],
        "started_at": 1.0,
        "heartbeat": 2.0,
        "hooks": [plugin],
    }
    more = {**known, "mood": "good", "hooks": [{**plugin, "colour": "red", "size": 3}]}
    assert without_unknown(more, Worker) == known
    assert without_unknown(dict(known), Worker) == known
    assert without_unknown({**known, "pid": "x"}, Worker) == {**known, "pid": "x"}


def test_document_that_has_more_than_its_model_may_be_of_a_later_taskmgr() -> None:
    """Only where nothing else is wrong with it."""
    right = {"name": "a", "digest": "b", "size": 1}
    for document, only in (({**right, "new": 1}, True), ({**right, "new": 1, "size": "x"}, False)):
        with pytest.raises(InvalidDocumentError) as refused:
            structure(document, StoredFile)
        assert refused.value.only_unknown is only
