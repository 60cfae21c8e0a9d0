"""Runners under tasks that fork, flood and forge: no wrong answer, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs
import psutil
import pytest

from taskmgr_core.client import Client
from taskmgr_core.environments import Environment
from taskmgr_core.errors import RunnerError
from taskmgr_core.models import ModelFiles
from taskmgr_core.runners import Limits, Runner, RunnerLauncher, call_frame
from taskmgr_core.settings import load
from taskmgr_core.specs import PipelineSpec, StepSpec
from taskmgr_core.wiring import Platform
from taskmgr_core.worker.pool import RunnerPool
from taskmgr_plugins.converter import LARGE_JSON_BYTES
from taskmgr_plugins.protocol import Frame
from taskmgr_plugins.texts import MESSAGE_CHARACTERS, TRACEBACK_CHARACTERS
from waiting import wait_until

UNRULY = Path(__file__).parents[1] / "projects" / "unruly"
DISTRIBUTION = "taskmgr-unruly"


@pytest.fixture(scope="module")
def unruly_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that holds the unruly tasks."""
    folder = tmp_path_factory.mktemp("unruly")
    with Platform(load({"TASKMGR_SLOTS": "1"}, folder, folder)).client() as client:
        client.publish(UNRULY)
    return folder


@pytest.fixture
def unruly(unruly_home: Path) -> Platform:
    """The objects of one process on that home."""
    return Platform(load({"TASKMGR_SLOTS": "1"}, unruly_home, unruly_home))


@pytest.fixture
def unruly_client(unruly: Platform) -> Iterator[Client]:
    """A client that runs the steps itself."""
    with unruly.client() as opened:
        yield opened


@pytest.fixture
def environment(unruly: Platform) -> Environment:
    """The virtualenv of the unruly tasks."""
    return unruly.environments.ensure(unruly.metadata.version("add").release)


@pytest.fixture
def launcher(tmp_path: Path) -> RunnerLauncher:
    """Starts runners in a folder of the test's own."""
    return RunnerLauncher(tmp_path / "work")


@pytest.fixture
def runner(launcher: RunnerLauncher, environment: Environment) -> Iterator[Runner]:
    """A runner of the unruly tasks."""
    started = launcher.start(environment, DISTRIBUTION)
    yield started
    started.close()


def ask(runner: Runner, task: str, limits: Limits | None = None, **inputs: object) -> object:
    """Call a task; its result."""
    frame = call_frame(task, {}, inputs, {})
    answer: Frame = runner.request(frame, limits=limits or Limits(20))
    return answer["outputs"]["result"]


def gone(process: psutil.Process) -> bool:
    """Whether a process has ended, reaped or not."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


# one answer for each question


def test_forked_child_that_returns_gives_no_answer(runner: Runner) -> None:
    """What a forked child of a task returns is recorded for nobody."""
    assert [ask(runner, "fork_and_return", number=each) for each in (1, 2, 3)] == [1, 2, 3]
    assert ask(runner, "add", left=1) == 2
    assert runner.alive


@pytest.mark.parametrize("status", [0, 3])
def test_forked_child_that_exits_has_its_status(runner: Runner, status: int) -> None:
    """sys.exit in a forked child ends that child with its status, and no call of another."""
    assert ask(runner, "fork_and_exit", status=status) == status
    assert ask(runner, "add", left=1) == 2


def test_frame_that_nobody_asked_for_ends_the_runner(runner: Runner) -> None:
    """A runner that has spoken unasked is not lent again."""
    assert ask(runner, "meddle", delay=0.2) == "meddling"
    assert runner.alive
    wait_until(lambda: not runner.alive, "the runner counts as dead")


def test_answer_to_another_question_is_refused(runner: Runner) -> None:
    """An answer with another number is an error, never the result."""
    assert ask(runner, "add", left=1) == 2
    with pytest.raises(RunnerError, match="answer to another question") as refused:
        ask(runner, "meddle", delay=0)
    assert refused.value.code == "crashed"
    assert not runner.alive


def test_endless_error_is_cut_whoever_sends_it(runner: Runner) -> None:
    """What a runner says of an error is kept up to a size, though it did not keep to it itself."""
    with pytest.raises(RunnerError) as told:
        ask(runner, "forge_error", message="x", times=3_000_000)
    error = told.value
    assert len(str(error)) <= MESSAGE_CHARACTERS
    assert len(error.traceback) <= TRACEBACK_CHARACTERS
    assert len(error.details["type"]) <= TRACEBACK_CHARACTERS
    assert "characters left out" in str(error)


def test_error_that_says_nothing_ends_the_runner(runner: Runner) -> None:
    """An error frame without texts comes from no runner of ours: it is given up."""
    with pytest.raises(RunnerError, match="cannot be trusted") as told:
        ask(runner, "forge_error", message="x", times=0)
    assert told.value.code == "crashed"
    assert not runner.alive


def test_log_that_cannot_be_written_ends_the_runner(runner: Runner) -> None:
    """A runner left in the middle of a call is closed, whatever the reason was."""

    def full(lines: Sequence[tuple[str, str]]) -> None:
        raise OSError("no space left")

    frame = call_frame("flood", {}, {"number": 1}, {})
    with pytest.raises(OSError, match="no space left"):
        runner.request(frame, limits=Limits(20), output=runner.output(full))
    assert not runner.alive


# an end to everything


def test_chatty_child_does_not_hold_the_call(runner: Runner) -> None:
    """A child that writes without end delays neither the answer nor the next one."""
    started = time.monotonic()
    assert ask(runner, "flood", number=7) == 7
    assert ask(runner, "add", left=1) == 2
    assert time.monotonic() - started < 10


def test_crash_is_noticed_while_a_forked_child_lives(runner: Runner) -> None:
    """A killed runner is told as crashed at once, not at the timeout."""
    started = time.monotonic()
    with pytest.raises(RunnerError, match="SIGKILL") as crashed:
        ask(runner, "fork_and_crash", seconds=600)
    assert crashed.value.code == "crashed"
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("session", [False, True])
def test_cancelled_call_leaves_no_child(runner: Runner, tmp_path: Path, session: bool) -> None:
    """Children end with the runner, those in a session of their own too."""
    note = tmp_path / "pid"
    limits = Limits(20, cancelled=lambda: note.exists() and note.read_text().endswith("\n"))
    with pytest.raises(RunnerError) as cancelled:
        ask(runner, "start_child", limits, note=str(note), session=session)
    assert cancelled.value.code == "cancelled"
    pid = int(note.read_text())
    wait_until(lambda: not psutil.pid_exists(pid) or gone(psutil.Process(pid)), "it ended", 5)


_BRIEF_WORKER = """
import sys
from pathlib import Path
import attrs
from taskmgr_core.runners import RunnerLauncher, call_frame

@attrs.frozen
class Python:
    python: Path

work, python, note = map(Path, sys.argv[1:])
runner = RunnerLauncher(work).start(Python(python), "taskmgr-unruly")
runner.request(call_frame("start_child", {}, {"note": str(note), "session": False}, {}))
"""


def test_killed_worker_leaves_no_child_and_no_folder(
    launcher: RunnerLauncher, environment: Environment, tmp_path: Path
) -> None:
    """A task's child ends with a worker that was killed; its folder goes at the next start."""
    note = tmp_path / "pid"
    arguments = [str(launcher.folder), str(environment.python), str(note)]
    worker = subprocess.Popen([sys.executable, "-c", _BRIEF_WORKER, *arguments])
    wait_until(lambda: note.exists() and note.read_text().endswith("\n"), "the child is started")
    child = psutil.Process(int(note.read_text()))
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    wait_until(lambda: gone(child), "the child is gone", 5)
    (left,) = launcher.folder.iterdir()
    with_another = launcher.start(environment, DISTRIBUTION)
    assert list(launcher.folder.iterdir()) == [with_another.folder]
    assert left != with_another.folder
    with_another.close()
    assert list(launcher.folder.iterdir()) == []


@attrs.frozen
class Python:
    """An interpreter that may not be there."""

    python: Path


def test_start_that_fails_leaves_nothing(launcher: RunnerLauncher, tmp_path: Path) -> None:
    """Neither a descriptor nor a folder is left of a runner that could not be started."""
    before = psutil.Process().num_fds()
    with pytest.raises(RunnerError, match="no runner can be started") as refused:
        launcher.start(Python(tmp_path / "absent"), DISTRIBUTION)
    assert refused.value.code == "environment"
    assert psutil.Process().num_fds() == before
    assert list(launcher.folder.iterdir()) == []


def test_start_without_a_folder_is_a_runner_error(tmp_path: Path, environment: Environment) -> None:
    """A folder that cannot be made is told as such, not as a bug."""
    (tmp_path / "file").touch()
    with pytest.raises(RunnerError, match="Not a directory"):
        RunnerLauncher(tmp_path / "file" / "work").start(environment, DISTRIBUTION)


# memory


def test_shared_memory_is_counted_once(runner: Runner) -> None:
    """Pages that forked children share with the task count once, not for each."""
    limits = Limits(30, 300)
    inputs = {"megabytes": 100, "children": 4, "own": 1}
    assert ask(runner, "fork_with_memory", limits, **inputs) == 100_000_000


def test_memory_of_children_counts(runner: Runner) -> None:
    """What forked children take for themselves counts against the limit."""
    inputs = {"megabytes": 1, "children": 3, "own": 100}
    with pytest.raises(RunnerError, match="limit of 200 MB") as refused:
        ask(runner, "fork_with_memory", Limits(30, 200), **inputs)
    assert refused.value.code == "memory"


def test_mapped_file_is_no_memory_of_the_task(runner: Runner) -> None:
    """A file that is mapped may be larger than the limit."""
    assert ask(runner, "map_file", Limits(30, 100), megabytes=200) == 200_000_000 // 4096 + 1


# the working folder


def test_folder_that_a_task_removed_is_made_again(runner: Runner) -> None:
    """The next call has its folder, whatever the one before did to it."""
    assert ask(runner, "remove_folder", number=1) == 1
    runner.empty_folder()
    assert ask(runner, "remove_folder", number=2) == 2
    assert ask(runner, "name_badly", text="x")
    assert runner.alive


def test_emptying_follows_no_link(runner: Runner, tmp_path: Path) -> None:
    """A task that puts a link where its folder was gets nothing removed elsewhere."""
    kept = tmp_path / "elsewhere" / "kept.txt"
    kept.parent.mkdir()
    kept.touch()
    with pytest.raises(RunnerError, match="swapped"):
        ask(runner, "swap_folder", other=str(kept.parent))
    runner.empty_folder()
    assert kept.exists()
    assert runner.folder.is_dir()
    assert not runner.folder.is_symlink()


# steps


def test_wrong_names_are_recorded(unruly_client: Client) -> None:
    """A message and a file with a name that is no UTF-8 are recorded, the byte written out."""
    failed = unruly_client.run("misname", {"number": 1}, timeout=60)
    assert failed.run.failure is not None
    assert "cannot open caf\\udce9.jpg" in failed.run.failure.message
    named = unruly_client.run("name_badly", {"text": "x"}, timeout=60)
    assert named.result is not None
    assert named.result["result"]["name"] == "caf\\udce9.txt"


def test_artifact_that_was_not_given_is_refused(unruly_client: Client) -> None:
    """A task cannot refer to a file that it neither was given nor wrote."""
    detail = unruly_client.run("forge", {"digest": "sha256:" + "0" * 64}, timeout=60)
    assert detail.run.failure is not None
    assert detail.run.failure.code == "invalid-output"
    assert "was not given" in detail.run.failure.message


def test_loading_does_not_count_as_the_call(unruly_client: Client) -> None:
    """A model may take longer to load than a call may; what it prints is in the log."""
    detail = unruly_client.run("slow_to_load", {"number": 5}, timeout=60)
    assert detail.result == {"result": 5}
    assert detail.steps[0].seconds["load"] >= 1.0
    assert [line.text for line in unruly_client.logs(detail.run.id)] == ["loading"]
    again = unruly_client.run("slow_to_load", {"number": 6}, timeout=60)
    assert again.steps[0].seconds["load"] < 0.5


def test_very_large_value_travels_as_a_file(unruly_client: Client) -> None:
    """A value larger than a frame may be is stored, and read by the next step."""
    steps = (
        StepSpec("001", "many_numbers", {"input_001_size": "size"}),
        StepSpec("002", "count", {"input_002_numbers": "output_001_result"}),
    )
    pipeline = PipelineSpec("very_large", {"size": "integer"}, steps)
    detail = unruly_client.run(pipeline, {"size": 2_500_000}, timeout=100)
    assert detail.result is not None, detail.run.failure
    assert detail.result["output_002_result"] == 2_500_000
    (value,) = [each for each in detail.values if each.port == "output_001_result"]
    assert value.document["media_type"] == "application/json"
    assert value.digest == value.document["$artifact"]
    assert value.size > 16 * 1024 * 1024 > LARGE_JSON_BYTES


# the pool


@pytest.fixture
def make_pool(unruly: Platform, launcher: RunnerLauncher) -> Iterator[Callable[..., RunnerPool]]:
    """Makes pools, which are closed at the end."""
    made: list[RunnerPool] = []

    def make(idle_seconds: float) -> RunnerPool:
        models = ModelFiles(launcher.folder.parent / "models", unruly.artifacts)
        made.append(RunnerPool(unruly.environments, models, launcher, 2, idle_seconds))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


def test_idle_runner_ends_after_its_time(unruly: Platform, make_pool: object) -> None:
    """A runner that nobody needs is ended, and its folder removed."""
    pool = make_pool(0.3)  # type: ignore[operator]
    with pool.lease(unruly.metadata.version("add")) as lease:
        process, folder = psutil.Process(lease.runner.pid), lease.runner.folder
    wait_until(lambda: not process.is_running(), "it ended and was reaped")
    wait_until(lambda: not folder.exists(), "its folder is gone")


def test_task_that_does_not_get_loaded_is_ended(unruly: Platform, make_pool: object) -> None:
    """Loading has a time of its own, after which its process is killed, and the message says so."""
    version = unruly.metadata.version("slow_to_load")
    hasty = attrs.evolve(version.task, load_timeout=0.2)
    pool = make_pool(600)  # type: ignore[operator]
    with pool.lease(version) as lease:
        output = lease.runner.output(lambda _: None)
        with pytest.raises(RunnerError, match=r"load_timeout of 0\.2 s and was killed") as failed:
            lease.load(hasty, None, lambda: False, output)
        assert not lease.runner.alive
    assert failed.value.code == "timeout"


def test_lent_runner_does_not_end_of_idleness(unruly: Platform, make_pool: object) -> None:
    """The time of idleness does not run while a runner is lent."""
    pool = make_pool(0.05)  # type: ignore[operator]
    with pool.lease(unruly.metadata.version("add")) as lease:
        threading.Event().wait(0.3)
        assert ask(lease.runner, "add", left=1) == 2


def test_idle_runner_that_died_is_reaped(unruly: Platform, make_pool: object) -> None:
    """A runner that is killed while it waits stays no zombie."""
    pool = make_pool(600)  # type: ignore[operator]
    with pool.lease(unruly.metadata.version("add")) as lease:
        process = psutil.Process(lease.runner.pid)
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: not process.is_running(), "it was reaped")
