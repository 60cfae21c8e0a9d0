"""Workers as operators run them: logs, daemons, a file of their own, overrides of tasks."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from command_line import CommandLine, told, wait_until


def lines(path: Path) -> list[dict[str, str]]:
    """The lines of a JSON log."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def done(taskmgr: CommandLine, run: str) -> None:
    """Wait for a run to succeed."""
    wait_until(lambda: taskmgr.status(run) == "succeeded", "the run has succeeded")


# logs


def test_logs_are_json_lines_in_two_files(alone: CommandLine) -> None:
    """Steps are in worker.log, with time, level and logger; system.log has nothing of them."""
    folder = alone.folder / "logs"
    with alone.worker("--log-format", "json", "--log-folder", str(folder)) as worker:
        run = alone("run", "add", "left=1", "--no-wait").out.strip()
        done(alone, run)
        err = told(worker, signal.SIGTERM).err
    steps = [each for each in lines(folder / "worker.log") if run in each["message"]]
    assert [each["level"] for each in steps] == ["info", "info"]
    assert steps[0]["time"].endswith("+00:00")
    assert steps[0]["logger"] == "taskmgr_core.worker.worker"
    assert run not in (folder / "system.log").read_text()
    assert all(json.loads(line)["message"] for line in err.splitlines())


def test_stderr_is_plain_and_no_files_are_written_by_default(alone: CommandLine) -> None:
    """Without options a worker tells on stderr as ever, and nowhere else."""
    with alone.worker() as worker:
        err = told(worker, signal.SIGTERM).err
    assert "INFO    worker " in err
    assert not (alone.home / "logs").exists()


def test_full_logs_are_put_aside(alone: CommandLine) -> None:
    """Of a log that reaches its size the newest files are kept, as many as the setting says."""
    folder = alone.folder / "logs"
    folder.mkdir()
    (folder / "worker.log").write_text("x" * 1_000_000)
    (folder / "worker.log.1").write_text("older")
    (alone.home / "config.toml").write_text("log_file_mb = 1\nlog_files = 1\n")
    with alone.worker("--log-folder", str(folder)) as worker:
        told(worker, signal.SIGTERM)
    assert (folder / "worker.log").stat().st_size < 10_000
    assert (folder / "worker.log.1").read_text().startswith("xxx")
    assert not (folder / "worker.log.2").exists()


def test_second_worker_with_the_same_logs_is_refused(alone: CommandLine) -> None:
    """Two that rotate the same files would lose lines; a name of its own is the way out."""
    folder = str(alone.folder / "logs")
    with alone.worker("--log-folder", folder) as worker:
        err = alone("worker", "start", "--log-folder", folder, code=2).err
        assert f"as process {worker.pid}" in err
        with alone.worker("--log-folder", folder, "--worker-id", "second"):
            assert (alone.folder / "logs" / "second-worker.log").exists()


# daemons


@pytest.fixture
def daemons(alone: CommandLine) -> Iterator[CommandLine]:
    """A terminal whose daemons are killed at the end."""
    yield alone
    for path in (alone.home / "workers").glob("*.pid"):
        os.kill(int(path.read_text()), signal.SIGKILL)


def test_daemon_goes_on_without_the_terminal(daemons: CommandLine) -> None:
    """Start returns when it works; it has a session of its own, no terminal, a pid file, logs."""
    daemons("worker", "start", "--daemon", "--loglevel", "debug")
    pidfile = daemons.home / "workers" / "worker.pid"
    pid = int(pidfile.read_text())
    (worker,) = daemons.alive_workers(pid)
    process = psutil.Process(pid)
    assert process.terminal() is None
    assert os.getsid(pid) not in (os.getsid(0), pid)
    opened = {str(Path(f"/proc/{pid}/fd/{each}").readlink()) for each in (0, 1)}
    assert opened == {os.devnull}
    run = daemons("run", "add", "left=1", "--no-wait").out.strip()
    done(daemons, run)
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not pidfile.exists(), "the daemon has left")
    told_of = (daemons.home / "logs" / "worker.log").read_text()
    assert run in told_of
    assert worker["id"] in told_of
    assert "left" in told_of


def test_second_daemon_of_a_name_is_refused(daemons: CommandLine) -> None:
    """The error has the process's id; a killed one's file is taken over, another name is free."""
    daemons("worker", "start", "--daemon", "--worker-id", "one")
    pidfile = daemons.home / "workers" / "one.pid"
    pid = int(pidfile.read_text())
    err = daemons("worker", "start", "--daemon", "--worker-id", "one", code=2).err
    assert f"the worker 'one' runs already, as process {pid}" in err
    daemons("worker", "start", "--daemon", "--worker-id", "two")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(pid), "it is dead")
    daemons("worker", "start", "--daemon", "--worker-id", "one")
    assert int(pidfile.read_text()) != pid


def test_daemon_that_cannot_start_says_so(alone: CommandLine) -> None:
    """The error is on the terminal, the exit code that of a worker in the foreground."""
    (alone.home / "logs").write_text("in the way")
    err = alone("worker", "start", "--daemon", code=2).err
    assert "cannot be written" in err
    assert not list((alone.home / "workers").glob("*.pid"))


def test_pidfile_is_written_and_removed(alone: CommandLine) -> None:
    """With --pidfile a worker of the terminal, too, says which process it is."""
    path = alone.folder / "run" / "worker.pid"
    with alone.worker("--pidfile", str(path)) as worker:
        assert path.read_text() == f"{worker.pid}\n"
        told(worker, signal.SIGTERM)
    assert not path.exists()


# the worker's file


def test_file_names_the_worker_its_slots_tasks_and_queues(alone: CommandLine) -> None:
    """What the file says is in force, and shown; an option goes before it."""
    file = alone.folder / "worker.toml"
    file.write_text(
        'worker_id = "gpu-1"\nmax_concurrent_tasks = 3\nactive_tasks = ["add"]\n'
        'queues = ["default", "vision"]\n'
    )
    with alone.worker("--config", str(file), "--slots", "2") as worker:
        (alive,) = alone.alive_workers(worker.pid)
        assert alive["id"].startswith(f"gpu-1-{worker.pid}-")
        assert (alive["slots"], alive["tasks"]) == (2, ["add"])
        assert alive["queues"] == ["default", "vision"]
        err = alone("worker", "start", "--worker-id", "gpu-1", code=2).err
        assert "the worker 'gpu-1' runs already" in err


def test_step_of_a_task_that_is_not_active_is_left_to_others(alone: CommandLine) -> None:
    """A worker of some tasks runs theirs and leaves others, whose run then is done elsewhere."""
    file = alone.folder / "worker.toml"
    file.write_text('active_tasks = ["add"]')
    with alone.worker("--config", str(file)) as worker:
        (alive,) = alone.alive_workers(worker.pid)
        left = alone("run", "words", "text=a b", "--no-wait").out.strip()
        mine = alone("run", "add", "left=1", "--no-wait").out.strip()
        done(alone, mine)
        assert alone.status(left) == "running"
        assert alone.json("show", left)["steps"][0]["status"] == "ready"
        (step,) = alone.json("show", mine)["steps"]
        assert step["worker"] == alive["id"]
        other = alone.json("run", "words", "text=a b")
        assert other["status"] == "succeeded"
    with alone.worker():
        done(alone, left)


def test_worker_s_timeout_is_in_force(alone: CommandLine) -> None:
    """A timeout of the worker's file ends an attempt that the plugin allows a minute."""
    file = alone.folder / "worker.toml"
    file.write_text("[tasks.talk]\ntimeout = 0.5\n")
    with alone.worker("--config", str(file)):
        run = alone("run", "talk", "gate=never", "--no-wait").out.strip()
        wait_until(lambda: alone.status(run) == "failed", "it has taken too long")
    assert alone.json("show", run)["error"]["code"] == "timeout"


def test_every_fault_of_the_file_is_told_with_its_place(alone: CommandLine) -> None:
    """Wrong keys and values are refused together, and where queue and priority belong."""
    file = alone.folder / "worker.toml"
    file.write_text(
        'worker_id = "a b"\nmax_concurrent_tasks = 0\nactive_task = ["x"]\nactive_tasks = ["add"]\n'
        'queues = ["ok", "a,b"]\n[tasks.add]\nqueue = "gpu"\ntimeout = -1\n'
        "[tasks.talk]\npriority = 3\n"
    )
    err = alone("worker", "start", "--config", str(file), code=2).err
    for place in (
        "worker_id: 'a b' is no id",
        "max_concurrent_tasks: 0 is not allowed",
        "active_task: unknown; did you mean 'active_tasks'?",
        "queues[1]: queue 'a,b'",
        "tasks.add.timeout: -1 is no timeout",
        "tasks.talk.priority: this is decided when a run is submitted",
        "tasks.talk: 'talk' is not among the active_tasks",
    ):
        assert place in err
    assert str(file) in err


# overrides in the platform's file


def test_queue_and_timeout_are_overridden_at_submission(alone: CommandLine) -> None:
    """A run that is submitted after config.toml was changed goes to the queue that it says."""
    (alone.home / "config.toml").write_text(
        '[tasks.add]\nqueue = "special"\npriority = 9\n[tasks.talk]\ntimeout = 0.5\n'
    )
    run = alone("run", "add", "left=1", "--no-wait").out.strip()
    (step,) = alone.json("show", run)["steps"]
    assert step["queue"] == "special"
    with alone.worker("--queues", "special"):
        done(alone, run)
    assert alone("run", "talk", "gate=never", code=1).err


def test_executions_are_runs(alone: CommandLine) -> None:
    """`executions` is another name of `runs`."""
    alone("run", "add", "left=1")
    assert alone.json("executions", "--limit", "1") == alone.json("runs", "--limit", "1")
