"""A Celery worker that goes on with the next step by itself, on a real Redis."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery_team import Team, Work
from redis import Redis
from team import recorded_chain

from conftest import FAST, TASKMGR, TRIALS
from servers import Share
from taskmgr_core.queue.celery.application import make_application
from taskmgr_core.queue.celery.queue import CeleryQueue
from taskmgr_core.settings import load
from taskmgr_core.specs import PipelineSpec, StepSpec, Worker
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.stores.mongodb import MongoMetadata
from taskmgr_core.stores.sqlite import SqliteMetadata
from taskmgr_core.wiring import Platform
from waiting import wait_until

PLAIN: dict[str, int] = {}
GPU = {"gpu": 1}


@pytest.fixture
def metadata(request: pytest.FixtureRequest, tmp_path: Path) -> MetadataStore:
    """An empty store; in a file, where a test does not ask for another."""
    store: MetadataStore = SqliteMetadata(tmp_path / "metadata.sqlite3")
    if getattr(request, "param", "sqlite") == "mongodb":
        store = MongoMetadata(request.getfixturevalue("mongodb_server").url)
    store.initialize()
    return store


@pytest.fixture
def team(redis_server: Share, metadata: MetadataStore) -> Iterator[Team]:
    """Nobody works yet."""
    opened = Team(redis_server.url, metadata, CeleryQueue(redis_server.url, metadata))
    yield opened
    opened.close()


def announced(team: Team, *needs: dict[str, int], fans_out: bool = False) -> str:
    """A run of steps, one after another, whose first one workers are told of."""
    first = recorded_chain(team.metadata, needs, fans_out=fans_out)
    team.queue.announce(first.run, [first])
    return first.run


def messages(url: str) -> int:
    """How many messages the broker was sent so far."""
    with Redis.from_url(url) as client:
        return int(client.info("commandstats").get("cmdstat_lpush", {"calls": 0})["calls"])


def idle(team: Team, work: Work) -> None:
    """Wait until a worker takes messages, and none waits any more."""
    (run,) = team.submit()
    wait_until(lambda: run in work.ended and work.feed._gate.busy == 0, "it waits for messages")


@pytest.mark.parametrize("metadata", ["sqlite", "mongodb"], indirect=True)
def test_steps_that_follow_need_no_message(team: Team) -> None:
    """A chain of steps costs one message: the worker that has recorded one has the next."""
    work = team.worker(2)
    work.gate.set()
    idle(team, work)
    before = messages(team.url)
    run = announced(team, *[PLAIN] * 5)
    wait_until(lambda: work.ended.count(run) == 5, "all steps have run")
    assert team.metadata.status(run) == "succeeded"
    assert messages(team.url) - before == 1
    assert [each.attempt for each in team.metadata.steps(run)] == [1] * 5


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "not-alone"])
def test_steps_side_by_side_are_sent_where_another_worker_may_have_them(
    team: Team, alone: bool
) -> None:
    """The only worker gives them to its own free slots; else one is its own, and two are sent."""
    if not alone:
        team.metadata.beat(Worker("other", "host", 1, 2, (), time.time(), time.time()))
    work = team.worker(4)
    work.gate.set()
    idle(team, work)
    work.feed.tend()
    before = messages(team.url)
    run = announced(team, *[PLAIN] * 4, fans_out=True)
    wait_until(lambda: work.ended.count(run) == 4, "all steps have run")
    assert messages(team.url) - before == (1 if alone else 3)
    assert [each.attempt for each in team.metadata.steps(run)] == [1] * 4


def test_messages_that_wait_come_before_steps_that_follow(team: Team) -> None:
    """A run of many steps does not keep the only slot from the runs that wait for it."""
    work = team.worker(1)
    first = announced(team, *[PLAIN] * 4)
    wait_until(lambda: work.begun == [first], "its first step runs")
    others = [announced(team, PLAIN) for _ in range(2)]
    work.gate.set()
    wait_until(lambda: len(work.ended) == 6, "all have run")
    assert work.begun == [first, *others, first, first, first]


def test_worker_that_leaves_goes_on_with_nothing(team: Team) -> None:
    """Told to stop in the middle of a run it ends the step that runs; the rest is for others."""
    leaving = team.worker(1)
    run = announced(team, *[PLAIN] * 3)
    wait_until(lambda: leaving.begun == [run], "the first step runs")
    leaving.feed.stop()
    leaving.gate.set()
    assert leaving.feed.join(20)
    assert leaving.begun == [run]
    other = team.worker(1)
    other.gate.set()
    wait_until(lambda: other.ended == [run, run], "another worker has run the rest")
    assert team.metadata.status(run) == "succeeded"


def test_units_are_given_back_before_it_goes_on(team: Team) -> None:
    """A step that needs a unit holds it no longer than it runs, whatever its slot does next."""
    work = team.worker(3, resources=GPU)
    first = announced(team, GPU, PLAIN, PLAIN)
    wait_until(lambda: work.begun == [first], "the first step has the unit")
    performer = work.feed._performer
    assert performer is not None
    wait_until(lambda: not performer.inbox.more, "it has seen that nothing else waits")
    go = threading.Event()
    gate, work.gate = work.gate, go
    gate.set()
    wait_until(lambda: work.begun == [first, first], "the next step runs")
    second = announced(team, GPU)
    wait_until(lambda: work.begun == [first, first, second], "the unit is somebody else's")
    go.set()
    wait_until(lambda: len(work.ended) == 4, "all have run")
    assert [len(each) for each in work.units_seen] == [1, 0, 1, 0]
    assert work.feed.units.take(GPU) == {"gpu": (0,)}


def test_message_in_the_hand_of_a_slot_that_fails_goes_to_another(
    team: Team, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug that ends a step after the next message was taken loses no message."""
    work = team.worker(1)
    first = announced(team, PLAIN)
    wait_until(lambda: work.begun == [first], "the slot is in use")
    second = announced(team, PLAIN)
    finish = team.metadata.finish

    def failing(claim: Any, outcome: Any, decide: Any, now: float, taking: Any = None) -> Any:
        if claim.step.run == first:
            assert taking is not None
            assert taking.step == (second, "001")
            raise RuntimeError("a bug")
        return finish(claim, outcome, decide, now, taking)

    team.metadata.finish = failing  # type: ignore[method-assign]
    work.gate.set()
    wait_until(lambda: work.ended == [second], "the message was not lost")
    assert "met a bug" in caplog.text


# what Celery's tools see


def test_celery_inspect_shows_each_step_under_its_task(team: Team) -> None:
    """Steps that came without a message are listed while they run, too, and none afterwards."""
    work = team.worker(2)
    run = announced(team, PLAIN, PLAIN)
    wait_until(lambda: work.begun == [run], "the first step runs")
    application = make_application(team.url)
    inspect = application.control.inspect(timeout=2, limit=1)
    seen = [active(inspect)]
    go = threading.Event()
    gate, work.gate = work.gate, go
    gate.set()
    wait_until(lambda: work.begun == [run, run], "the next step runs")
    seen.append(active(inspect))
    go.set()
    wait_until(lambda: len(work.ended) == 2 and work.feed._gate.busy == 0, "both have run")
    assert seen == [[("echo", [run, "001"])], [("echo", [run, "002"])]]
    assert active(inspect) == []
    application.close()


def active(inspect: Any) -> list[tuple[str, list[str]]]:
    """What `celery inspect active` says of the one worker."""
    answers: list[dict[str, Any]] = []

    def answered() -> bool:  # the worker looks a few times a second for what it is asked
        answers.append(inspect.active() or {})
        return bool(answers[-1])

    wait_until(answered, "the worker answers")
    ((_, found),) = answers[-1].items()
    return [(each["name"], each["args"]) for each in found]


def test_flower_is_told_of_each_step_once_it_asks(team: Team) -> None:
    """With Celery's events on, each step is received, begins and succeeds under its task."""
    work = team.worker(2)
    work.gate.set()
    idle(team, work)
    application = make_application(team.url)
    heard: list[dict[str, Any]] = []
    with application.connection() as connection:
        receiver = application.events.Receiver(connection, handlers={"*": heard.append})
        listening = threading.Thread(
            target=receiver.capture, kwargs={"limit": None, "timeout": 8, "wakeup": False}
        )
        listening.start()
        wait_until(lambda: application.control.enable_events(reply=True, timeout=1), "it is asked")
        run = announced(team, PLAIN, PLAIN)
        wait_until(lambda: sum(e["type"] == "task-succeeded" for e in heard) == 2, "both are told")
        receiver.should_stop = True
        listening.join(20)
    application.close()
    told = [each for each in heard if each["type"].startswith("task-")]
    assert [each["type"][5:] for each in told] == ["received", "started", "succeeded"] * 2
    assert [(each["name"], each["args"]) for each in told if "name" in each] == [
        ("echo", repr((run, step))) for step in ("001", "002")
    ]
    assert len({each["uuid"] for each in told}) == 2


# who dies


@pytest.mark.timeout(120)
def test_step_that_a_killed_worker_went_on_with_is_run_by_another(
    redis_server: Share, tmp_path: Path
) -> None:
    """No message was ever sent for it; kill -9 in its middle, and the run ends all the same."""
    environment = {
        **FAST,
        "TASKMGR_LOST_AFTER": "2.0",
        "TASKMGR_HOME": str(tmp_path / "home"),
        "TASKMGR_BROKER_URL": redis_server.url,
    }
    platform = Platform(load(environment, tmp_path, tmp_path / "home"))
    platform.initialize()
    note = tmp_path / "note"
    seconds = StepSpec("001", "add", {"input_001_left": {"value": 1}})
    pause = StepSpec(
        "002",
        "pause",
        {"input_002_seconds": "output_001_result", "input_002_note": {"value": str(note)}},
    )
    with contextlib.ExitStack() as stack, platform.client() as client:
        client.publish(TRIALS)
        first = stack.enter_context(worker_process(environment, tmp_path / "first.log"))
        before = messages(redis_server.url)
        run = client.submit(PipelineSpec("paused", {}, (seconds, pause)), {})
        wait_until(note.exists, "the second step runs", 60)
        assert messages(redis_server.url) - before == 1
        first.kill()
        stack.enter_context(worker_process(environment, tmp_path / "second.log"))
        wait_until(lambda: client.metadata.status(run) == "succeeded", "the run ends", 40)
        found = client.metadata.steps(run)
    assert [(each.attempt, each.lost) for each in found] == [(1, 0), (2, 1)]


@contextlib.contextmanager
def worker_process(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a process of its own."""
    with log.open("wb") as opened:
        process = subprocess.Popen(
            [str(TASKMGR), "worker", "start", "--slots", "2"],
            env={**os.environ, **environment},
            stderr=opened,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
