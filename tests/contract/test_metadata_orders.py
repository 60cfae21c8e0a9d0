"""What workers are told, and how much is to do: as every metadata store has it."""

import attrs
from samples import NOW, beaten, claimed, created, finished, graph_step, run_id

from taskmgr_core.specs import (
    Failure,
    Orders,
    Outcome,
    Overview,
    RunStatus,
    StepTimes,
    Waiting,
    Worker,
)
from taskmgr_core.stores.metadata import MetadataStore


def living(now: float = NOW) -> Worker:
    """A worker at some moment."""
    return Worker("w1", "host", 1, 2, (), NOW, now)


def test_beat_gives_what_a_worker_is_told(metadata: MetadataStore) -> None:
    """An order is there with the next beat and every later one, until the worker is gone."""
    assert metadata.beat(living()) == Orders()
    assert metadata.order("w1", Orders("drain", "word"))
    assert metadata.beat(living(NOW + 1)) == Orders("drain", "word")
    assert metadata.beat(living(NOW + 2)) == metadata.orders("w1") == Orders("drain", "word")
    metadata.remove_worker("w1")
    assert metadata.orders("w1") == Orders()
    assert metadata.beat(living(NOW + 3)) == Orders()


def test_orders_do_not_undo_one_another(metadata: MetadataStore) -> None:
    """A question leaves an order to leave as it is, and none takes back that it is to be now."""
    beaten(metadata, "w1")
    metadata.order("w1", Orders(ping="first"))
    metadata.order("w1", Orders("drain"))
    assert metadata.orders("w1") == Orders("drain", "first")
    metadata.order("w1", Orders("now", "second"))
    metadata.order("w1", Orders("drain"))
    assert metadata.orders("w1") == Orders("now", "second")


def test_order_reaches_the_named_worker_only(metadata: MetadataStore) -> None:
    """Other workers are not told, and one that is not known cannot be told."""
    beaten(metadata, "w1")
    beaten(metadata, "w2")
    assert metadata.order("w1", Orders("now"))
    assert metadata.orders("w2") == Orders()
    assert not metadata.order("w3", Orders("now"))
    assert not metadata.order("w3", Orders("drain", "word"))
    assert [each.id for each in metadata.workers()] == ["w1", "w2"]


def test_beat_keeps_all_that_a_worker_says(metadata: MetadataStore) -> None:
    """What it offers, how it scales, whether it drains and what it has answered is recorded."""
    said = attrs.evolve(
        living(), resources={"gpu": 2}, autoscale=(1, 8), draining=True, answered="word"
    )
    metadata.beat(said)
    assert metadata.workers() == [said]


def test_overview_counts_runs(metadata: MetadataStore) -> None:
    """Runs that run are counted, and those that ended since a moment, by how they ended."""
    for number in range(1, 6):
        created(metadata, number=number)
    finished(metadata, claimed(metadata), now=NOW + 10)
    finished(metadata, claimed(metadata), now=NOW + 50)
    failed = Outcome("failed", failure=Failure("x", "y"))
    finished(metadata, claimed(metadata), failed, now=NOW + 60)
    ended: dict[RunStatus, int] = {"succeeded": 1, "failed": 1, "cancelled": 0}
    assert metadata.overview(NOW + 50) == Overview(2, ended)
    assert metadata.overview(NOW) == Overview(2, {**ended, "succeeded": 2})


def test_times_are_those_of_the_newest_runs(metadata: MetadataStore) -> None:
    """The steps of so many runs are told of, the newest run first, with what they took."""
    for number in range(1, 4):
        created(metadata, graph_step("001"), graph_step("002", ["001"]), number=number)
    claim = claimed(metadata)
    assert claim.step.run == run_id(1)
    failed_with = Outcome("failed", failure=Failure("x", "y"))
    finished(metadata, claim, failed_with, now=NOW + 2)
    newest = metadata.latest_times(2)
    assert [each.run for each in newest] == [run_id(3)] * 2 + [run_id(2)] * 2
    assert newest[0] == StepTimes(run_id(3), "echo", "default", "ready", NOW, None, None)
    failed, skipped = metadata.latest_times(3)[4:]
    assert failed == StepTimes(run_id(1), "echo", "default", "failed", NOW, NOW + 2, 2.0)
    assert (skipped.status, skipped.ready_at, skipped.seconds) == ("skipped", None, None)


def test_times_of_known_runs_are_not_told_again(metadata: MetadataStore) -> None:
    """They count among the newest, so that no older run takes their place."""
    for number in range(1, 5):
        created(metadata, number=number)
    told = metadata.latest_times(3, [run_id(4), run_id(2), run_id(9)])
    assert [each.run for each in told] == [run_id(3)]
    assert metadata.latest_times(1, [run_id(4)]) == []


def test_waiting_steps_are_counted_by_queue_and_needs(metadata: MetadataStore) -> None:
    """What is due and what is delayed is told of each queue and needs, with the oldest."""
    assert metadata.waiting(NOW) == ()
    created(metadata, graph_step("001"), graph_step("002", ["001"]), number=1)
    created(metadata, graph_step("001", queue="vision"), number=2, now=NOW + 3)
    gpu = {"gpu": 2}
    created(
        metadata,
        graph_step("001", queue="vision", resources=gpu),
        graph_step("002", queue="vision", resources=gpu),
        number=3,
        now=NOW + 4,
    )
    retried = metadata.claim("w1", ["vision"], NOW + 4, free=gpu)
    assert retried is not None
    again = Outcome("ready", failure=Failure("x", "y"), not_before=NOW + 100)
    finished(metadata, retried, again, now=NOW + 4)
    waiting = metadata.waiting(NOW + 5)
    assert sum(each.delayed for each in waiting) == 1
    assert [(each.queue, each.resources, each.ready + each.delayed) for each in waiting] == [
        ("default", {}, 1),
        ("vision", {}, 1),
        ("vision", gpu, 2),
    ]
    assert waiting[0] == Waiting("default", {}, 1, 0, NOW)
