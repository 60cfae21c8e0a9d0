"""What the REST API says is what the commands print: neither forgets a field of the other."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core import errors
from taskmgr_core.api.models.catalog import PipelineView, TaskView
from taskmgr_core.api.models.lineage import LineagePage, RunLineage
from taskmgr_core.api.models.platform import WorkerView
from taskmgr_core.api.models.runs import LogLineView, RunDetailView, RunView
from taskmgr_core.api.problems import KINDS, TABLE, kind_of, pointer
from taskmgr_core.api.ranges import Span, UnsatisfiableError, is_known, span_of
from taskmgr_core.cli import views
from taskmgr_core.orchestrator.graph import compile_task
from taskmgr_core.specs import (
    Edge,
    FailedElement,
    FailedElements,
    Failure,
    FieldSpec,
    FieldValue,
    LogLine,
    ModelSpec,
    Release,
    Run,
    RunDetail,
    RunSummary,
    Step,
    StoredFile,
    TaskSpec,
    TaskVersion,
    Worker,
)
from taskmgr_core.tracing import Page, Part

FILE = StoredFile("x.whl", "sha256:" + "1" * 64, 10)
RELEASE = Release("taskmgr-x", "1.0", FILE, FILE, FILE, (), "3.11", "linux-x86_64", "2026-11-26")
TASK = TaskVersion(
    TaskSpec(
        "x",
        (FieldSpec("number", {"type": "integer"}, False, 3),),
        (FieldSpec("result", {"type": "integer"}),),
        "Count.",
        models=(ModelSpec("weights", "2" * 64, "MIT", "somewhere", "1"),),
        resources={"gpu": 1},
    ),
    RELEASE,
)
FAILURE = Failure("task-error", "it failed", "Traceback", {"status": "1"})
STEP = Step(
    run="r", id="001", task="x", version="1.0", queue="default", priority=5, status="failed",
    attempt=2, lost=1, worker="w1", ready_at=1.0, started_at=2.0, finished_at=3.5,
    seconds={"total": 1.5}, failure=FAILURE, failures=(FAILURE,), resources={"gpu": 1},
    origin="other", elements=3, failed=FailedElements(2, (FailedElement(1, FAILURE),)),
)  # fmt: skip
VALUE = FieldValue("number", FILE.digest, 1, "integer", "001", 3, "", (FILE.digest,))
GRAPH = compile_task(TASK)
RUN = Run("r", "x", "task", GRAPH, "failed", 1.0, 4.0, True, FAILURE, "before")
DETAIL = RunDetail(RUN, (STEP,), (VALUE,), (Edge("number", "output_001_result"),), {"a": 1}, "odd")
SUMMARY = RunSummary("r", "x", "task", "failed", 1.0, None, False, FAILURE, {"failed": 1})
WORKER = Worker("w1", "host", 7, 2, ("a",), 1.0, 2.0, ("r/001",), tasks=("x",), autoscale=(1, 2))
PAGE = Page(
    FILE.digest, "led_to", (Part("r", (FILE.digest,), (VALUE,), (VALUE,), (), ("d",)),), "c"
)


def plain(view: Any) -> Any:
    """A document of the API as JSON has it."""
    found = attrs.asdict(view, value_serializer=lambda _, __, each: each)
    return _lists(found)


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _lists(each) for name, each in value.items()}
    return [_lists(each) for each in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize(
    ("said", "printed"),
    [
        (RunView.of(SUMMARY), views.summary_view(SUMMARY)),
        (RunDetailView.of(DETAIL), views.detail_view(DETAIL)),
        (RunLineage.of(DETAIL), views.lineage_view(DETAIL)),
        (LineagePage.of(PAGE, {"r": "x"}), views.page_view(PAGE, {"r": "x"})),
        (TaskView.of(TASK, [TASK]), views.task_view(TASK, [TASK])),
        (PipelineView.of(GRAPH, "Count."), views.graph_view(GRAPH, "Count.")),
        (WorkerView.of(WORKER, True), views.worker_view(WORKER, True)),
        (WorkerView.of(WORKER, False), views.worker_view(WORKER, False)),
        (
            LogLineView.of(LogLine(1, "r", "001", 1, 1.0, "stdout", "a")),
            views.log_view(LogLine(1, "r", "001", 1, 1.0, "stdout", "a")),
        ),
    ],
    ids=lambda each: type(each).__name__,
)
def test_document_is_what_the_command_prints(said: Any, printed: Any) -> None:
    """Field by field: a field that is added to one has to be added to the other."""
    assert plain(said) == _lists(printed)


def test_every_error_of_ours_is_a_kind_of_problem() -> None:
    """Each has an entry, its own or that of the error that it is one of."""
    for name in errors.__all__:
        found = getattr(errors, name)
        if isinstance(found, type) and issubclass(found, errors.TaskmgrError):
            assert any(issubclass(found, each) for each, _ in TABLE)
    assert {kind for _, kind in TABLE} <= set(KINDS)
    assert kind_of(errors.StoreUnavailableError("away")) == "store"
    assert kind_of(ValueError("a bug")) == "internal"


@pytest.mark.parametrize(
    ("place", "told"),
    [("", ""), ("steps[2].inputs.faces", "/steps/2/inputs/faces"), ("a~b", "/a~0b"), ("/x", "/x")],
)
def test_place_becomes_a_json_pointer(place: str, told: str) -> None:
    """As RFC 6901 writes it; what is one already stays."""
    assert pointer(place) == told


@given(st.integers(0, 200), st.integers(0, 250), st.integers(0, 250))
def test_range_is_what_a_slice_gives(size: int, first: int, last: int) -> None:
    """Any range gives the bytes that RFC 9110 says, or says that there are none."""
    content = bytes(range(256))[:size]
    for asked, wanted in (
        (f"bytes={first}-{last}", content[first : last + 1]),
        (f"bytes={first}-", content[first:]),
        (f"bytes=-{last}", content[max(size - last, 0) :]),
    ):
        try:
            span = span_of(asked, size)
        except UnsatisfiableError:
            assert wanted == b""
            continue
        if span is None:
            assert last < first
        else:
            assert content[span.start : span.stop] == wanted
            assert span.length == len(wanted) > 0


@pytest.mark.parametrize("asked", [None, "", "bytes=", "bytes=-", "bytes=1-2,4-5", "lines=1-2"])
def test_range_that_cannot_be_read_is_the_whole(asked: str | None) -> None:
    """As RFC 9110 has servers ignore it."""
    assert span_of(asked, 10) is None
    assert Span(0, 3, 10).header == "bytes 0-2/10"


@pytest.mark.parametrize(
    ("header", "known"), [(None, False), ('W/"a"', True), ('"b", "a"', True), ("*", True)]
)
def test_entity_tag_is_known_however_it_is_named(header: str | None, known: bool) -> None:
    """Weak, among others, or any."""
    assert is_known('"a"', header) is known
