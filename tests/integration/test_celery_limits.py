"""Limits and priorities where messages tell of steps: on a real Redis."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery_team import Team, Work
from team import recorded_run

from servers import Share
from taskmgr_core.orchestrator.limiting import rate_of
from taskmgr_core.queue.base import Announcement, Wanted, none_wanted
from taskmgr_core.queue.celery.queue import CeleryQueue
from taskmgr_core.specs import Claim, Demand, ReadyStep
from taskmgr_core.stores.sqlite import SqliteMetadata
from taskmgr_core.worker.admission import Alarm
from waiting import wait_until

BACKLOG = 200
SOON = 3.0


@pytest.fixture
def team(redis_server: Share, tmp_path: Path) -> Iterator[Team]:
    """Nobody works yet."""
    metadata = SqliteMetadata(tmp_path / "metadata.sqlite3")
    metadata.initialize()
    opened = Team(redis_server.url, metadata, CeleryQueue(redis_server.url, metadata))
    yield opened
    opened.close()


def announced(team: Team, priority: int, count: int = 1) -> list[str]:
    """Runs of one step of a priority, of which the workers are told."""
    steps = [recorded_run(team.metadata, priority=priority) for _ in range(count)]
    for each in steps:
        team.queue.announce(each.run, [each])
    return [each.run for each in steps]


def test_urgent_step_starts_next_under_a_backlog(team: Team) -> None:
    """With 200 others waiting before it, a step of a higher priority is the next that begins."""
    worker = team.worker(1)
    announced(team, 3, BACKLOG)
    wait_until(lambda: len(worker.begun) == 1, "one runs")
    (urgent,) = announced(team, 9)
    worker.gate.set()
    wait_until(lambda: len(worker.begun) > 1, "the next runs")
    assert worker.begun[1] == urgent


def limited(team: Team, worker: Work, demand: Demand) -> Alarm:
    """Have the task ``echo`` of a worker keep to a limit, as a worker's process does."""

    def tell(step: ReadyStep) -> None:
        team.queue.announce(step.run, [step])

    alarm, run = Alarm(tell), worker.run

    def admitted(claim: Claim, taking: Wanted = none_wanted) -> Announcement | None:
        demands = [demand] if claim.step.task == "echo" else []
        found = team.metadata.limits.admit(claim, demands, time.time())
        for each in found.ready:
            alarm.at(each)
        return None if found.claim is None else run(found.claim, taking)

    performer = worker.feed._performer
    assert performer is not None
    performer.run = admitted
    return alarm


def test_step_that_is_held_back_holds_no_slot(team: Team) -> None:
    """While one waits for a limit, its slot runs a step of another task."""
    worker = team.worker(2)
    limited(team, worker, Demand("task:echo", 1))
    runs = announced(team, 5, 2)
    wait_until(lambda: [each for each in runs if is_held_back(team, each)], "one waits")
    (other,) = team.submit(task="other")
    wait_until(lambda: len(worker.begun) == 2, "the other one runs")
    (first,) = [each for each in runs if not is_held_back(team, each)]
    assert worker.begun == [first, other]


def is_held_back(team: Team, run: str) -> bool:
    """Whether the step of a run waits for a limit."""
    return bool(team.metadata.steps(run)[0].waits_for)


def test_rate_is_kept_to_the_moment(team: Team) -> None:
    """Steps that wait for a rate are told of when they are due, not at the next look."""
    worker = team.worker(4)
    worker.gate.set()
    alarm = limited(team, worker, Demand("rate:task:echo", rate=rate_of("10/s")))
    begun = time.monotonic()
    announced(team, 5, 20)
    wait_until(lambda: len(worker.ended) == 20, "all have ended")
    alarm.close()
    assert 0.9 <= time.monotonic() - begun < SOON
