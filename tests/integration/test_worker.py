"""Steps on real runners: what succeeds, what fails, and that the next one works."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from taskmgr_core.client import Client
from taskmgr_core.specs import Claim, PipelineSpec, ResultSpec, RunDetail, RunStatus, StepSpec
from taskmgr_core.wiring import Platform
from waiting import wait_until

Run = Callable[..., RunDetail]


def message_of(detail: RunDetail) -> str:
    """The failure's message."""
    assert detail.run.failure is not None
    return detail.run.failure.message


def test_task_gives_its_result_and_log(run: Run, client: Client) -> None:
    """A run of one task has its output as result and its prints as log."""
    detail = run("add", left=2, right=40)
    assert detail.result == {"result": 42}
    assert [line.text for line in client.logs(detail.run.id)] == ["adding 2 and 40"]


def test_first_step_is_given_to_a_worker_that_waits(
    run: Run, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker of this process need not look for what is submitted here."""
    run("add", left=1)
    claims: list[str] = []
    claim = client.metadata.claim

    def noted(*arguments: Any, **more: Any) -> Claim | None:
        found = claim(*arguments, **more)
        claims.extend([] if found is None else [found.step.id])
        return found

    monkeypatch.setattr(client.metadata, "claim", noted)
    attempts = []
    for number in range(20):
        detail = run("add", left=number, right=1)
        assert detail.result == {"result": number + 1}
        attempts.append(detail.steps[0].attempt)
    assert attempts == [1] * 20
    assert len(claims) < 10  # it may not be back yet


def test_step_that_is_claimed_and_not_run_is_run_again(
    run: Run, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker gives back what it holds and nobody runs, as after an interrupt."""
    monkeypatch.setattr("taskmgr_core.worker.worker.STALLED_SECONDS", 0.3)
    (step,) = run("add", left=1).steps  # a worker of this process is there now
    monkeypatch.setattr(client.queue, "reserve", lambda *_, **__: False)
    monkeypatch.setattr(client.queue, "announce", lambda *_, **__: 0)
    run_id = client.submit("add", {"left": 2})
    claim = client.metadata.claim_step(run_id, "001", step.worker, time.time(), again=True)
    assert claim is not None
    monkeypatch.undo()
    wait_until(lambda: client.metadata.status(run_id) == "succeeded", "the run has succeeded")
    (step,) = client.metadata.steps(run_id)
    assert (step.attempt, step.failures) == (2, ())


def test_default_input_is_recorded(run: Run) -> None:
    """The value of an input that was not given is part of the lineage."""
    detail = run("add", left=1)
    values = {value.port: value for value in detail.values}
    assert values["input_001_right"].document == 1
    assert ("input_001_right", "output_001_result") in {
        (edge.source, edge.target) for edge in detail.edges
    }


def test_independent_steps_run_at_the_same_time(run: Run, tmp_path: Path) -> None:
    """Two steps that wait for each other both end."""

    def step(number: str, me: str, other: str) -> StepSpec:
        constants = {"folder": str(tmp_path), "me": me, "other": other}
        inputs = {f"input_{number}_{name}": {"value": text} for name, text in constants.items()}
        return StepSpec(number, "meet", inputs)

    pipeline = PipelineSpec("pair", {}, (step("001", "a", "b"), step("002", "b", "a")))
    assert run(pipeline).run.status == "succeeded"


@pytest.mark.parametrize(
    ("task", "inputs", "code", "message"),
    [
        ("fail", {"text": "that"}, "task-error", "cannot do that"),
        ("leave", {"status": 3}, "task-error", "sys.exit(3)"),
        ("crash", {"how": "exit"}, "crashed", "exited with status 7"),
        ("crash", {"how": "segfault"}, "crashed", "SIGSEGV"),
        ("hoard", {"megabytes": 5000}, "memory", "more than its limit of 150 MB"),
        ("lie", {"value": "text"}, "invalid-output", "'text'"),
        ("refuse", {"text": "this"}, "invalid-input", "'this' is of no use"),
    ],
)
def test_failing_task_says_why_and_the_next_run_works(
    run: Run, task: str, inputs: dict[str, object], code: str, message: str
) -> None:
    """Whatever a task does, its run fails with the reason, and the next run succeeds."""
    detail = run(task, **inputs)
    assert detail.run.status == "failed"
    assert detail.run.failure is not None
    assert detail.run.failure.code == code
    assert message in message_of(detail)
    assert run("add", left=1).run.status == "succeeded"


def test_failing_task_has_its_own_traceback(run: Run) -> None:
    """A traceback begins in the task's own code, not in the runner's."""
    (step,) = run("fail", text="x").steps
    assert step.failure is not None
    lines = step.failure.traceback.splitlines()
    assert "taskmgr_trials" in lines[1]
    assert lines[-1] == "ValueError: cannot do x"


def test_segmentation_fault_leaves_evidence(run: Run) -> None:
    """A native crash is reported with the Python stack that led to it."""
    (step,) = run("crash", how="segfault").steps
    assert step.failure is not None
    assert "string_at" in step.failure.traceback


def test_cancel_kills_the_runner_and_its_children(
    platform: Platform, client: Client, tmp_path: Path
) -> None:
    """Of a cancelled step nothing is left, not even processes that it has started."""
    note = tmp_path / "child"
    pipeline = PipelineSpec(
        "late", {}, (StepSpec("001", "spawn", {"input_001_note": {"value": str(note)}}),)
    )
    run_id = client.submit(pipeline, {})
    worker = platform.worker(1, ())
    worker.start()
    wait_until(lambda: note.exists() and note.read_text(), "the child is started")
    child = psutil.Process(int(note.read_text()))
    client.cancel(run_id)
    wait_until(lambda: client.metadata.run(run_id).status == "cancelled", "cancelled")
    wait_until(lambda: not child.is_running() or child.status() == "zombie", "the child is gone")
    worker.stop()


def test_slow_task_is_stopped_at_its_timeout(run: Run) -> None:
    """A step that takes too long fails with code ``timeout`` and names the limit."""
    detail = run("dawdle", seconds=600)
    assert detail.run.failure is not None
    assert detail.run.failure.code == "timeout"
    assert "timeout of 0.5 s" in message_of(detail)


def test_output_is_kept_up_to_its_limit(run: Run, client: Client) -> None:
    """A task that prints 100 MB succeeds; the log keeps 1 MB, the first and the last."""
    detail = run("chatter", megabytes=100)
    assert detail.result == {"result": 100}
    lines = list(client.logs(detail.run.id))
    assert sum(len(line.text) for line in lines) < 1_100_000
    (gap,) = (number for number, line in enumerate(lines) if "were left out here" in line.text)
    assert lines[gap].stream == "taskmgr"
    assert sum(len(line.text) for line in lines[:gap]) > 400_000
    assert sum(len(line.text) for line in lines[gap:]) > 400_000


def test_flaky_task_is_retried(run: Run, tmp_path: Path) -> None:
    """A task with two retries that works the third time succeeds, its failures on record."""
    detail = run("flaky", counter=str(tmp_path / "counter"))
    assert detail.result == {"result": 3}
    assert [failure.message for failure in detail.steps[0].failures] == [
        "attempt 1 did not work",
        "attempt 2 did not work",
    ]


def test_input_error_is_not_retried(run: Run) -> None:
    """A task that refuses its input is not asked again, whatever its retries."""
    assert run("refuse", text="x").steps[0].attempt == 1


def test_large_value_travels_as_a_file(run: Run, client: Client) -> None:
    """A value above the inline size is stored once, used by the next step, and found again."""
    steps = (
        StepSpec("001", "blob", {"input_001_size": "size"}),
        StepSpec("002", "measure", {"input_002_numbers": "output_001_result"}),
    )
    detail = run(PipelineSpec("large", {"size": "integer"}, steps), size=50_000)
    values = {value.port: value for value in detail.values}
    assert detail.result is not None
    assert detail.result["output_002_result"] == 50_000
    stored = values["output_001_result"]
    assert stored.document["media_type"] == "application/json"
    assert client.artifacts.exists(stored.digest)


def test_file_output_is_an_artifact(run: Run, client: Client) -> None:
    """A file that a task returns lies in the store under its digest and name."""
    detail = run("save", text="hello")
    assert detail.result is not None
    reference = detail.result["result"]
    assert reference["name"] == "saved.txt"
    assert client.artifacts.read(reference["$artifact"]) == b"hello"


def test_failed_step_skips_its_dependents(run: Run) -> None:
    """What depends on a failed step is skipped, and the run names the step that failed."""
    steps = (
        StepSpec("001", "fail", {"input_001_text": {"value": "it"}}),
        StepSpec("002", "fail", {"input_002_text": "output_001_result"}),
    )
    detail = run(PipelineSpec("chain", {}, steps))
    assert [step.status for step in detail.steps] == ["failed", "skipped"]
    assert message_of(detail).startswith("step 001 (fail 1.0.0)")


def test_join_gives_no_entries_for_an_empty_list(client: Client) -> None:
    """A joined result over no elements is an empty list."""
    steps = (StepSpec("001", "blob", {"input_001_size": "size"}),)
    result = {"entries": ResultSpec({"number": "output_001_result"}, "key")}
    with pytest.raises(Exception, match="output_001_result"):
        client.graph(PipelineSpec("join", {"size": "integer"}, steps, result))


def test_runner_has_a_clean_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task sees none of the worker's variables, and a folder of its own."""
    monkeypatch.setenv("TASKMGR_SECRET_FOR_TEST", "hidden")
    detail = run("surroundings")
    assert detail.result is not None
    found = detail.result["result"]
    assert "TASKMGR_SECRET_FOR_TEST" not in found["variables"]
    assert set(found["variables"]) <= {
        "HOME", "LANG", "LC_CTYPE", "PATH", "TMPDIR", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
        "OPENCV_FOR_THREADS_NUM",
    }  # fmt: skip
    assert "runner-" in found["folder"][0]
    assert int(found["threads"][0]) >= 1


def test_runner_is_reused(run: Run, tmp_path: Path) -> None:
    """Two runs one after the other are served by the same process."""
    note = tmp_path / "pids"
    for _ in range(2):
        run("pause", seconds=0, note=str(note))
    first, second = note.read_text().split()
    assert first == second


def test_cancel_stops_a_running_step(platform: Platform, client: Client, tmp_path: Path) -> None:
    """A running step ends within a second of ``cancel``, and its run is cancelled for good."""
    note = tmp_path / "pid"
    run_id = client.submit("pause", {"seconds": 600, "note": str(note)})
    worker = platform.worker(1, ())
    worker.start()
    wait_until(note.exists, "the step runs")
    started = time.monotonic()
    client.cancel(run_id)
    wait_until(lambda: client.metadata.run(run_id).status == "cancelled", "cancelled", 5)
    assert time.monotonic() - started < 1
    worker.stop()


def test_stopping_worker_ends_its_step(platform: Platform, client: Client, tmp_path: Path) -> None:
    """A worker that is told to stop lets the running step end and takes no other."""
    note = tmp_path / "pid"
    first = client.submit("pause", {"seconds": 0.3, "note": str(note)})
    worker = platform.worker(1, ())
    worker.start()
    wait_until(note.exists, "the step runs")
    second = client.submit("pause", {"seconds": 0})
    worker.stop()
    assert client.metadata.run(first).status == "succeeded"
    assert client.metadata.run(second).status == "running"
    assert client.metadata.steps(second)[0].status == "ready"
    client.cancel(second)


def test_impatient_stop_gives_the_step_back(
    platform: Platform, client: Client, tmp_path: Path
) -> None:
    """A worker stopped without grace makes its step ready again for others."""
    note = tmp_path / "pid"
    run_id = client.submit("pause", {"seconds": 600, "note": str(note)})
    worker = platform.worker(1, ())
    worker.start()
    wait_until(note.exists, "the step runs")
    worker.stop(grace=0)
    (step,) = client.metadata.steps(run_id)
    assert step.status == "ready"
    client.cancel(run_id)


def test_many_threads_submit_at_once(client: Client, platform: Platform) -> None:
    """Runs submitted from several threads all succeed, each with its own result."""
    worker = platform.worker(2, ())
    worker.start()
    found: dict[int, object] = {}

    def submit(number: int) -> None:
        detail = client.run("add", {"left": number}, timeout=60)
        found[number] = detail.result

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    worker.stop()
    assert found == {number: {"result": number + 1} for number in range(20)}


def test_giving_back_uses_up_no_retry(platform: Platform, client: Client, tmp_path: Path) -> None:
    """A step that was given back by its worker has all its retries still."""
    counter = tmp_path / "counter"
    run_id = client.submit("flaky", {"counter": str(counter), "seconds": 0.5})
    worker = platform.worker(1, ())
    worker.start()
    wait_until(lambda: client.metadata.steps(run_id)[0].status == "running", "the step runs")
    worker.stop(grace=0)
    counter.unlink(missing_ok=True)
    client.wait(run_id, timeout=30)
    (step,) = client.metadata.steps(run_id)
    assert (step.status, step.attempt) == ("succeeded", 4)


def test_bug_in_an_attempt_fails_the_step_and_keeps_the_slot(
    platform: Platform, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody foresaw ends its own step as internal; the slot takes the next."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by nobody")

    worker = platform.worker(1, ())
    worker.start()
    with monkeypatch.context() as patched:
        patched.setattr(type(platform.artifacts), "local_path", broken)
        patched.setattr("taskmgr_core.worker.executor.call_frame", broken)
        first = client.submit("add", {"left": 1})
        wait_until(lambda: client.metadata.status(first) == "failed", "the run fails")
    failure = client.metadata.run(first).failure
    assert failure is not None
    assert failure.code == "internal"
    assert "ZeroDivisionError: by nobody" in failure.message
    second = client.submit("add", {"left": 1})
    wait_until(lambda: client.metadata.status(second) == "succeeded", "the next run works")
    worker.stop()


def test_worker_of_a_client_leaves_runs_of_others_alone(platform: Platform, client: Client) -> None:
    """A client that works itself runs what was submitted or is waited for here, nothing else."""
    with Platform(platform.settings).client() as neighbour:
        other = neighbour.submit("add", {"left": 1})
        assert client.run("add", {"left": 2}, timeout=30).run.status == "succeeded"
        assert neighbour.metadata.steps(other)[0].status == "ready"
        assert client.wait(other, 30).status == "succeeded"


def test_runs_that_were_submitted_are_carried_out_beside_the_one_waited_for(
    client: Client, tmp_path: Path
) -> None:
    """Two runs that wait for each other both end, though one is waited for, then the other."""
    names = [("a", "b"), ("b", "a")]
    runs = [
        client.submit("meet", {"folder": str(tmp_path), "me": me, "other": other})
        for me, other in names
    ]
    assert [client.wait(each, 30).status for each in runs] == ["succeeded"] * 2


def test_client_that_does_not_work_asks_only_for_what_it_waits_for(
    platform: Platform, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a worker serves its runs, of those that nobody waits for the store is not asked."""
    asked: set[str] = set()
    status = client.metadata.status

    def noted(run_id: str) -> RunStatus:
        asked.add(run_id)
        return status(run_id)

    worker = platform.worker(2, ())
    worker.start()
    wait_until(lambda: bool(client.workers()), "the worker is known")
    monkeypatch.setattr(client.metadata, "status", noted)
    first, *_ = [client.submit("add", {"left": each}) for each in range(4)]
    client.wait(first, 30)
    worker.stop()
    assert asked == {first}


def test_client_shared_by_threads_has_one_worker(client: Client) -> None:
    """Threads that wait at the same time share one worker of the process."""
    threads = [
        threading.Thread(target=client.run, args=("add", {"left": each})) for each in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.pid for each in client.workers() if each.private] == [os.getpid()]


def test_waiting_for_a_long_chain_costs_little(client: Client) -> None:
    """A run of 200 steps is waited for with few looks at its steps."""
    first = StepSpec("1", "add", {"input_1_left": {"value": 0}})
    others = [
        StepSpec(str(number), "add", {f"input_{number}_left": f"output_{number - 1}_result"})
        for number in range(2, 201)
    ]
    looks = []
    run_id = client.submit(PipelineSpec("chain", {}, (first, *others)), {})
    started = time.monotonic()
    client.wait(run_id, 60, lambda _run, found: looks.append(len(found)))
    result = client.detail(run_id).result
    assert result is not None
    assert result["output_200_result"] == 200
    assert len(looks) <= 2 + (time.monotonic() - started) / 0.05


def test_two_clients_work_side_by_side(platform: Platform, home: Path, tmp_path: Path) -> None:
    """A client does not leave its run to another one's worker, which serves that one alone."""
    with platform.client() as first, Platform(platform.settings).client() as second:
        note = tmp_path / "pids"
        slow = first.submit("pause", {"seconds": 3, "note": str(note)})
        waiting = threading.Thread(target=first.wait, args=(slow, 60))
        waiting.start()
        wait_until(note.exists, "the first client works")
        started = time.monotonic()
        assert second.run("add", {"left": 1}, timeout=30).run.status == "succeeded"
        assert time.monotonic() - started < 2.5
        waiting.join()
