"""The fixtures ``platform``, ``fail_next``, ``clock`` and ``assert_lineage``, on real plugins."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from taskmgr_core.errors import InvalidValueError, NotFoundError, SettingsError
from taskmgr_core.inputs import InvalidInputsError
from taskmgr_core.testing import Clock, FailedRunError, TemporaryPlatform

TRIALS = Path(__file__).parents[1] / "projects" / "trials"

SUMS = {
    "pipeline": "sums",
    "inputs": {"first": "integer", "second": "integer"},
    "steps": [
        {"id": "001", "task": "add", "inputs": {"input_001_left": "first"}},
        {
            "id": "002",
            "task": "add",
            "inputs": {"input_002_left": "output_001_result", "input_002_right": "second"},
        },
    ],
    "result": {"sum": "output_002_result"},
}

Fail = Callable[[str, str], None]


@pytest.fixture
def trials(platform: TemporaryPlatform) -> TemporaryPlatform:
    """A platform with the tasks that behave and misbehave."""
    platform.publish(TRIALS)
    return platform


@pytest.mark.parametrize("time", ["first", "second"])
def test_platform_is_the_tests_own(time: str, trials: TemporaryPlatform) -> None:
    """A test finds nothing of the one before."""
    assert trials.runs() == []
    assert trials.run("add", left=1).result == {"result": 2}
    assert [each.status for each in trials.runs()] == ["succeeded"]


def test_pipeline_runs_with_lineage(
    trials: TemporaryPlatform, assert_lineage: Callable[..., None], tmp_path: Path
) -> None:
    """The values of a pipeline's run, its result, and what each came from can be looked at."""
    (tmp_path / "sums.json").write_text(json.dumps(SUMS))
    trials.publish(tmp_path / "sums.json")
    run = trials.run("sums", first=1, second=10)
    assert run.result["sum"] == run.value("output_002_result") == 12
    assert run.value("input_002_right") == 10
    assert_lineage(run, "output_002_result", came_from=["first", "second", "input_001_left"])
    with pytest.raises(AssertionError, match=r"did not come from second; it came from .*first"):
        assert_lineage(run, "output_001_result", came_from="second")
    with pytest.raises(NotFoundError, match="output_002_resul"):
        assert_lineage(run, "output_002_resul", came_from="first")


def test_publishing_leaves_the_project_alone(platform: TemporaryPlatform, tmp_path: Path) -> None:
    """A project that is published in a test gets no lock, and nothing else, in its folder."""
    project = tmp_path / "trials"
    shutil.copytree(TRIALS, project, ignore=shutil.ignore_patterns("taskmgr.lock", "__pycache__"))
    before = sorted(project.rglob("*"))
    platform.publish(project)
    assert sorted(project.rglob("*")) == before
    assert [each.name for each in platform.client.tasks()][:2] == ["add", "blob"]


def test_failed_run_tells_why(trials: TemporaryPlatform) -> None:
    """The result of a run that failed is an error with the task's own traceback."""
    run = trials.run("fail", text="that")
    assert run.failure is not None
    assert (run.status, run.failure.code, run.failures) == ("failed", "task-error", ["task-error"])
    with pytest.raises(FailedRunError, match=r"(?s)fail 1.0.0 failed.*taskmgr_trials.*cannot do"):
        _ = run.result


def test_wrong_inputs_are_refused_by_the_platform(trials: TemporaryPlatform) -> None:
    """Inputs that do not fit are refused as everywhere, and no run is recorded."""
    with pytest.raises(InvalidInputsError, match="left"):
        trials.run("add", left="one")
    assert trials.runs() == []


def test_nothing_to_publish_is_said(platform: TemporaryPlatform) -> None:
    """Where the tests are in no plugin's project, publish needs to be told what."""
    with pytest.raises(InvalidValueError, match="no folder above the tests"):
        platform.publish()


@pytest.mark.taskmgr(inline_bytes=2000)
def test_marker_changes_a_setting(trials: TemporaryPlatform) -> None:
    """A mark sets a setting; here the values from which on they are put aside, and read anyhow."""
    run = trials.run("blob", size=2000)
    assert any(each.artifacts for each in run.detail.values)
    assert run.value("output_001_result") == list(range(2000))


def test_unknown_setting_is_refused(tmp_path: Path) -> None:
    """A setting that is not there is refused with the nearest name."""
    from taskmgr_core.testing.wired import settings_for

    with pytest.raises(SettingsError, match="did you mean 'retry_delay'"):
        settings_for(tmp_path, {"retry_dely": 1})


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        ("crash", "crashed", "SIGSEGV"),
        ("hang", "timeout", "timeout of 60 s"),
        ("out of memory", "memory", "more than its limit"),
    ],
)
def test_fault_is_met_once_and_for_real(
    fault: str, code: str, message: str, trials: TemporaryPlatform, fail_next: Fail
) -> None:
    """A step whose runner meets a fault fails as in production; the next one does not."""
    begun = time.monotonic()
    fail_next("add", fault)
    run = trials.run("add", left=1)
    assert run.failure is not None
    assert (run.status, run.failure.code) == ("failed", code)
    assert message in run.failure.message
    assert trials.run("add", left=1).result == {"result": 2}
    assert time.monotonic() - begun < 30


def test_crash_is_retried_where_the_task_allows(trials: TemporaryPlatform, fail_next: Fail) -> None:
    """A task with one retry survives one crash, and not two."""
    fail_next("fill", "crash")
    run = trials.run("fill", note="/")
    assert (run.status, run.failures, run.steps["001"].attempt) == ("succeeded", ["crashed"], 2)
    fail_next("fill", "crash")
    fail_next("fill", "out of memory")
    run = trials.run("fill", note="/")
    assert (run.status, run.failures) == ("failed", ["crashed", "memory"])


def test_lost_worker_is_made_up_for(trials: TemporaryPlatform, fail_next: Fail) -> None:
    """The step of a worker that is killed is done by another, without a retry of its own."""
    assert trials.run("add", left=1).status == "succeeded"
    fail_next("add", "lost worker")
    run = trials.run("add", left=2)
    assert run.result == {"result": 3}
    assert (run.failures, run.steps["001"].lost) == (["worker-lost"], 1)


def test_fault_of_nothing_is_refused(trials: TemporaryPlatform, fail_next: Fail) -> None:
    """A fault that is not there, or of a task that is not published, is refused at once."""
    with pytest.raises(InvalidValueError, match="'crash', 'hang', 'out of memory', 'lost worker'"):
        fail_next("add", "explosion")
    with pytest.raises(NotFoundError, match="did you mean 'add'"):
        fail_next("ad", "crash")


@pytest.mark.taskmgr(retry_delay=300)
def test_retry_is_due_when_the_clock_says_so(
    trials: TemporaryPlatform, fail_next: Fail, clock: Clock
) -> None:
    """A retry in five minutes waits until the test moves the time, not the machine."""
    fail_next("fill", "crash")
    waiting = trials.settle(trials.submit("fill", note="/"))
    assert (waiting.status, waiting.steps["001"].status) == ("running", "ready")
    clock.advance(minutes=4)
    assert trials.settle(waiting.id).steps["001"].attempt == 1
    clock.advance(minutes=1)
    run = trials.wait(waiting.id, timeout=20)
    assert (run.status, run.steps["001"].attempt) == ("succeeded", 2)
    finished, begun = run.detail.run.finished_at, run.detail.run.created_at
    assert finished is not None
    assert 300 <= finished - begun < 400


def test_time_goes_forward_and_comes_back(clock: Clock) -> None:
    """What a test adds to the time is there for everyone in its process, and gone after it."""
    before, beginning = time.time(), clock.now()
    clock.advance(hours=2)
    assert 7200 <= time.time() - before < 7300
    assert 7200 <= (clock.now() - beginning).total_seconds() < 7300
    with pytest.raises(InvalidValueError, match="forward only"):
        clock.advance(-1)
    clock.restore()
    assert time.time() - before < 100
