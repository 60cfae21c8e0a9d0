"""A full disk under a task is neither the task's fault nor its value's."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fake_plugins import Runner

from taskmgr_plugins.errors import DiskFullError, is_disk_full

# The kernel refuses every write to /dev/full as it would on a full disk.
TASKS = """
import os
from pathlib import Path

@task
def write(text: str) -> str:
    Path("/dev/full").write_text(text)

@task
def wrap(text: str) -> str:
    try:
        Path("/dev/full").write_text(text)
    except OSError as error:
        raise InvalidInputError("no good") from error

@task
async def together(text: str) -> str:
    try:
        Path("/dev/full").write_text(text)
    except OSError as error:
        raise ExceptionGroup("two at once", [ValueError("one"), error]) from None

@task
def give(text: str) -> File:
    os.symlink("/dev/full", ".value-1")
    return File(text.encode())

@task
def give_many(text: str) -> list[File]:
    os.symlink("/dev/full", ".value-2")
    return [File(b"one"), File(text.encode())]

@task
def absent(text: str) -> str:
    return Path("/no/such/file").read_text()

TASKS = [write, wrap, together, give, give_many, absent]
"""
NAMES = ("write", "wrap", "together", "give", "give_many", "absent")


@pytest.mark.parametrize("task", ["write", "wrap", "together", "give", "give_many"])
def test_full_disk_is_told_and_may_be_tried_again(
    start_runner: Callable[..., Runner], task: str
) -> None:
    """However the error comes out, it is a full disk, with the folder and a retry."""
    runner = start_runner(TASKS, *NAMES)
    answer = runner.call(task, text="x")
    assert (answer["type"], answer["retryable"]) == ("DiskFullError", True)
    assert answer["message"].startswith("the disk is full: ")
    assert "wrong value" not in answer["message"]
    assert str(runner.folder.parent) in answer["message"]


def test_other_error_of_the_system_stays_the_tasks(start_runner: Callable[..., Runner]) -> None:
    """A file that is not there is an error of the task."""
    answer = start_runner(TASKS, *NAMES).call("absent", text="x")
    assert answer["type"] == "FileNotFoundError"


def test_full_disk_is_found_behind_other_errors() -> None:
    """Causes, contexts and groups are followed; what was cut off is not."""
    with pytest.raises(OSError, match="No space left") as caught:
        Path("/dev/full").write_text("x")
    behind = ValueError("behind")
    behind.__context__ = caught.value
    assert is_disk_full(behind)
    behind.__suppress_context__ = True
    assert not is_disk_full(behind)
    assert is_disk_full(DiskFullError("full"))
    assert not is_disk_full(None)
