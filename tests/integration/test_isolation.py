"""Runners under tasks that try what they may not: the files of others, the network, too much."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import psutil
import pytest

from taskmgr_core.client import Client
from taskmgr_core.environments import Environment
from taskmgr_core.errors import RunnerError
from taskmgr_core.runners import (
    Isolation,
    Limits,
    Needs,
    Runner,
    RunnerLauncher,
    call_frame,
    landlock,
    seccomp,
)
from taskmgr_core.runners import isolation as isolation_module
from taskmgr_core.settings import load
from taskmgr_core.stores.local_files import USERS, LocalFiles
from taskmgr_core.wiring import Platform
from waiting import wait_until

PRISONER = Path(__file__).parents[1] / "projects" / "prisoner"
DISTRIBUTION = "taskmgr-prisoner"
FULL = Isolation("auto", open_files=100, file_mb=50, processes=10)

needs_landlock = pytest.mark.skipif(
    not landlock.version(), reason="THIS KERNEL HAS NO LANDLOCK: isolation of files is NOT tested"
)
needs_seccomp = pytest.mark.skipif(
    not seccomp.available(), reason="THIS KERNEL HAS NO SECCOMP: isolation of network is NOT tested"
)

Ask = Callable[..., object]


@pytest.fixture(scope="module")
def prison_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that holds the tasks, published as they are by default: isolated."""
    folder = tmp_path_factory.mktemp("prison")
    with Platform(load({}, folder, folder)).client() as client:
        client.publish(PRISONER)
    return folder


@pytest.fixture
def prison(prison_home: Path) -> Platform:
    """The objects of one process on that home."""
    return Platform(load({"TASKMGR_SLOTS": "1"}, prison_home, prison_home))


@pytest.fixture
def prison_client(prison: Platform) -> Iterator[Client]:
    """A client that runs the steps itself."""
    with prison.client() as opened:
        yield opened


@pytest.fixture
def cell(prison: Platform) -> Environment:
    """The virtualenv of the tasks."""
    return prison.environments.ensure(prison.metadata.version("connect").release)


@pytest.fixture
def warder(tmp_path: Path) -> RunnerLauncher:
    """Starts isolated runners in a folder of the test's own."""
    return RunnerLauncher(tmp_path / "work", isolation=FULL)


@pytest.fixture
def prisoner(warder: RunnerLauncher, cell: Environment) -> Iterator[Runner]:
    """An isolated runner."""
    started = warder.start(cell, DISTRIBUTION)
    yield started
    started.close()


def ask(runner: Runner, task: str, **inputs: object) -> object:
    """Call a task; its result."""
    answer = runner.request(call_frame(task, {}, inputs, {}), limits=Limits(20))
    return answer["outputs"]["result"]


@pytest.fixture
def server() -> Iterator[int]:
    """A server that greets; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"welcome")

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


# files


@needs_landlock
@pytest.mark.parametrize("what", ["home", "database", "artifact", "other", "configuration"])
def test_files_of_others_cannot_be_read(
    prisoner: Runner, warder: RunnerLauncher, prison: Platform, tmp_path: Path, what: str
) -> None:
    """A task reads neither a user's file nor what the platform or another run keeps."""
    other = warder.folder / "runner-other" / "secret.txt"
    other.parent.mkdir()
    version = prison.metadata.version("connect")
    path = {
        "home": tmp_path / "secret.txt",
        "database": prison.settings.database,
        "artifact": prison.artifacts.local_path(version.release.wheel.digest),
        "other": other,
        "configuration": prison.settings.home / "config.toml",
    }[what]
    if not path.exists():
        path.write_text('log_level = "info"')
    with pytest.raises(RunnerError, match="Permission denied") as refused:
        ask(prisoner, "read_file", path=str(path))
    assert refused.value.code == "task-error"
    assert "may read its virtualenv, its inputs and its models" in str(refused.value)
    assert ask(prisoner, "in_a_child", path=str(path)) != 0


@needs_landlock
def test_only_the_working_folder_can_be_written(prisoner: Runner, cell: Environment) -> None:
    """A task writes into its working folder, and neither into its virtualenv nor beside it."""
    assert ask(prisoner, "write_file", path="here.txt") == "here.txt"
    beside = prisoner.folder.parent / "beside.txt"
    (package,) = cell.path.glob("lib/*/site-packages/taskmgr_prisoner")
    for path in (beside, cell.path / "new.py", package / "__init__.py", Path("/tmp/new.txt")):
        with pytest.raises(RunnerError, match="write only into its working folder"):
            ask(prisoner, "write_file", path=str(path))


@needs_landlock
def test_folders_of_others_cannot_be_listed(prisoner: Runner) -> None:
    """A task does not see which runs there are beside it."""
    assert ask(prisoner, "list_folder", path=".") == []
    with pytest.raises(RunnerError, match="Permission denied"):
        ask(prisoner, "list_folder", path=str(prisoner.folder.parent))


@needs_landlock
def test_inputs_are_all_that_is_seen_of_the_artifacts(
    prison_client: Client, prison: Platform, tmp_path: Path
) -> None:
    """A task reads the file that it was given, cannot change it, and sees no other."""
    given = tmp_path / "given.txt"
    given.write_text("given")
    for _ in range(2):
        detail = prison_client.run("size_of", {"file": given}, timeout=60)
        assert detail.result is not None, detail.run.failure
        assert detail.result["result"] == {"size": 5, "error": "PermissionError", "beside": 1}
    (value,) = [each for each in detail.values if each.port == "input_001_file"]
    assert prison.artifacts.read(value.digest) == b"given"


@needs_landlock
def test_settings_open_what_an_operator_wants(
    warder: RunnerLauncher, cell: Environment, tmp_path: Path
) -> None:
    """The folders of the settings can be read, or read and written."""
    for name in ("readable", "writable"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "there.txt").write_text("there")
    opened = attrs.evolve(
        FULL, readable=(tmp_path / "readable",), writable=(tmp_path / "writable",)
    )
    runner = attrs.evolve(warder, isolation=opened).start(cell, DISTRIBUTION)
    try:
        assert ask(runner, "read_file", path=str(tmp_path / "readable/there.txt")) == 5
        assert ask(runner, "write_file", path=str(tmp_path / "writable/new.txt"))
        with pytest.raises(RunnerError, match="Permission denied"):
            ask(runner, "write_file", path=str(tmp_path / "readable/new.txt"))
    finally:
        runner.close()


# what is not there to be seen


def test_runner_finds_no_secret(
    warder: RunnerLauncher, cell: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the environment nor an inherited descriptor nor a core dump tells anything."""
    monkeypatch.setenv("TASKMGR_METADATA_URL", "mongodb://user:hunter2@host/taskmgr")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        os.set_inheritable(listening.fileno(), True)
        runner = warder.start(cell, DISTRIBUTION)
        found = ask(runner, "look_around", parent=os.getpid())
        runner.close()
    assert isinstance(found, dict)
    assert "hunter2" not in str(found)
    kinds = sorted(each.partition(":")[0] for each in found["descriptors"].values())
    # stdout and stderr, frames in and out, the lifeline; stdin; and what lists them.
    assert kinds[:1] == ["/dev/null"]
    assert set(kinds) <= {"/dev/null", "pipe", *(kind for kind in kinds if "/proc/" in kind)}
    assert kinds.count("pipe") == 5
    assert found["core"] == 0
    if landlock.version():
        assert found["theirs"] == "PermissionError"


@needs_landlock
@pytest.mark.skipif(landlock.version() < 6, reason="THIS KERNEL KEEPS NO SIGNALS BACK")
def test_other_processes_get_no_signal(prisoner: Runner) -> None:
    """A task can signal what it started, and not its worker."""
    assert ask(prisoner, "send_signal", pid=prisoner.pid) == ""
    assert ask(prisoner, "send_signal", pid=os.getpid()) == "PermissionError"


# the network


@needs_seccomp
def test_network_is_for_tasks_that_ask_for_it(prison_client: Client, server: int) -> None:
    """A task reaches a server with network=True, and else fails with a word on it."""
    allowed = prison_client.run("connect_allowed", {"port": server}, timeout=60)
    assert allowed.result == {"result": "welcome"}
    refused = prison_client.run("connect", {"port": server}, timeout=60)
    assert refused.run.failure is not None
    assert refused.run.failure.code == "task-error"
    assert "network=True" in refused.run.failure.message


@needs_seccomp
def test_name_that_cannot_be_looked_up_is_explained(prisoner: Runner) -> None:
    """A library that asks for an address is told of as having no network."""
    with pytest.raises(RunnerError, match="network=True"):
        ask(prisoner, "resolve", name="example.org")


@needs_seccomp
@pytest.mark.parametrize(
    ("family", "kind", "refused"),
    [
        (socket.AF_INET, socket.SOCK_DGRAM, "PermissionError"),
        (socket.AF_INET6, socket.SOCK_STREAM, "PermissionError"),
        (getattr(socket, "AF_NETLINK", 16), socket.SOCK_RAW, "PermissionError"),
        (getattr(socket, "AF_VSOCK", 40), socket.SOCK_STREAM, "PermissionError"),
        (socket.AF_UNIX, socket.SOCK_STREAM, ""),
    ],
)
def test_every_kind_of_socket_is_kept_back(
    prisoner: Runner, family: int, kind: int, refused: str
) -> None:
    """Without network there are no sockets but those between processes of the machine."""
    assert ask(prisoner, "open_socket", family=int(family), kind=int(kind)) == refused


def test_declared_network_is_recorded(prison: Platform) -> None:
    """What a task declares is registered with it."""
    assert prison.metadata.version("connect_allowed").task.network
    assert not prison.metadata.version("connect").task.network


# limits


def test_open_files_have_a_limit(prisoner: Runner) -> None:
    """More open files than allowed fail the call with the limit; the runner lives."""
    assert ask(prisoner, "open_files", count=50) == 50
    with pytest.raises(RunnerError, match="TASKMGR_OPEN_FILES") as refused:
        ask(prisoner, "open_files", count=200)
    assert refused.value.code == "limit"
    assert "100 files open" in str(refused.value)
    assert prisoner.alive


def test_files_have_a_largest_size(prisoner: Runner) -> None:
    """A larger file than allowed fails the call with the limit; the runner lives."""
    assert ask(prisoner, "write_much", megabytes=40) == 40
    with pytest.raises(RunnerError, match="TASKMGR_FILE_MB") as refused:
        ask(prisoner, "write_much", megabytes=60)
    assert refused.value.code == "limit"
    assert prisoner.alive


def test_processes_have_a_limit(prisoner: Runner) -> None:
    """A task that becomes too many processes is killed with all of them."""
    with pytest.raises(RunnerError, match="TASKMGR_PROCESSES") as refused:
        ask(prisoner, "start_many", count=20)
    assert refused.value.code == "limit"
    wait_until(
        lambda: not [each for each in psutil.process_iter() if _is_of(each, prisoner.pid)],
        "end of all processes",
    )


def _is_of(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except OSError:
        return False


# what goes on as before


def test_processes_of_a_task_work_together(warder: RunnerLauncher, cell: Environment) -> None:
    """A pool of processes with its semaphores works inside."""
    runner = warder.start(cell, DISTRIBUTION)
    assert ask(runner, "use_a_pool", number=3) == [0, 2, 4]
    runner.close()
    assert list(warder.folder.iterdir()) == []


def test_bytecode_is_kept(cell: Environment, warder: RunnerLauncher) -> None:
    """A second start of a runner finds the plugin compiled, as without isolation."""
    kept = "lib/*/site-packages/taskmgr_prisoner/__pycache__/*.pyc"
    for path in cell.path.glob(kept):
        path.unlink()
    runner = warder.start(cell, DISTRIBUTION)
    assert runner.request({"kind": "describe"})["tasks"]
    runner.close()
    assert list(cell.path.glob(kept))


def test_worker_itself_is_not_restricted(prisoner: Runner, tmp_path: Path, server: int) -> None:
    """What holds for a runner does not hold for the process that started it."""
    (tmp_path / "file").write_text("still")
    assert (tmp_path / "file").read_text() == "still"
    with socket.create_connection(("127.0.0.1", server)) as opened:
        assert opened.recv(10) == b"welcome"
    assert prisoner.alive


def test_isolation_that_is_off_keeps_nothing_back(
    warder: RunnerLauncher, cell: Environment, tmp_path: Path, server: int
) -> None:
    """Switched off, a task can do what the worker's user can."""
    (tmp_path / "there.txt").write_text("there")
    free = attrs.evolve(warder, isolation=Isolation("off"))
    runner = free.start(cell, DISTRIBUTION, needs=Needs())
    assert ask(runner, "read_file", path=str(tmp_path / "there.txt")) == 5
    assert ask(runner, "connect", port=server) == "welcome"
    runner.close()


def test_required_isolation_that_is_not_there_starts_nothing(
    warder: RunnerLauncher, cell: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the machine lacks what is required, no runner starts, and the error says what to do."""
    required = attrs.evolve(warder, isolation=attrs.evolve(FULL, mode="require"))
    if not isolation_module.missing_here():
        required.start(cell, DISTRIBUTION).close()
    monkeypatch.setattr(landlock, "version", lambda: 0)
    with pytest.raises(RunnerError, match=r"lacks Landlock.*TASKMGR_ISOLATION=auto") as refused:
        required.start(cell, DISTRIBUTION)
    assert refused.value.code == "environment"
    assert not list(warder.folder.glob("runner-*"))


@needs_landlock
def test_store_is_let_go_in_a_thread_that_is_kept_from_files(tmp_path: Path) -> None:
    """A store that the collector meets in the thread that starts a runner is freed, too."""
    files = LocalFiles(tmp_path)
    with files.using():
        (own,) = (tmp_path / USERS).iterdir()
    descriptor = files._own
    assert descriptor is not None
    kept = [files]
    del files

    def collected() -> None:
        landlock.restrict_thread([], network=False)
        kept.clear()

    thread = threading.Thread(target=collected)
    thread.start()
    thread.join()
    assert own.exists()  # it could not be removed there
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    with LocalFiles(tmp_path).using():  # whoever comes next removes it
        assert not own.exists()
