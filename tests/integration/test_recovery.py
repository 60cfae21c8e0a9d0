"""Workers that are killed, stopped or too late: every run ends, each result recorded once."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from taskmgr_core.client import Client
from taskmgr_core.specs import PipelineSpec, StepSpec
from waiting import wait_until

StartWorker = Callable[..., "subprocess.Popen[bytes]"]


def pids(note: Path) -> list[int]:
    """Which runner processes have taken the step so far."""
    return [int(line) for line in note.read_text().split()] if note.exists() else []


def alive(pid: int) -> bool:
    """Whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def submit_pause(client: Client, seconds: float, note: Path) -> str:
    """A run of two steps, the first of which can be seen to begin."""
    steps = (
        StepSpec(
            "001",
            "pause",
            {"input_001_seconds": {"value": seconds}, "input_001_note": {"value": str(note)}},
        ),
        StepSpec(
            "002", "pause", {"input_002_seconds": {"value": 0}, "input_002_note": {"value": ""}}
        ),
    )
    return client.submit(PipelineSpec("two_pauses", {}, steps), {})


def test_killed_worker_is_replaced_within_ten_seconds(
    client: Client, start_worker: StartWorker, tmp_path: Path
) -> None:
    """After kill -9 in the middle of a step another worker ends the run, recorded once."""
    note = tmp_path / "pids"
    run_id = submit_pause(client, 1.0, note)
    first = start_worker()
    wait_until(lambda: pids(note), "the first worker runs the step")
    first.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    start_worker()
    wait_until(lambda: client.metadata.run(run_id).status == "succeeded", "the run ends", 10)
    assert time.monotonic() - killed < 10
    step = client.metadata.steps(run_id)[0]
    assert (step.attempt, step.lost) == (2, 1)
    values = [value for value in client.metadata.values(run_id) if value.producer == "001"]
    assert [value.port for value in values] == ["output_001_result"]


def test_killed_workers_runner_ends_with_it(
    client: Client, start_worker: StartWorker, tmp_path: Path
) -> None:
    """A runner busy with a step does not outlive a worker that was killed."""
    note = tmp_path / "pids"
    run_id = submit_pause(client, 600, note)
    worker = start_worker()
    wait_until(lambda: pids(note), "the step runs")
    (runner,) = pids(note)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    wait_until(lambda: not alive(runner), "the runner is gone", 5)
    client.cancel(run_id)


def test_late_worker_is_fenced(client: Client, start_worker: StartWorker, tmp_path: Path) -> None:
    """A worker that was frozen and comes back late changes nothing of what was recorded."""
    note = tmp_path / "pids"
    run_id = submit_pause(client, 0.5, note)
    frozen = start_worker()
    wait_until(lambda: pids(note), "the first worker runs the step")
    frozen.send_signal(signal.SIGSTOP)
    start_worker()
    wait_until(lambda: client.metadata.run(run_id).status == "succeeded", "the run ends")
    before = (client.metadata.steps(run_id), client.metadata.values(run_id))
    frozen.send_signal(signal.SIGCONT)
    more = client.submit("add", {"left": 1})
    wait_until(lambda: client.metadata.run(more).status == "succeeded", "workers go on")
    assert (client.metadata.steps(run_id), client.metadata.values(run_id)) == before


def test_step_that_loses_its_workers_is_quarantined(
    client: Client, start_worker: StartWorker, tmp_path: Path
) -> None:
    """A step over which three workers were lost fails with the evidence."""
    note = tmp_path / "pids"
    run_id = submit_pause(client, 600, note)
    for number in range(3):
        worker = start_worker()
        wait_until(lambda: len(pids(note)) > number, "the step runs")  # noqa: B023
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    start_worker()
    wait_until(lambda: client.metadata.run(run_id).status == "failed", "the run fails")
    failure = client.metadata.steps(run_id)[0].failure
    assert failure is not None
    assert failure.code == "quarantined"
    assert failure.details["workers"].count("stopped in the middle of attempt") == 3


def test_terminated_worker_finishes_its_step(
    client: Client, start_worker: StartWorker, tmp_path: Path
) -> None:
    """SIGTERM lets the running step end, then the worker leaves with status 0."""
    note = tmp_path / "pids"
    run_id = submit_pause(client, 0.5, note)
    worker = start_worker()
    wait_until(lambda: pids(note), "the step runs")
    worker.terminate()
    assert worker.wait(timeout=20) == 0
    step = client.metadata.steps(run_id)[0]
    assert (step.status, step.attempt) == ("succeeded", 1)
    client.cancel(run_id)


@pytest.mark.chaos
@pytest.mark.timeout(300)
def test_runs_survive_a_worker_killed_every_second(
    client: Client, start_worker: StartWorker
) -> None:
    """Of 60 runs under a worker killed each second, every one succeeds, recorded once."""
    workers = [start_worker(2, lost_attempts=20) for _ in range(2)]
    submitted = [
        client.submit(
            PipelineSpec(
                "chain",
                {"left": "integer"},
                (
                    StepSpec("001", "add", {"input_001_left": "left"}),
                    StepSpec("002", "pause", {"input_002_seconds": {"value": 0.1}}),
                    StepSpec("003", "add", {"input_003_left": "output_001_result"}),
                ),
            ),
            {"left": number},
        )
        for number in range(60)
    ]
    deadline = time.monotonic() + 240
    kills = 0
    while any(client.metadata.run(each).status == "running" for each in submitted):
        assert time.monotonic() < deadline
        time.sleep(1)
        oldest = workers.pop(0)
        oldest.kill()
        oldest.wait()
        kills += 1
        workers.append(start_worker(2, lost_attempts=20))
    details = [client.detail(each) for each in submitted]
    assert [detail.run.status for detail in details] == ["succeeded"] * 60
    results = [detail.result for detail in details]
    assert [result["output_003_result"] for result in results if result] == [
        number + 2 for number in range(60)
    ]
    executions = sum(step.attempt for detail in details for step in detail.steps)
    print(f"{kills} workers killed, {executions} executions of {3 * 60} steps")


@pytest.mark.load
@pytest.mark.timeout(300)
def test_many_runs_over_two_workers_are_each_recorded_once(
    client: Client, start_worker: StartWorker
) -> None:
    """500 runs submitted at once over two workers all succeed, each executed exactly once."""
    workers = [start_worker(2) for _ in range(2)]
    started = time.monotonic()
    submitted = [client.submit("add", {"left": number}) for number in range(500)]
    wait_until(
        lambda: (
            client.metadata.status(submitted[-1]) == "succeeded"
            and all(client.metadata.status(each) == "succeeded" for each in submitted)
        ),
        "all runs end",
        240,
    )
    seconds = time.monotonic() - started
    details = [client.detail(each) for each in submitted]
    assert [detail.result for detail in details] == [{"result": n + 1} for n in range(500)]
    assert {detail.steps[0].attempt for detail in details} == {1}
    assert len({detail.steps[0].worker for detail in details}) == len(workers)
    print(f"500 runs in {seconds:.1f} s, {500 / seconds:.0f} a second")
