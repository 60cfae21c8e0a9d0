"""Telling workers through a store: who is meant, who answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskmgr_core.control import Control
from taskmgr_core.errors import NotFoundError
from taskmgr_core.queue.bell import Bell
from taskmgr_core.queue.embedded import EmbeddedQueue
from taskmgr_core.specs import Orders, Worker
from taskmgr_core.stores.sqlite import SqliteMetadata


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    """Two workers that live and never answer, and one that is lost."""
    metadata = SqliteMetadata(tmp_path / "metadata.sqlite3")
    metadata.initialize()
    queue = EmbeddedQueue(metadata, Bell(tmp_path / "bells"))
    now = time.time()
    for name, beat in (("red-1-aaa111", now), ("red-2-bbb222", now), ("blue-3-ccc333", now - 60)):
        metadata.beat(Worker(name, "host", 1, 1, (), now - 99, beat))
    yield Control(metadata, queue, lost_after=30.0)
    queue.close()
    metadata.close()


@pytest.mark.parametrize("name", ["red-1-aaa111", "red-1", "a111"])
def test_worker_is_named_by_a_part_of_its_id(control: Control, name: str) -> None:
    """An id, its beginning and its end name a worker, where they name one alone."""
    assert control.named(name).id == "red-1-aaa111"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("red", "several workers are named 'red': red-1-aaa111, red-2-bbb222"),
        ("red-1-aaa112", "did you mean 'red-1-aaa111'"),
        ("", "no worker ''"),
        ("blue", "worker blue-3-ccc333 is lost: it was last heard of 60 s ago"),
    ],
)
def test_name_that_is_of_no_use_is_told_why(control: Control, name: str, told: str) -> None:
    """Several, none, and one that is lost are told apart."""
    with pytest.raises(NotFoundError) as refused:
        control.named(name)
    assert told in str(refused.value)


def test_worker_that_does_not_answer_is_told(control: Control) -> None:
    """Who does not answer in time has no seconds; the others have."""
    first, second = control.living()
    (answer,) = control.ping([second], 0.2)
    assert (answer.worker, answer.seconds) == (second, None)
    assert control.metadata.orders(first.id) == Orders()
    assert control.metadata.orders(second.id).ping


def test_leaving_is_waited_for(control: Control) -> None:
    """Those that have left are told one by one, those that have not are given."""
    first, second = control.living()
    control.leave([first, second], "drain")
    control.metadata.remove_worker(first.id)
    left: list[Worker] = []
    assert control.gone([first, second], 0.1, left.append) == [second]
    assert left == [first]
