"""What is asked of the kernel, for each version that there has been; what failures say."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.errors import RunnerError
from taskmgr_core.runners.confinement import Confinement
from taskmgr_core.runners.devices import Devices
from taskmgr_core.runners.folders import WorkFolder
from taskmgr_core.runners.isolation import Isolation
from taskmgr_core.runners.landlock import (
    CACHE,
    READ,
    RUN,
    USE,
    WRITE,
    Right,
    applicable,
    known_rights,
    ruleset,
)
from taskmgr_core.runners.seccomp import MACHINES, Machine, program
from taskmgr_core.runners.visible import rules_of

VERSIONS = range(1, 9)
ALLOW = 0x7FFF0000
REFUSE = 0x00050000


# Landlock


@pytest.mark.parametrize(
    ("version", "bits", "size"),
    [(1, 13, 8), (2, 14, 8), (3, 15, 8), (4, 15, 16), (5, 16, 16), (6, 16, 24), (7, 16, 24)],
)
def test_ruleset_is_what_each_kernel_knows(version: int, bits: int, size: int) -> None:
    """No version is asked for a right or a field that it does not know."""
    content = ruleset(version, network=False)
    assert len(content) == size
    assert struct.unpack_from("=Q", content)[0] == 2**bits - 1


@pytest.mark.parametrize("version", [4, 5, 6, 7])
def test_ruleset_keeps_tcp_and_signals_back(version: int) -> None:
    """TCP is left alone for a task with network; signals and abstract sockets never are."""
    _, closed, *scopes = struct.unpack(
        f"={3 if version >= 6 else 2}Q", ruleset(version, network=False)
    )
    assert closed == 3
    assert scopes == ([3] if version >= 6 else [])
    _, opened, *same = struct.unpack(
        f"={3 if version >= 6 else 2}Q", ruleset(version, network=True)
    )
    assert opened == 0
    assert same == scopes


@given(version=st.sampled_from(VERSIONS), rights=st.sampled_from([READ, RUN, USE, CACHE, WRITE]))
def test_rules_ask_for_what_is_kept_back(version: int, rights: Right) -> None:
    """A rule allows nothing that is not forbidden, nor of a file what only folders have."""
    assert applicable(rights, version, folder=True) & ~known_rights(version) == 0
    of_file = applicable(rights, version, folder=False)
    assert of_file & (Right.READ_FOLDER | Right.MAKE_FILE | Right.REMOVE_FILE | Right.MOVE) == 0


def test_reading_is_no_writing() -> None:
    """Who may read or run may change nothing; devices cannot be made anywhere."""
    changing = WRITE & ~(READ | RUN)
    assert READ & changing == 0
    assert RUN & changing == 0
    assert CACHE & (Right.EXECUTE | Right.MOVE | Right.MAKE_LINK | Right.REMOVE_FOLDER) == 0
    assert WRITE & (Right.MAKE_CHARACTER_DEVICE | Right.MAKE_BLOCK_DEVICE) == 0


def test_environment_is_read_and_its_python_too(tmp_path: Path) -> None:
    """Of a Python in a user's folder its own parts are seen, not what lies beside them."""
    environment, python = tmp_path / "environment", tmp_path / "user" / "bin" / "python3"
    for path in (environment / "bin", environment / "lib" / "package", python.parent):
        path.mkdir(parents=True)
    python.touch()
    (environment / "bin" / "python").symlink_to(python)
    (environment / "pyvenv.cfg").write_text(f"home = {python.parent}\n")
    (environment / "lib" / "package" / "module.py").touch()
    folder = tmp_path / "work"
    rules = {
        each.path: each.rights for each in rules_of(environment, (), (folder,), accelerators=False)
    }
    assert rules[environment] == RUN
    assert rules[tmp_path / "user" / "lib"] == RUN
    assert rules[folder] == WRITE
    assert rules[environment / "lib" / "package" / "__pycache__"] == CACHE
    assert tmp_path / "user" not in rules
    assert not [path for path in rules if path in (Path("/"), Path("/etc"), Path.home())]
    assert [path for path, rights in rules.items() if rights & Right.MAKE_FOLDER] == [
        Path("/dev/shm"),
        folder,
    ]


def test_devices_are_for_who_holds_them() -> None:
    """Where a worker offers GPUs, only a runner that holds one may use them."""
    offering = Devices({"gpu": 1})
    assert offering.are_seen({"gpu": (0,)})
    assert not offering.are_seen({})
    assert Devices().are_seen({})


# system calls


def decided(machine: Machine, architecture: int, number: int, argument: int) -> int:
    """What the filter says to a system call: a little machine for its few instructions."""
    data = {0: number, 4: architecture, 16: argument}
    instructions = list(struct.iter_unpack("=HBBI", program(machine)))
    place, value = 0, 0
    while True:
        code, true, false, operand = instructions[place]
        place += 1
        if code == 0x06:
            return int(operand)
        if code == 0x20:
            value = data[operand]
        else:
            met = value == operand if code == 0x15 else value >= operand
            place += true if met else false


@pytest.mark.parametrize("name", sorted(MACHINES))
@given(number=st.integers(0, 2**32 - 1), argument=st.integers(0, 2**32 - 1))
def test_filter_refuses_sockets_and_nothing_else(name: str, number: int, argument: int) -> None:
    """Every call goes on but sockets, io_uring and numbers of the other ABI."""
    machine = MACHINES[name]
    found = decided(machine, machine.architecture, number, argument)
    if number == machine.io_uring or number >= 0x40000000:
        assert found == REFUSE | errno.ENOSYS
    elif number == machine.socket and argument != 1:
        assert found == REFUSE | errno.EACCES
    else:
        assert found == ALLOW


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_filter_knows_its_calls(name: str) -> None:
    """A socket of the internet is refused, and one of the machine is not."""
    machine = MACHINES[name]
    own = machine.architecture
    assert decided(machine, own, machine.socket, 2) == REFUSE | errno.EACCES
    assert decided(machine, own, machine.socket, 1) == ALLOW
    assert decided(machine, own, machine.io_uring, 1) == REFUSE | errno.ENOSYS
    assert decided(machine, 0x40000003, 1, 1) == REFUSE | errno.ENOSYS


# limits


def test_limits_are_set_before_the_command() -> None:
    """The shell sets what is asked for and becomes the command."""
    shell, flag, script, _, *command = Isolation(open_files=100, file_mb=1).limited(["python", "x"])
    assert (shell, flag, command) == ("/bin/sh", "-c", ["python", "x"])
    assert script.startswith("ulimit -c 0 && ulimit -n 100 && ulimit -f 1953 && ")
    assert script.endswith('exec "$@"')
    assert "ulimit -n" not in Isolation().limited(["python"])[2]


# what failures say


@pytest.fixture
def inputs(tmp_path: Path) -> Iterator[WorkFolder]:
    """A folder for the files of a call."""
    folder = WorkFolder.create(tmp_path, "inputs-")
    yield folder
    folder.remove()


@pytest.mark.parametrize(
    ("kind", "message", "traceback", "code", "hint"),
    [
        ("OSError", "[Errno 24] Too many open files: 'x'", "", "limit", "TASKMGR_OPEN_FILES"),
        ("LoadError", "no", "OSError: [Errno 24] Too many open files", "limit", "100 files"),
        ("OSError", "[Errno 27] File too large", "", "limit", "TASKMGR_FILE_MB"),
        ("PermissionError", "[Errno 13] Permission denied: '/x'", "", "task-error", "may read"),
        ("gaierror", "[Errno -3] name resolution", "", "task-error", "network=True"),
        ("ValueError", "a bad number", "", "task-error", ""),
    ],
)
def test_failures_say_what_was_met(
    inputs: WorkFolder, kind: str, message: str, traceback: str, code: str, hint: str
) -> None:
    """An error that a limit or the sandbox is behind says which, and what to do."""
    confined = Confinement(inputs, no_network=True, open_files=100, file_mb=5)
    error = RunnerError(message, "task-error", traceback=traceback, details={"type": kind})
    found = confined.explained(error)
    assert found.code == code
    assert str(found).startswith(message)
    assert hint in str(found)
    assert Confinement().explained(error) is error


def test_long_message_keeps_its_hint(inputs: WorkFolder) -> None:
    """However long the task's own message is, what is to be done stands at its end."""
    error = RunnerError("x" * 9_000, "task-error", details={"type": "PermissionError"})
    assert str(Confinement(inputs).explained(error)).endswith("into its working folder")


def test_placed_files_are_taken_away(inputs: WorkFolder, tmp_path: Path) -> None:
    """The files of a call are there for it, whole, and not for the next one."""
    stored = tmp_path / "ab12"
    stored.write_text("content")
    confined = Confinement(inputs)
    placed = Path(confined.placed({"sha256:ab12": str(stored)})["sha256:ab12"])
    assert placed.parent == inputs.path
    assert placed.samefile(stored)
    confined.clear()
    assert not placed.exists()
    assert stored.read_text() == "content"


def test_file_that_is_lost_is_told(inputs: WorkFolder, tmp_path: Path) -> None:
    """A file that cannot be given to a task fails its attempt with the path."""
    with pytest.raises(RunnerError, match="cannot be given to the task") as told:
        Confinement(inputs).placed({"sha256:1": str(tmp_path / "absent")})
    assert told.value.code == "environment"
