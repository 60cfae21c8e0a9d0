"""Steps that need resources, on a real Redis: who takes them, and that none blocks nor is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs
import pytest
from celery_team import Team, Work
from redis import Redis

from servers import Share
from taskmgr_core.queue.celery.address import list_key, needs_of
from taskmgr_core.queue.celery.queue import CeleryQueue
from taskmgr_core.stores.sqlite import SqliteMetadata
from waiting import wait_until

GPU = {"gpu": 1}


@pytest.fixture
def team(redis_server: Share, tmp_path: Path) -> Iterator[Team]:
    """Nobody works yet."""
    metadata = SqliteMetadata(tmp_path / "metadata.sqlite3")
    metadata.initialize()
    opened = Team(redis_server.url, metadata, CeleryQueue(redis_server.url, metadata))
    yield opened
    opened.close()


def ended(workers: list[Work]) -> list[str]:
    """What they have run."""
    return sorted(run for each in workers for run in each.ended)


def test_units_are_shared_out_and_nobody_else_takes_them(team: Team) -> None:
    """Two workers with a unit run one such step each, one without none; the others go on."""
    owners = [team.worker(2, resources=GPU) for _ in range(2)]
    without = team.worker(2)
    needy = team.submit(4, resources=GPU)
    wait_until(lambda: sum(len(each.begun) for each in owners) == 2, "one runs on each")
    plain = team.submit(4)
    wait_until(
        lambda: all(len(each.begun) == 2 for each in (*owners, without)), "every slot is in use"
    )
    assert not set(without.begun) & set(needy)
    assert all(len(set(each.begun) & set(needy)) == 1 for each in owners)
    assert team.queue.depth(["default+gpu"]) == 2
    for each in (*owners, without):
        each.gate.set()
    wait_until(lambda: ended([*owners, without]) == sorted([*needy, *plain]), "all have run")
    assert not set(without.begun) & set(needy)
    assert all(each.most_held <= 1 for each in owners)
    assert team.queue.depth(["default+gpu", "default"]) == 0


def test_freed_unit_is_used_at_once(team: Team) -> None:
    """When a unit is given back the next step that waits for it begins without a long pause."""
    owner = team.worker(2, resources=GPU)
    owner.gate.set()
    runs = team.submit(10, resources=GPU)
    wait_until(lambda: ended([owner]) == sorted(runs), "all have run", 5)
    assert owner.most_held == 1


def asks_all_the_same(needs: Mapping[str, int]) -> bool:
    """Whatever is needed is said to be free."""
    return True


def test_early_message_is_sent_back(team: Team) -> None:
    """A message that comes while its units are not free blocks no slot, and is run later."""
    owner = team.worker(2, resources=GPU)
    held = owner.feed.units.take(GPU)
    assert held is not None
    owner.feed.units.fit = asks_all_the_same  # type: ignore[method-assign]
    (run,) = team.submit(resources=GPU)
    (plain,) = team.submit()
    owner.gate.set()
    wait_until(lambda: owner.ended == [plain], "the other one runs")
    owner.feed.units.give_back(held)
    wait_until(lambda: run in owner.ended, "it has run")
    assert owner.begun.count(run) == 1


def test_message_that_no_step_answers_to_gives_its_units_back(team: Team) -> None:
    """Doubled messages, and such as are none of ours, leave every unit free."""
    owner = team.worker(2, resources=GPU)
    owner.gate.set()
    (run,) = team.submit(resources=GPU)
    wait_until(lambda: run in owner.ended, "it has run")
    for arguments in (("no-run", "001"), ("too", "many", "words"), (run, "001")):
        team.queue.application.send_task("echo", args=arguments, queue="default+gpu")
    team.queue.application.send_task("bad name!", args=("x", "y"), queue="default+gpu")
    wait_until(lambda: team.queue.depth(["default+gpu"]) == 0, "they are taken")
    (last,) = team.submit(resources=GPU)
    wait_until(lambda: last in owner.ended, "the unit is free")
    wait_until(lambda: not owner.feed.units.short, "every unit is free")


def test_larger_needs_wait_for_their_worker(team: Team) -> None:
    """A step that needs two units is not taken by a worker with one, and holds up none."""
    one = team.worker(1, resources=GPU)
    one.gate.set()
    (large,) = team.submit(resources={"gpu": 2})
    (small,) = team.submit(resources=GPU)
    wait_until(lambda: small in one.ended, "the small one runs")
    assert team.queue.depth(["default+gpu=2"]) == 1
    two = team.worker(1, resources={"gpu": 2})
    two.gate.set()
    wait_until(lambda: two.ended == [large], "the large one runs where there is room")
    assert two.units_seen == [{"gpu": (0, 1)}]


def test_messages_of_needy_steps_have_lists_of_their_own(team: Team) -> None:
    """One message for each step, in the list of its queue and needs."""
    team.submit(3, queue="vision", resources={"licence": 2, "gpu": 1})
    with Redis.from_url(team.url) as client:
        lists = [key.decode() for key in client.scan_iter("vision*")]
    assert lists == [list_key("vision+gpu+licence=2", 5)]
    assert team.queue.depths([("vision", "gpu+licence=2"), ("vision", "")]) == {
        ("vision", "gpu+licence=2"): 3,
        ("vision", ""): 0,
    }
    assert needs_of("vision+gpu+licence=2") == {"gpu": 1, "licence": 2}


def test_lost_message_of_a_needy_step_is_missed(team: Team) -> None:
    """Whether a step's message is on its way is looked for in its own list."""
    told, lost = (
        attrs.evolve(team.record(resources=needs), ready_at=time.time() - 60)
        for needs in (GPU, {"gpu": 2})
    )
    team.queue.announce(told.run, [attrs.evolve(told, ready_at=told.ready_at)])
    assert lost in team.queue.missing([told, lost])
