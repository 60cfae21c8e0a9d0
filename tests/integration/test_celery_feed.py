"""A worker's slots fed by Celery's messages, on a real Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery_team import Team, Work
from redis import Redis
from team import recorded_run

from servers import Server, Share
from taskmgr_core.coverage import Coverage
from taskmgr_core.errors import EnvironmentBuildError
from taskmgr_core.queue.celery.queue import CeleryQueue
from taskmgr_core.specs import ReadyStep, Release, StoredFile, TaskSpec, TaskVersion
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.stores.mongodb import MongoMetadata
from taskmgr_core.stores.sqlite import SqliteMetadata
from waiting import wait_until


@pytest.fixture(params=["sqlite", "mongodb"])
def metadata(request: pytest.FixtureRequest, tmp_path: Path) -> MetadataStore:
    """An empty store."""
    store: MetadataStore = SqliteMetadata(tmp_path / "metadata.sqlite3")
    if request.param == "mongodb":
        store = MongoMetadata(request.getfixturevalue("mongodb_server").url)
    store.initialize()
    return store


@pytest.fixture
def team(redis_server: Share, metadata: MetadataStore) -> Iterator[Team]:
    """Nobody works yet."""
    opened = Team(redis_server.url, metadata, CeleryQueue(redis_server.url, metadata))
    yield opened
    opened.close()


in_a_file = pytest.mark.parametrize("metadata", ["sqlite"], indirect=True)


def test_announced_steps_are_run(team: Team) -> None:
    """Every step that is announced is claimed and run once, by some worker."""
    workers = [team.worker(2) for _ in range(2)]
    for each in workers:
        each.gate.set()
    runs = team.submit(20)
    wait_until(lambda: sum(len(each.ended) for each in workers) >= 20, "all have ended")
    assert sorted(run for each in workers for run in each.ended) == sorted(runs)
    assert {team.metadata.status(run) for run in runs} == {"succeeded"}


def test_step_announced_twice_is_run_once(team: Team) -> None:
    """A doubled message changes nothing."""
    work = team.worker(2)
    work.gate.set()
    step = recorded_run(team.metadata)
    for _ in range(3):
        team.queue.announce(step.run, [step])
    (last,) = team.submit()
    wait_until(lambda: last in work.ended and team.queue.depth(["default"]) == 0, "all are taken")
    assert work.begun.count(step.run) == 1


@in_a_file
def test_no_more_is_taken_than_there_are_slots(team: Team) -> None:
    """What a worker has no slot for stays with the broker, for a worker that has one."""
    busy = team.worker(1)
    runs = team.submit(3)
    wait_until(lambda: len(busy.begun) == 1, "the first runs")
    time.sleep(1.5)  # long enough to take a second message, if it did
    assert team.queue.depth(["default"]) == 2
    other = team.worker(2)
    wait_until(lambda: len(other.begun) == 2, "the others run elsewhere")
    assert sorted(busy.begun + other.begun) == sorted(runs)


@in_a_file
def test_workers_serve_their_queues_only(team: Team) -> None:
    """A worker of some queues leaves the others alone; one of all finds those of new plugins."""
    narrow = team.worker(2, ("vision",))
    narrow.gate.set()
    (left,) = team.submit(queue="nlp")
    (taken,) = team.submit(queue="vision")
    wait_until(lambda: taken in narrow.ended, "its own queue is served")
    assert left not in narrow.begun
    assert team.queue.depth(["nlp"]) == 1


@in_a_file
def test_message_of_a_version_that_cannot_be_run_goes_to_others(team: Team) -> None:
    """A worker whose machine lacks what a version needs leaves its steps to those that have it."""

    def lacking(release: Release) -> None:
        raise EnvironmentBuildError(f"no Python {release.python}")

    file = StoredFile("echo.whl", "sha256:echo", 1)
    release = Release("taskmgr-echo", "1.0", file, file, file, (), "3.11", "linux-x86_64", "")
    team.metadata.add_versions([TaskVersion(TaskSpec("echo", (), ()), release)])
    without = Coverage(team.metadata, lacking)
    able = team.worker(2, coverage=Coverage(team.metadata, lambda _: None))
    unable = team.worker(2, coverage=without)
    for each in (able, unable):
        each.gate.set()
    runs = team.submit(10)

    def ended() -> bool:
        for each in (able, unable):
            each.feed.tend()
        return len(able.ended) == 10

    wait_until(ended, "all have ended")
    assert sorted(able.begun) == sorted(runs)
    assert unable.begun == []
    assert without.refused == ("echo 1.0",)


@in_a_file
def test_message_of_a_task_that_is_not_served_goes_to_others(team: Team) -> None:
    """On one queue, workers of different tasks each get their own; nothing is lost on the way."""
    faces, words = team.worker(2, tasks=("faces",)), team.worker(2, tasks=("words",))
    for each in (faces, words):
        each.gate.set()
    runs = {task: team.submit(10, task=task) for task in ("words", "faces")}

    def ended() -> bool:
        for each in (faces, words):
            each.feed.tend()
        return len(faces.ended) + len(words.ended) == 20

    wait_until(ended, "all have ended")
    assert sorted(faces.begun) == sorted(runs["faces"])
    assert sorted(words.begun) == sorted(runs["words"])


@in_a_file
def test_message_that_nobody_serves_waits_and_does_not_circle(team: Team) -> None:
    """With no worker of its task a message is sent on once a second at most, and not lost."""
    faces = team.worker(2, tasks=("faces",))
    faces.gate.set()
    (run,) = team.submit(task="words")
    passed: list[int] = []
    others = faces.feed._others
    send_on = others.queue.send_on

    def counted(step: ReadyStep, passes: int) -> None:
        passed.append(passes)
        send_on(step, passes)

    others.queue.send_on = counted  # type: ignore[method-assign]
    ends = time.monotonic() + 2.5
    while time.monotonic() < ends:
        faces.feed.tend()
        time.sleep(1)
    assert len(passed) <= 5
    faces.feed.stop()
    assert faces.feed.join(20)
    words = team.worker(1, tasks=("words",))
    words.gate.set()
    wait_until(lambda: words.ended == [run], "a worker of the task has it")


@in_a_file
def test_stopping_ends_what_runs_and_leaves_the_rest(team: Team) -> None:
    """A worker that is told to stop takes nothing more; its running step ends as it would."""
    leaving = team.worker(1)
    first, second = team.submit(2)
    wait_until(lambda: leaving.begun == [first], "the first runs")
    leaving.feed.stop()
    assert not leaving.feed.join(0.2)
    leaving.gate.set()
    assert leaving.feed.join(20)
    assert leaving.ended == [first]
    other = team.worker(1)
    other.gate.set()
    wait_until(lambda: other.ended == [second], "the other has the rest")


@in_a_file
def test_slots_grow_with_what_waits(team: Team) -> None:
    """A worker with room to grow opens slots while messages wait and all are busy."""
    work = team.worker(1, maximum=4)
    team.submit(3)
    wait_until(lambda: len(work.begun) == 1, "one runs")

    def grown() -> bool:
        work.feed.tend()
        return len(work.begun) == 3

    wait_until(grown, "three run at once")
    assert work.feed.slots >= 3


def consumer_connections(url: str) -> list[str]:
    """The connections that wait for messages."""
    with Redis.from_url(url) as client:
        return [each["id"] for each in client.client_list() if each["cmd"] == "blmpop"]


@in_a_file
def test_cut_connection_is_made_again(team: Team) -> None:
    """When the broker's connection is cut the worker connects again and goes on."""
    work = team.worker(1)
    work.gate.set()
    (first,) = team.submit()
    wait_until(lambda: first in work.ended, "it works")
    wait_until(lambda: consumer_connections(team.url), "it waits for messages")
    with Redis.from_url(team.url) as client:
        for each in consumer_connections(team.url):
            client.client_kill_filter(_id=each)
    (second,) = team.submit()
    wait_until(lambda: second in work.ended, "it works again")


def tended(work: Work, condition: Callable[[], bool]) -> Callable[[], bool]:
    """A condition that is asked while somebody tends the feed."""

    def asked() -> bool:
        work.feed.tend()
        return condition()

    return asked


@in_a_file
def test_consumer_that_ended_is_restarted(team: Team) -> None:
    """A consumer that has stopped, for whatever reason, is noticed and started again."""
    work = team.worker(1)
    work.gate.set()
    (first,) = team.submit()
    wait_until(lambda: first in work.ended, "it works")
    work.feed.break_off()
    (second,) = team.submit()
    wait_until(tended(work, lambda: second in work.ended), "it works again", 30)


def forget_queues(work: Work) -> None:
    """Make the consumer ask for nothing any more, without its noticing."""
    controller = work.feed._controller
    assert controller is not None
    consumer = controller.consumer
    consumer.call_soon(consumer.task_consumer.cancel)


@in_a_file
def test_consumer_that_receives_nothing_is_restarted(team: Team) -> None:
    """Messages wait, slots are free and nothing arrives: the worker subscribes again."""
    work = team.worker(1)
    work.gate.set()
    (first,) = team.submit()
    wait_until(lambda: first in work.ended, "it works")
    forget_queues(work)
    time.sleep(1.5)  # the last request for messages is over
    (second,) = team.submit()
    wait_until(tended(work, lambda: second in work.ended), "it works again", 30)


@pytest.mark.parametrize("metadata", ["sqlite"], indirect=True)
def test_broker_that_comes_back_is_used_again(
    own_redis_server: Server, metadata: MetadataStore
) -> None:
    """A broker that was killed and restarted serves the same workers again."""
    url = own_redis_server.url_for("0")
    team = Team(url, metadata, CeleryQueue(url, metadata))
    try:
        work = team.worker(1)
        work.gate.set()
        (first,) = team.submit()
        wait_until(lambda: first in work.ended, "it works")
        own_redis_server.kill()
        time.sleep(1)
        own_redis_server.restart()
        (second,) = team.submit()
        wait_until(tended(work, lambda: second in work.ended), "it works again", 30)
    finally:
        team.close()


@pytest.mark.parametrize("metadata", ["sqlite"], indirect=True)
def test_worker_leaves_while_the_broker_is_away(
    own_redis_server: Server, metadata: MetadataStore
) -> None:
    """A worker that is told to stop does so in seconds, also when its broker is gone."""
    url = own_redis_server.url_for("0")
    team = Team(url, metadata, CeleryQueue(url, metadata))
    try:
        work = team.worker(1)
        work.gate.set()
        (first,) = team.submit()
        wait_until(lambda: first in work.ended, "it works")
        own_redis_server.stop()
        time.sleep(2)
        began = time.monotonic()
        work.feed.stop()
        assert work.feed.join()
        assert time.monotonic() - began < 10
    finally:
        team.close()


def test_claims_wait_while_the_store_is_away(
    redis_server: Share, own_mongodb_server: Server
) -> None:
    """A message whose step cannot be claimed is kept; it is run when the store is back."""
    metadata = MongoMetadata(own_mongodb_server.url_for("away"))
    metadata.initialize()
    team = Team(redis_server.url, metadata, CeleryQueue(redis_server.url, metadata))
    try:
        work = team.worker(1)
        work.gate.set()
        step = recorded_run(metadata)
        own_mongodb_server.kill()
        team.queue.announce(step.run, [step])
        wait_until(lambda: team.queue.depth(["default"]) == 0, "the message is taken")
        own_mongodb_server.restart()
        wait_until(lambda: work.ended == [step.run], "the step has run", 30)
    finally:
        team.close()


@in_a_file
def test_message_for_a_worker_that_leaves_goes_to_another(team: Team) -> None:
    """What the broker answers to a worker that was told to leave is given to the next one."""
    leaving = team.worker()
    leaving.gate.set()
    team.submit()
    wait_until(lambda: leaving.ended, "the worker takes messages")
    leaving.feed.stop()
    (run,) = team.submit()
    assert leaving.feed.join(20)
    other = team.worker()
    other.gate.set()
    wait_until(lambda: other.ended == [run], "the other one has run it")
    assert run not in leaving.begun
