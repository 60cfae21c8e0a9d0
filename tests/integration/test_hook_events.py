"""What hook plugins are told of real runs, by the client and by the worker."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import FAST
from hook_plugins import Site, site
from taskmgr_core.client import Client
from taskmgr_core.settings import load
from taskmgr_core.specs import PipelineSpec, RetrySpec, StepSpec
from taskmgr_core.wiring import Platform
from taskmgr_plugins.events import Notification, RunEnded, RunStarted, StepEnded, StepStarted
from waiting import wait_until

__all__ = ["site"]

KEEPS = """
heard = []

@hookimpl
def taskmgr_run_started(event):
    heard.append(event)

@hookimpl
def taskmgr_run_ended(event):
    heard.append(event)

@hookimpl
def taskmgr_step_started(event):
    heard.append(event)

@hookimpl
def taskmgr_step_ended(event):
    heard.append(event)

@hookimpl
def taskmgr_notify(notification):
    heard.append(notification)
"""


class Told:
    """A platform with a plugin that keeps what it is told."""

    def __init__(self, platform: Platform, module: str) -> None:
        self.platform = platform
        self._module = module

    @property
    def all(self) -> list[Any]:
        """Everything, in its order."""
        return list(getattr(sys.modules.get(self._module), "heard", ()))

    def of(self, kind: type) -> list[Any]:
        """What is of a class."""
        return [each for each in self.all if isinstance(each, kind)]

    def notes(self, kind: str) -> list[Notification]:
        """The notifications of a kind."""
        return [each for each in self.of(Notification) if each.kind == kind]


Tell = Callable[..., Told]


@pytest.fixture
def tell(home: Path, site: Site) -> Iterator[Tell]:
    """Gives a platform with the plugin, and further settings."""
    made: list[Told] = []

    def make(code: str = KEEPS, **settings: str) -> Told:
        module = site.install("keeper", code)
        variables = FAST | {f"TASKMGR_{name.upper()}": text for name, text in settings.items()}
        made.append(Told(Platform(load(variables, home, home)), module))
        return made[-1]

    yield make
    for each in made:
        each.platform.hooks.close()


def test_run_is_told_from_its_beginning_to_its_end(tell: Tell) -> None:
    """Run and step, each with what it is about, in the order in which they were recorded."""
    told = tell()
    with told.platform.client() as client:
        detail = client.run("add", {"left": 2, "right": 3}, timeout=60)
    kinds = [type(each) for each in told.all]
    assert kinds == [RunStarted, StepStarted, StepEnded, RunEnded]
    begun, step, step_ended, ended = told.all
    assert (begun.run, begun.name, begun.kind) == (detail.run.id, "add", "task")
    assert (step.run, step.step, step.task, step.version) == (detail.run.id, "001", "add", "1.0.0")
    assert (step.attempt, step.worker) == (1, detail.steps[0].worker)
    assert (step_ended.status, step_ended.failure) == ("succeeded", "")
    assert step_ended.seconds == detail.steps[0].seconds
    assert (ended.run, ended.status, ended.failure) == (detail.run.id, "succeeded", "")
    assert (ended.started_at, ended.time) == (detail.run.created_at, detail.run.finished_at)


def test_failed_run_is_told_and_notified(tell: Tell) -> None:
    """With the code and the message that the user sees."""
    told = tell()
    with told.platform.client() as client:
        detail = client.run("fail", {"text": "that"}, timeout=60)
    (step,) = told.of(StepEnded)
    (ended,) = told.of(RunEnded)
    (note,) = told.notes("run-failed")
    assert detail.run.failure is not None
    assert (step.status, step.failure) == ("failed", "task-error")
    assert "cannot do that" in step.message
    assert (ended.status, ended.failure) == ("failed", "task-error")
    assert ended.message == detail.run.failure.message
    assert (note.run, note.task, note.code) == (detail.run.id, "fail", "task-error")
    assert detail.run.failure.message in note.message


def test_attempts_are_told_each(tell: Tell, tmp_path: Path) -> None:
    """One that will be tried again is ready; the run ends once."""
    told = tell()
    with told.platform.client() as client:
        client.run("flaky", {"counter": str(tmp_path / "count")}, timeout=60)
    ended = told.of(StepEnded)
    assert [each.attempt for each in told.of(StepStarted)] == [1, 2, 3]
    assert [each.attempt for each in ended] == [1, 2, 3]
    assert [each.status for each in ended] == ["ready", "ready", "succeeded"]
    assert "attempt 1 did not work" in ended[0].message
    assert len(told.of(RunEnded)) == 1


def test_run_that_is_cancelled_before_it_began_is_told_by_who_cancelled(tell: Tell) -> None:
    """No step was ever begun, so none is told of; cancelled again, nothing more is told."""
    told = tell()
    with told.platform.client() as client:
        run = client.submit("pause", {"seconds": 60})
        client.cancel(run)
        client.cancel(run)
    assert [type(each) for each in told.all] == [RunStarted, RunEnded]
    assert told.all[1].status == "cancelled"
    assert told.of(Notification) == []


def test_slow_step_is_notified_of_once(tell: Tell) -> None:
    """While it still runs, when the part of its timeout is over that the setting says."""
    told = tell(slow_step="0.02")
    with told.platform.client() as client:
        run = client.run("pause", {"seconds": 2.6}, timeout=60).run.id
        assert client.run("add", {"left": 1}, timeout=60).run.status == "succeeded"
    (note,) = told.notes("step-slow")
    assert (note.run, note.step, note.task) == (run, "001", "pause")
    assert "its timeout is 60 s" in note.message


def test_lost_worker_and_what_it_held_is_told_by_another(
    tell: Tell,
    client: Client,
    start_worker: Callable[..., subprocess.Popen[bytes]],
    tmp_path: Path,
) -> None:
    """The worker, the attempt that ended with it, the quarantine, and the run's end."""
    told = tell(lost_attempts="1")
    note = tmp_path / "pids"
    values: dict[str, dict[str, Any]] = {
        "input_001_seconds": {"value": 60},
        "input_001_note": {"value": str(note)},
    }
    run = client.submit(PipelineSpec("held", {}, (StepSpec("001", "pause", values),)), {})
    victim = start_worker()
    wait_until(note.exists, "the step runs")
    worker = told.platform.worker(1, ())
    worker.start()
    try:
        (held,) = (each.id for each in client.workers() if each.pid == victim.pid)
        reporter = worker._reporter
        wait_until(lambda: held in reporter._living, "the other has seen it beat")
        victim.send_signal(signal.SIGKILL)
        wait_until(lambda: told.of(RunEnded), "the end is told")
    finally:
        worker.stop()
    (step,) = told.of(StepEnded)
    assert (step.run, step.worker, step.attempt) == (run, held, 1)
    assert (step.status, step.failure) == ("failed", "quarantined")
    (quarantined,) = told.notes("step-quarantined")
    assert (quarantined.run, quarantined.step, quarantined.worker) == (run, "001", held)
    assert [each.status for each in told.of(RunEnded)] == ["failed"]
    assert [each.run for each in told.notes("run-failed")] == [run]
    assert [each.worker for each in told.notes("worker-lost")] == [held]


def test_hook_that_hangs_delays_no_step(tell: Tell) -> None:
    """Runs go on and end while a plugin is still in its first call."""
    told = tell(
        "heard = []\ngate = threading.Event()\n"
        "@hookimpl\ndef taskmgr_step_started(event):\n    heard.append(event)\n    gate.wait(60)\n",
        hook_seconds="0.5",
    )
    with told.platform.client() as client:
        for number in range(5):
            detail = client.run("add", {"left": number}, timeout=60)
            assert detail.run.status == "succeeded"
        assert len(told.all) == 1
    sys.modules[told._module].gate.set()


def test_worker_says_in_its_beat_which_plugins_are_not_well(tell: Tell) -> None:
    """Whoever looks at the workers sees the name, the state and the reason."""
    told = tell(KEEPS.replace("(notification):", "(notification):\n    1/0"))
    worker = told.platform.worker(1, ())
    client = told.platform.client()
    worker.start()
    try:
        client.run("fail", {"text": "that"}, timeout=60)

        def plugins() -> list[Any]:
            return [
                each
                for one in client.workers()
                if one.id == worker.id
                for each in one.hooks
                if each.state == "failing"
            ]

        wait_until(plugins, "the beat says so")
        (plugin,) = plugins()
        assert (plugin.name, plugin.failed) == ("keeper", 1)
        assert "taskmgr_notify raised ZeroDivisionError" in plugin.message
    finally:
        worker.stop()
        client.close()


def test_slow_run_is_notified_of_once(tell: Tell) -> None:
    """While it runs or when it ended, by whoever finds it; a quick one is not."""
    told = tell(notifications='{"slow_runs": {"long": {"names": ["pause"], "seconds": 1.5}}}')
    with told.platform.client() as client:
        run = client.run("pause", {"seconds": 1.6}, timeout=60).run.id
        assert client.run("pause", {"seconds": 0.0}, timeout=60).run.status == "succeeded"
    (note,) = told.notes("run-slow")
    assert (note.run, note.task) == (run, "pause")
    assert "more than the 1.5 s of the rule long" in note.message


def test_run_whose_time_is_over_while_it_waits_is_told(tell: Tell, tmp_path: Path) -> None:
    """Nothing of it is under way then: whoever stops it tells its end, and that it failed."""
    told = tell()
    inputs = {"input_001_text": {"value": "that"}}
    retry = RetrySpec(count=1, delay=60.0, on=("task-error",))
    spec = PipelineSpec("late", {}, (StepSpec("001", "fail", inputs, retry=retry),), timeout=1.0)
    with told.platform.client() as client:
        detail = client.run(spec, {}, timeout=60)
    assert detail.run.failure is not None
    assert detail.run.failure.code == "run-timeout"
    (ended,) = told.of(RunEnded)
    assert (ended.run, ended.status, ended.failure) == (detail.run.id, "failed", "run-timeout")
    assert [note.code for note in told.notes("run-failed")] == ["run-timeout"]
