"""Runs and workers in several processes: submitting, following, cancelling, leaving."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from command_line import CommandLine, told, wait_until


def begun(gate: Path) -> bool:
    """Whether the task ``talk`` waits at its gate."""
    return Path(f"{gate}.begun").exists()


def test_submitted_run_is_done_by_a_worker(alone: CommandLine) -> None:
    """`run --no-wait` prints the id and records a run that a worker elsewhere carries out."""
    run = alone("run", "add", "left=1", "--no-wait").out.strip()
    assert alone.status(run) == "running"
    with alone.worker():
        wait_until(lambda: alone.status(run) == "succeeded", "the run has succeeded")
    assert alone.json("show", run)["result"] == {"result": 2}


def test_log_is_followed_while_the_task_writes(alone: CommandLine) -> None:
    """`logs -f` prints a line when it is written, and ends with the run."""
    gate = alone.folder / "gate"
    run = alone("run", "talk", f"gate={gate}", "--no-wait").out.strip()
    with alone.worker(), alone.started("logs", run, "-f") as logs:
        assert logs.stdout is not None
        assert logs.stdout.readline() == "001 before the gate\n"
        assert alone.status(run) == "running"
        gate.touch()
        assert logs.stdout.read() == "001 behind the gate\n"
        assert logs.wait(timeout=20) == 0


def test_run_is_served_by_a_worker_elsewhere(alone: CommandLine) -> None:
    """With a worker alive, `run` in another terminal waits for it and works nothing itself."""
    with alone.worker() as worker:
        run = alone.json("run", "measured", "text=one two")
        (alive,) = alone.json("worker", "status")["workers"]
        assert alive["pid"] == worker.pid
    workers = {each["worker"] for each in alone.json("show", run["run_id"])["steps"]}
    assert workers == {alive["id"]}


def test_running_task_is_cancelled(alone: CommandLine) -> None:
    """`cancel` ends what runs; the waiting `run` ends with exit code 1; a second time is fine."""
    gate = alone.folder / "gate"
    with alone.worker(), alone.started("run", "talk", f"gate={gate}", "--json") as waiting:
        wait_until(lambda: begun(gate), "the task has begun")
        (run,) = alone.json("runs")["runs"]
        assert alone.json("cancel", run["run_id"])["status"] == "cancelled"
        out, _ = waiting.communicate(timeout=20)
        assert waiting.returncode == 1
        assert json.loads(out)["status"] == "cancelled"
    assert "has ended already" in alone("cancel", run["run_id"]).out


def test_run_that_has_ended_is_not_cancelled(taskmgr: CommandLine) -> None:
    """What succeeded stays succeeded: exit code 1, and it is said why."""
    run = taskmgr.json("run", "add", "left=1")["run_id"]
    assert "has ended already: succeeded" in taskmgr("cancel", run, code=1).out
    assert taskmgr.status(run) == "succeeded"


def test_interrupted_run_is_cancelled(alone: CommandLine) -> None:
    """Ctrl-C in a `run` that does the work itself cancels it: exit code 130."""
    gate = alone.folder / "gate"
    with alone.started("run", "talk", f"gate={gate}") as running:
        wait_until(lambda: begun(gate), "the task has begun")
        done = told(running, signal.SIGINT)
    assert done.code == 130
    assert "is cancelled" in done.err
    assert "Traceback" not in done.err
    (run,) = alone.json("runs")["runs"]
    assert run["status"] == "cancelled"


def test_interrupted_run_of_a_worker_goes_on(alone: CommandLine) -> None:
    """Ctrl-C in a `run` that a worker elsewhere serves only stops waiting."""
    gate = alone.folder / "gate"
    with alone.worker(), alone.started("run", "talk", f"gate={gate}") as waiting:
        wait_until(lambda: begun(gate), "the task has begun")
        done = told(waiting, signal.SIGINT)
        assert (done.code, "it goes on" in done.err) == (130, True)
        gate.touch()
        (run,) = alone.json("runs")["runs"]
        wait_until(lambda: alone.status(run["run_id"]) == "succeeded", "the run has succeeded")


def test_run_that_takes_too_long_is_given_up(alone: CommandLine) -> None:
    """With --timeout a run that only this command carries out is cancelled: exit code 1."""
    done = alone("run", "talk", "gate=never", "--timeout", "0.3", code=1)
    assert "has not ended within 0.3 s" in done.err
    assert alone.json("runs")["runs"][0]["status"] == "cancelled"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_worker_that_is_told_to_leave_finishes_first(
    alone: CommandLine, number: signal.Signals
) -> None:
    """What runs is finished, what waits is left to others, and the worker is off the list."""
    gate, other = alone.folder / "gate", alone.folder / "other"
    with alone.worker("--slots", "1") as worker:
        run = alone("run", "talk", f"gate={gate}", "--no-wait").out.strip()
        wait_until(lambda: begun(gate), "the task has begun")
        next_run = alone("run", "talk", f"gate={other}", "--no-wait").out.strip()
        worker.send_signal(number)
        assert worker.stderr is not None
        heard = iter(worker.stderr)
        assert any("finishing what runs" in line for line in heard)
        assert alone.status(run) == "running"
        gate.touch()
        assert worker.wait(timeout=20) == 0
    assert alone.status(run) == "succeeded"
    assert not begun(other)
    assert alone.status(next_run) == "running"
    assert alone.json("worker", "status")["workers"] == []


def test_worker_told_twice_gives_back_what_runs(alone: CommandLine) -> None:
    """The second signal ends what runs, and another worker takes it."""
    gate = alone.folder / "gate"
    with alone.worker() as worker:
        run = alone("run", "talk", f"gate={gate}", "--no-wait").out.strip()
        wait_until(lambda: begun(gate), "the task has begun")
        worker.send_signal(signal.SIGTERM)
        assert worker.stderr is not None
        assert any("finishing what runs" in line for line in iter(worker.stderr))
        assert told(worker, signal.SIGTERM).code == 0
    gate.touch()
    with alone.worker():
        wait_until(lambda: alone.status(run) == "succeeded", "another worker has done it")
    (step,) = alone.json("show", run)["steps"]
    assert step["attempts"] == 2


def test_worker_serves_only_its_queues(alone: CommandLine) -> None:
    """A worker of another queue leaves a run to others; `run` then does the work itself."""
    with alone.worker("--queues", "vision,text") as worker:
        (alive,) = alone.alive_workers(worker.pid)
        assert alive["queues"] == ["vision", "text"]
        run = alone.json("run", "add", "left=1")
        (step,) = alone.json("show", run["run_id"])["steps"]
        assert step["worker"] != alive["id"]


def test_killed_worker_is_lost_and_its_run_is_not(alone: CommandLine) -> None:
    """A worker that is killed is listed as lost; another one takes over what it ran."""
    gate = alone.folder / "gate"
    with alone.worker() as worker:
        run = alone("run", "talk", f"gate={gate}", "--no-wait").out.strip()
        wait_until(lambda: begun(gate), "the task has begun")
        worker.kill()
        worker.wait()
        wait_until(lambda: not alone.alive_workers(worker.pid), "the worker counts as lost")
    assert "lost" in alone("worker", "status").out
    # On servers that nobody works is a fault; a laptop's `run` does the work itself.
    on_servers = "TASKMGR_BROKER_URL" in alone.environment
    said = alone("doctor", code=1 if on_servers else 0).out
    assert ("not heard of" if on_servers else "has not been heard of") in said
    gate.touch()
    with alone.worker():
        wait_until(lambda: alone.status(run) == "succeeded", "another worker has done it")
    (step,) = alone.json("show", run)["steps"]
    assert step["lost"] == 1


@pytest.mark.embedded("the SQLite file is the platform; servers outlive a home")
@pytest.mark.parametrize("replaced", [False, True], ids=["removed", "replaced"])
def test_worker_ends_when_its_home_goes(alone: CommandLine, replaced: bool) -> None:
    """Without its home a worker says so and ends with 3, its running task with it."""
    gate = alone.folder / "gate"
    alone("run", "talk", f"gate={gate}", "--no-wait")
    with alone.worker() as worker:
        wait_until(lambda: begun(gate), "the task has begun")
        alone.home.rename(alone.folder / "aside")
        if replaced:
            alone("runs")
        _, err = worker.communicate(timeout=20)
    assert worker.returncode == 3
    assert "error: " in err
    assert f"{alone.home}/metadata.sqlite3 is not the file any more that was opened" in err
    assert "Traceback" not in err


@pytest.mark.embedded("the SQLite file is the platform; servers outlive a home")
def test_waiting_command_ends_when_its_home_goes(alone: CommandLine) -> None:
    """A run that is waited for, and done, by one command ends with 3 and says why."""
    gate = alone.folder / "gate"
    with alone.started("run", "talk", f"gate={gate}") as waiting:
        wait_until(lambda: begun(gate), "the task has begun")
        alone.home.rename(alone.folder / "aside")
        _, err = waiting.communicate(timeout=20)
    assert waiting.returncode == 3
    assert "the home, was removed, moved or replaced" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("queues", ["a b", "vision,größe", "x" * 65])
def test_queue_that_cannot_be_is_not_waited_for(alone: CommandLine, queues: str) -> None:
    """A worker for a queue that no task can have is refused, with what is allowed."""
    told = alone("worker", "start", "--queues", queues, code=2).err
    assert "allowed are 1 to 64 ASCII letters, digits, '_', '-' and '.'" in told
