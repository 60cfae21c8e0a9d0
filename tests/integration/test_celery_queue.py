"""The queue of many machines on a real Redis: what its messages are, and what it hears."""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import shared_task
from redis import Redis

from servers import Server, Share
from taskmgr_core.errors import QueueError, SettingsError
from taskmgr_core.queue.celery.address import list_key
from taskmgr_core.queue.celery.queue import CeleryQueue
from taskmgr_core.specs import ReadyStep
from taskmgr_core.stores.sqlite import SqliteMetadata

RUN = "01970001-0000-7000-8000-000000000001"
AT_ONCE = 1.0
LONG = 30.0


@pytest.fixture
def metadata(tmp_path: Path) -> Iterator[SqliteMetadata]:
    """An empty store."""
    store = SqliteMetadata(tmp_path / "metadata.sqlite3")
    store.initialize()
    yield store
    store.close()


@pytest.fixture
def queue(redis_server: Share, metadata: SqliteMetadata) -> Iterator[CeleryQueue]:
    """A queue on an empty Redis."""
    opened = CeleryQueue(redis_server.url, metadata)
    yield opened
    opened.close()


@pytest.fixture
def other(redis_server: Share, metadata: SqliteMetadata) -> Iterator[CeleryQueue]:
    """The same queue as another process sees it."""
    opened = CeleryQueue(redis_server.url, metadata)
    yield opened
    opened.close()


def step(priority: int = 5, queue: str = "vision", **changed: object) -> ReadyStep:
    """A ready step."""
    values = {"run": RUN, "id": "001", "task": "face_detection", "ready_at": time.time()}
    return ReadyStep(**{**values, "queue": queue, "priority": priority, **changed})  # type: ignore[arg-type]


# messages


def test_message_has_ids_only(queue: CeleryQueue, redis_server: Share) -> None:
    """One JSON message in the task's queue, under the task's name, has the two ids and no more."""
    queue.announce(RUN, [step(priority=7)])
    with Redis.from_url(redis_server.url) as client:
        (found,) = client.lrange(list_key("vision", 7), 0, -1)
    message = json.loads(found)
    assert message["content-type"] == "application/json"
    assert message["headers"]["task"] == "face_detection"
    arguments, keywords, _ = arguments_of(message)
    assert (arguments, keywords) == ([RUN, "001"], {})


def test_message_is_what_celery_would_write(queue: CeleryQueue, redis_server: Share) -> None:
    """Our message has the fields of one that Celery sends itself, and the same in them."""
    ready = step(priority=7)
    queue.announce(RUN, [ready])
    queue.application.send_task(
        ready.task, args=(RUN, "001"), queue="vision", priority=2, ignore_result=True
    )
    with Redis.from_url(redis_server.url) as client:
        theirs, ours = (json.loads(each) for each in client.lrange(list_key("vision", 7), 0, -1))
    own = ("id", "root_id", "correlation_id", "reply_to", "delivery_tag", "sent_at", "exchange")
    assert {**plain(ours, own), "body": arguments_of(ours)} == {
        **plain(theirs, own),
        "body": arguments_of(theirs),
    }


def plain(message: object, without: tuple[str, ...]) -> dict[str, Any]:
    """A message without what differs from one to the next."""
    assert isinstance(message, dict)
    return {
        name: plain(value, without) if isinstance(value, dict) else value
        for name, value in message.items()
        if name not in without
    }


def arguments_of(message: dict[str, Any]) -> Any:
    """What is in a message's body."""
    return json.loads(base64.b64decode(message["body"]))


def test_most_urgent_message_comes_first(queue: CeleryQueue) -> None:
    """Messages are taken by priority, the highest first, then in the order of their sending."""
    for number, priority in enumerate([0, 9, 5, 9]):
        queue.announce(RUN, [step(priority, id=f"{number:03}")])
    with queue.application.connection_for_read() as connection:
        simple = connection.SimpleQueue("vision", no_ack=True)
        taken = [simple.get(timeout=5).payload[0][1] for _ in range(4)]
        simple.close()
    assert taken == ["001", "003", "002", "000"]


def test_depth_counts_every_priority(queue: CeleryQueue) -> None:
    """How much waits is counted over all priorities of the named queues, and only those."""
    for priority in (0, 5, 9):
        queue.announce(RUN, [step(priority)])
    queue.announce(RUN, [step(queue="nlp")])
    assert queue.depth(["vision"]) == 3
    assert queue.depth(["vision", "nlp"]) == 4
    assert queue.depth(["none"]) == 0


def test_shared_tasks_of_others_are_not_ours(queue: CeleryQueue) -> None:
    """A task that a library of this process shares with every application is left out."""

    def theirs() -> None:
        """Somebody else's."""

    shared_task(theirs, name="face_detection")
    assert not [each for each in queue.application.tasks if not each.startswith("celery.")]


# what is lost


def test_step_whose_message_waits_is_not_missing(queue: CeleryQueue) -> None:
    """While a message as old as the step, or an older one, is in its list, nothing is lost."""
    ready = step()
    queue.announce(RUN, [ready])
    assert queue.missing([ready]) == []


def test_step_with_an_empty_list_is_missing(queue: CeleryQueue) -> None:
    """When nothing waits in the step's list its message is gone: taken, or lost with the broker."""
    forgotten = step(ready_at=time.time() - 5)
    other_list = step(priority=3, ready_at=time.time() - 5)
    queue.announce(RUN, [other_list])
    assert queue.missing([forgotten]) == [forgotten]


def test_step_older_than_what_comes_next_is_missing(queue: CeleryQueue) -> None:
    """Messages wait in order: one that was sent later and comes next has overtaken nobody."""
    forgotten = step(ready_at=time.time() - 60)
    queue.announce(RUN, [step()])
    assert queue.missing([forgotten, step(id="002")]) == [forgotten]


# hearing


@pytest.mark.parametrize("waiting_for", [RUN, None])
def test_alert_is_heard_in_another_process(
    queue: CeleryQueue, other: CeleryQueue, waiting_for: str | None
) -> None:
    """That steps of a run have to look is heard by every worker, and by who waits for the run."""
    seen = other.changes(waiting_for)
    queue.alert(RUN)
    assert other.wait(seen, LONG, waiting_for) > seen


def ids_of(texts: list[bytes]) -> list[str]:
    """The ids of the steps that messages name."""
    return [arguments_of(json.loads(text))[0][1] for text in texts]


def test_inbox_gives_the_most_urgent_first(queue: CeleryQueue) -> None:
    """By priority over all queues, in a list the longest waiting first, no more than asked for."""
    for number, (priority, name) in enumerate(
        [(1, "nlp"), (5, "vision"), (9, "nlp"), (5, "vision"), (5, "vision")]
    ):
        queue.announce(RUN, [step(priority, name, id=f"{number}")])
    inbox = queue.inbox()
    assert ids_of(inbox.take(["vision", "nlp"], 4, 0.1)) == ["2"]
    assert ids_of(inbox.take(["vision", "nlp"], 2, 0.1)) == ["1", "3"]
    assert ids_of(inbox.take(["vision", "nlp"], 2, 0.1)) == ["4"]
    assert ids_of(inbox.take(["vision"], 2, 0.1)) == []
    assert ids_of(inbox.take(["vision", "nlp"], 2, 0.1)) == ["0"]
    inbox.close()


def test_inbox_asks_queues_in_turn(queue: CeleryQueue) -> None:
    """A long list of one queue does not keep back another one of the same priority."""
    for number in range(4):
        queue.announce(RUN, [step(5, name, id=f"{name}{number}") for name in ("vision", "nlp")])
    inbox = queue.inbox()
    found = [ids_of(inbox.take(["vision", "nlp"], 1, 0.1)) for _ in range(4)]
    assert sorted(each[:3] for (each,) in found) == ["nlp", "nlp", "vis", "vis"]
    inbox.close()


def test_inbox_waits_for_the_first_message(queue: CeleryQueue, other: CeleryQueue) -> None:
    """What is sent while it waits it gets at once; with nothing it gives up when told."""
    inbox = queue.inbox()
    began = time.monotonic()
    assert inbox.take(["vision"], 2, 0.2) == []
    assert 0.1 < time.monotonic() - began < AT_ONCE
    timer = threading.Timer(0.2, lambda: other.announce(RUN, [step()]))
    timer.start()
    began = time.monotonic()
    assert ids_of(inbox.take(["vision"], 2, 4.0)) == ["001"]
    assert time.monotonic() - began < 0.2 + AT_ONCE
    timer.join()
    inbox.close()


def test_old_broker_is_named(queue: CeleryQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that cannot give several messages at once is refused, with what is needed."""
    monkeypatch.setattr(queue._client, "info", lambda _: {"redis_version": "6.2.14"})
    with pytest.raises(QueueError, match=r"Redis 6\.2\.14; 7 or later is needed"):
        queue.server_version()


def test_change_of_a_run_wakes_only_who_waits_for_it(
    queue: CeleryQueue, other: CeleryQueue
) -> None:
    """The end of a run wakes its waiters; the others, and workers, go on waiting."""
    seen, elsewhere, worker = other.changes(RUN), other.changes("another"), other.changes()
    queue.announce(RUN, ())
    assert other.wait(seen, LONG, RUN) > seen
    assert other.changes("another") == elsewhere
    assert other.changes() == worker


def test_change_before_the_wait_is_not_missed(queue: CeleryQueue, other: CeleryQueue) -> None:
    """What is rung between looking and waiting ends the wait at once."""
    for _ in range(20):
        seen = other.changes(RUN)
        queue.announce(RUN, ())
        started = time.monotonic()
        assert other.wait(seen, LONG, RUN) > seen
        assert time.monotonic() - started < AT_ONCE


def test_waking_ends_a_wait(queue: CeleryQueue) -> None:
    """Whoever waits here returns when it is woken."""
    seen = queue.changes(RUN)
    queue.wake()
    assert queue.wait(seen, LONG, RUN) > seen


def test_bell_is_heard_after_a_cut(
    own_redis_server: Server, metadata: SqliteMetadata, caplog: pytest.LogCaptureFixture
) -> None:
    """When the connection is cut the listener connects again, and hears what is rung then."""
    queue = CeleryQueue(own_redis_server.url_for("0"), metadata)
    other = CeleryQueue(own_redis_server.url_for("0"), metadata)
    try:
        seen = other.changes(RUN)
        own_redis_server.kill()
        own_redis_server.restart()
        deadline = time.monotonic() + LONG
        while other.changes(RUN) <= seen and time.monotonic() < deadline:
            queue.announce(RUN, ())
            time.sleep(0.1)
        assert other.changes(RUN) > seen
    finally:
        queue.close()
        other.close()
    assert "PASSWORD" not in caplog.text


# faults


def test_broker_that_is_away_loses_nothing(
    own_redis_server: Server, metadata: SqliteMetadata, caplog: pytest.LogCaptureFixture
) -> None:
    """Announcing without a broker is a warning that names the server and shows no password."""
    url = own_redis_server.url_for("0")
    queue = CeleryQueue(url, metadata)
    own_redis_server.stop()
    try:
        with caplog.at_level(logging.WARNING):
            queue.announce(RUN, [step()])
            queue.announce(RUN, ())
        with pytest.raises(QueueError, match="TASKMGR_BROKER_URL"):
            queue.depth(["vision"])
    finally:
        queue.close()
    password = url.partition("://:")[2].partition("@")[0]
    assert password
    assert "nobody could be told" in caplog.text
    assert password not in caplog.text


def test_address_of_something_else_is_refused(metadata: SqliteMetadata) -> None:
    """What is no Redis address is refused with what one looks like, the password left out."""
    with pytest.raises(SettingsError, match="redis://:password@host:6379/0") as refused:
        CeleryQueue("amqp://user:secret@host/vhost", metadata)
    assert "secret" not in str(refused.value)
