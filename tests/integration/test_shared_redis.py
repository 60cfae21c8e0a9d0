"""What workspaces and servers share on one real Redis: apart where they must be, and counted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from celery_team import Team, Work
from redis import Redis

from servers import Server, Share
from taskmgr_core.accounts.interface import Principal
from taskmgr_core.accounts.limiting import Limit
from taskmgr_core.accounts.redis_limiter import RedisLimiter
from taskmgr_core.queue.celery.feed import CeleryFeed
from taskmgr_core.queue.celery.queue import CeleryQueue
from taskmgr_core.queue.scaling import Scaling
from taskmgr_core.specs.accounts import Role
from taskmgr_core.stores.sqlite import SqliteMetadata
from waiting import wait_until

ADA = Principal("ada", Role.VIEWER, "red", "1")


@contextlib.contextmanager
def team_of(name: str, url: str, folder: Path) -> Iterator[Team]:
    """A workspace with one worker."""
    metadata = SqliteMetadata(folder / f"{name}.sqlite3")
    metadata.initialize()
    queue = CeleryQueue(url, metadata, f"{name}/" if name else "")
    team = Team(url, metadata, queue)
    work = Work(metadata, CeleryFeed(queue, metadata, Scaling(1, 1), ()))
    work.gate.set()
    team.workers.append(work)
    work.start()
    try:
        yield team
    finally:
        team.close()


def _has_ended(work: Work, steps: int) -> bool:
    return len(work.ended) == steps


def test_workers_of_workspaces_take_their_own_steps(redis_server: Share, tmp_path: Path) -> None:
    """On one broker, with queues of one name: each is told of its own, and runs them."""
    with (
        team_of("", redis_server.url, tmp_path) as default,
        team_of("red", redis_server.url, tmp_path) as red,
        team_of("blue", redis_server.url, tmp_path) as blue,
    ):
        runs = {each: each.submit(3) for each in (red, blue, default)}
        for team, own in runs.items():
            (work,) = team.workers
            wait_until(partial(_has_ended, work, 3), "its steps have run")
            assert sorted(work.begun) == sorted(own)
        with Redis.from_url(redis_server.url) as broker:
            # What Celery itself keeps of a workspace is apart, too.
            bindings = {each.decode() for each in broker.scan_iter(match="*_kombu.binding*")}
        assert {each.partition("_kombu")[0] for each in bindings} >= {"", "red/", "blue/"}


def test_end_of_a_run_is_rung_in_its_workspace_alone(redis_server: Share, tmp_path: Path) -> None:
    """Who waits in another hears nothing of it, not even that something happened."""
    metadata = SqliteMetadata(tmp_path / "metadata.sqlite3")
    queues = [CeleryQueue(redis_server.url, metadata, prefix) for prefix in ("red/", "", "blue/")]
    red, *others = queues
    try:
        before = [each.changes("a run") for each in queues]
        heard = CeleryQueue(redis_server.url, metadata, "red/")
        queues.append(heard)

        def rung() -> bool:
            heard.announce("a run", [])
            return red.changes("a run") > before[0]

        wait_until(rung, "it has rung")
        assert [each.changes("a run") for each in others] == before[1:]
    finally:
        for each in queues:
            each.close()


def test_limit_is_shared_by_processes(redis_server: Share) -> None:
    """Each takes from one bucket, by the clock of the server; others have their own."""
    limit = Limit(5, 1000.0)
    with Redis.from_url(redis_server.url) as one, Redis.from_url(redis_server.url) as other:
        limiters = [RedisLimiter(one, limit), RedisLimiter(other, limit)]
        granted = [limiters[number % 2].take(ADA) for number in range(7)]
        assert [each.allowed for each in granted] == [True] * 5 + [False] * 2
        assert [each.remaining for each in granted] == [4, 3, 2, 1, 0, 0, 0]
        assert 190 < granted[-1].retry_after <= 200
        assert limiters[0].take(Principal("bob", Role.VIEWER, "red", "2"), cost=9).remaining == 0
        (key, _) = sorted(one.scan_iter(match="taskmgr.limit/*"))
        assert key == b"taskmgr.limit/red/ada"
        assert 0 < one.ttl(key) <= 1000


def test_bucket_in_redis_fills_again(redis_server: Share) -> None:
    """As fast as the limit says."""
    with Redis.from_url(redis_server.url) as client:
        limiter = RedisLimiter(client, Limit(2, 0.2))
        assert [limiter.take(ADA).allowed for _ in range(2)] == [True, True]
        refused = limiter.take(ADA)
        while not refused.allowed:
            time.sleep(refused.retry_after)
            refused = limiter.take(ADA)


def test_limit_holds_by_process_while_redis_is_away(
    own_redis_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody is refused because it cannot be asked, and nobody gets more than the limit here."""
    with Redis.from_url(own_redis_server.url, socket_timeout=0.5) as client:
        limiter = RedisLimiter(client, Limit(2, 1000.0))
        assert limiter.take(ADA).allowed
        own_redis_server.stop()
        assert [limiter.take(ADA).allowed for _ in range(3)] == [True, True, False]
    assert "counted by this process alone" in caplog.text
