"""Tasks that yield: how they are declared, drawn, and called where nobody draws."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

import pytest
from fake_plugins import Runner

from taskmgr_plugins import File, MLTask, Task, TaskDefinitionError, task
from taskmgr_plugins.definitions import define
from taskmgr_plugins.errors import InvalidOutputError
from taskmgr_plugins.testing import RunTask

Start = Callable[..., Runner]


@task
def numbers(count: int) -> Iterator[int]:
    """Count."""
    yield from range(count)


class Later(Task):
    """Count without haste."""

    async def run(self, count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number


class Parts(MLTask):
    """Yield files."""

    def predict(self, text: str) -> Generator[File, None, None]:
        for each in text:
            yield File(each.encode(), name=each)


@task
def wrong(count: int) -> Iterator[int]:
    """Yield what is not declared."""
    yield count
    yield "text"  # type: ignore[misc]


@task
def listed(count: int) -> Iterator[int]:
    """Return a list."""
    return list(range(count))  # type: ignore[return-value]


@pytest.mark.parametrize("announced", [numbers, Later])
def test_output_of_a_task_that_yields_is_a_list(announced: Any, run_task: RunTask) -> None:
    """For pipelines its type is the list of the items, and so is its value in a test."""
    document = define(announced).document()
    assert document["streams"]
    assert document["outputs"][0]["schema"] == {"type": "array", "items": {"type": "integer"}}
    assert run_task(announced, count=3) == [0, 1, 2]


def test_model_may_yield_files(run_task: RunTask) -> None:
    """Each is a file of its own."""
    assert [each.read_bytes() for each in run_task(Parts, text="ab")] == [b"a", b"b"]


def test_other_tasks_are_recorded_as_before() -> None:
    """A task that yields nothing says nothing of it."""

    @task
    def plain(count: int) -> list[int]:
        return [count]

    assert "streams" not in define(plain).document()


def test_wrong_item_is_refused(run_task: RunTask) -> None:
    """Its index is told; and what is no iterator is none."""
    with pytest.raises(InvalidOutputError, match=r"result\[1\]"):
        run_task(wrong, count=1)
    with pytest.raises(InvalidOutputError, match="returned list, not the iterator"):
        run_task(listed, count=1)


def test_batch_method_cannot_yield() -> None:
    """It has one result for each item."""

    class Both(MLTask):
        max_batch_size = 2

        def predict_batch(self, word: list[str]) -> list[Iterator[str]]: ...

    with pytest.raises(TaskDefinitionError, match="one result for each item"):
        define(Both)


TASKS = """
import os, time
from collections.abc import Iterator
from pathlib import Path

@task
def slow(gate: str) -> Iterator[int]:
    yield 1
    while not Path(gate).exists():
        time.sleep(0.01)
    yield 2

@task
def endless(note: str) -> Iterator[int]:
    number = 0
    while True:
        Path(note).write_text(str(number))
        yield number
        number += 1

@task
def torn(count: int) -> Iterator[int]:
    yield from range(count)
    raise ValueError("torn")

@task
def forked(text: str) -> Iterator[int]:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    yield 1

TASKS = [slow, endless, torn, forked]
"""


@pytest.fixture
def runner(start_runner: Start) -> Runner:
    """A runner of tasks that yield."""
    return start_runner(TASKS, "slow", "endless", "torn", "forked")


def asked(runner: Runner, task: str, **inputs: Any) -> dict[str, Any]:
    """The first answer of a task that yields."""
    return runner.ask({"kind": "stream", "id": 1, "task": task, "inputs": inputs})


def more(runner: Runner, number: int) -> dict[str, Any]:
    """A further answer."""
    return runner.ask({"kind": "more", "id": number})


def test_item_is_told_before_the_next_one_is_made(runner: Runner, tmp_path: Any) -> None:
    """The first comes while the task works on the second; each answer has its question's id."""
    first = asked(runner, "slow", gate=str(tmp_path / "gate"))
    assert (first["items"], first["ended"], first["id"]) == ([1], False, 1)
    (tmp_path / "gate").touch()
    second = more(runner, 2)
    assert (second["items"], second["ended"], second["id"]) == ([2], False, 2)
    last = more(runner, 3)
    assert (last["items"], last["ended"], last["id"]) == ([], True, 3)
    assert last["seconds"]["compute"] > 0


def test_task_goes_no_further_than_it_is_asked(runner: Runner, tmp_path: Any) -> None:
    """Who does not ask holds it up, a bounded number of items ahead."""
    note = tmp_path / "note"
    asked(runner, "endless", note=str(note))
    seen = [-1]
    while len(seen) < 2 or seen[-1] != seen[-2]:
        time.sleep(0.2)
        seen.append(int(note.read_text() or -len(seen)))  # it may just be being written
    assert seen[-1] <= 2 * 32 + 1


def test_error_comes_after_the_items_before_it(runner: Runner) -> None:
    """What was yielded is told; the runner then serves the next call."""
    items, answer, number = [], asked(runner, "torn", count=3), 1
    while answer["kind"] == "items":
        items += answer["items"]
        number += 1
        answer = more(runner, number)
    assert (items, answer["kind"], answer["id"]) == ([0, 1, 2], "error", number)
    assert (answer["message"], "yield from range" in answer["traceback"]) == ("torn", False)
    assert runner.call("torn", count=1)["kind"] == "error"


def test_forked_child_of_a_task_that_yields_passes_nothing_on(runner: Runner) -> None:
    """The items are its parent's."""
    first = asked(runner, "forked", text="a")
    assert (first["items"], more(runner, 2)["ended"]) == ([1], True)
