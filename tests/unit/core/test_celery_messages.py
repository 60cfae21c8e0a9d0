"""Messages of the broker: what is written is read again, and what is none is told."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from taskmgr_core.queue.celery.messages import Told, message_of, told_by
from taskmgr_core.queue.celery.wire import packed
from taskmgr_core.specs import ReadyStep

RUN = "01970001-0000-7000-8000-000000000001"


@given(
    task=some.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}", fullmatch=True),
    step=some.text(min_size=1, max_size=20),
    priority=some.integers(0, 9),
    passes=some.integers(0, 3),
    needs=some.dictionaries(some.sampled_from(["gpu", "licence"]), some.integers(1, 4)),
)
def test_message_is_read_as_it_was_written(
    task: str, step: str, priority: int, passes: int, needs: dict[str, int]
) -> None:
    """Whatever step a message tells of, who reads it is told the same."""
    ready = ReadyStep(RUN, step, task, "vision", priority, 1.0, needs)
    found = told_by(message_of(ready, passes))
    queue = "vision" + ("+" if needs else "")
    assert found.queue.startswith(queue)
    assert found == Told(found.id, RUN, step, task, found.queue, priority, passes)


def without(message: str, name: str) -> str:
    """A message that lacks something."""
    document = json.loads(message)
    del document[name]
    return json.dumps(document)


GOOD = message_of(ReadyStep(RUN, "001", "echo", "vision", 5, 1.0))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        without(GOOD, "body"),
        without(GOOD, "headers"),
        without(GOOD, "properties"),
        GOOD.replace('"echo"', '"no name"'),
        GOOD.replace('"echo"', "null"),
    ],
)
def test_what_tells_of_no_step_is_refused(text: str) -> None:
    """Text that is no message, or one of something else, raises what the reader expects."""
    with pytest.raises((ValueError, KeyError, TypeError)):
        told_by(text)


def test_command_is_packed_by_bytes_not_letters() -> None:
    """Lengths are those of what is sent: a name of two bytes a letter is not cut."""
    assert packed(["LPUSH", "é", b"\x00\r\n", 7]) == (
        b"*4\r\n$5\r\nLPUSH\r\n$2\r\n\xc3\xa9\r\n$3\r\n\x00\r\n\r\n$1\r\n7\r\n"
    )
