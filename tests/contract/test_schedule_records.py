"""Schedules as every metadata store keeps them, and schedulers that share one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest
from samples import NOW, graph, graph_step, run_id

from taskmgr_core.errors import InvalidValueError
from taskmgr_core.schedules import scheduler as module
from taskmgr_core.schedules.scheduler import LEASE_SECONDS, TAKE_OVER_SECONDS, Scheduler
from taskmgr_core.specs import CatchUp, Firing, Run, Schedule
from taskmgr_core.stores.metadata import MetadataStore, RunFilter

MINUTE = 60.0
START = NOW - NOW % MINUTE


def every_minute(catch_up: CatchUp = "all", handled: float = START) -> Schedule:
    """A schedule of a task that need not exist."""
    return Schedule("minutely", "task", "* * * * *", "UTC", {"a": [1]}, catch_up, handled)


def firing(at: float = START, number: int = 1) -> Firing:
    """A firing that somebody has begun."""
    return Firing("minutely", at, run_id(number), at + 1)


def submitting(metadata: MetadataStore) -> Callable[..., str]:
    """Records a run, as a client does."""

    def submit(what: str, inputs: Mapping[str, Any], *, run_id: str | None = None) -> str:
        assert run_id is not None
        run = Run(run_id, what, "task", graph(graph_step("001")), "running", START)
        metadata.create_run(run, [], [])
        return run_id

    return submit


def scheduler(metadata: MetadataStore, now: float) -> Scheduler:
    """A scheduler whose clock stands still."""
    return Scheduler(metadata, submitting(metadata), clock=lambda: now)


def fired(metadata: MetadataStore) -> list[float]:
    """The times that were fired, the earliest first; each has one run."""
    found = metadata.schedules.firings("minutely", 100)
    runs = [each.id for each in metadata.runs(RunFilter(limit=100))]
    assert sorted(each.run for each in found) == sorted(runs)
    assert all(each.submitted for each in found)
    return [each.at - START for each in reversed(found)]


def test_name_is_given_once(metadata: MetadataStore) -> None:
    """A second schedule of a name is refused, and the first stays as it is."""
    assert metadata.schedules.add(every_minute())
    assert not metadata.schedules.add(every_minute("skip"))
    assert metadata.schedules.listing() == [every_minute()]
    assert metadata.schedules.remove("minutely")
    assert not metadata.schedules.remove("minutely")
    assert metadata.schedules.listing() == []


def test_change_of_what_was_changed_meanwhile_is_refused(metadata: MetadataStore) -> None:
    """Of two who change the same the second has to read it again."""
    metadata.schedules.add(every_minute())
    assert metadata.schedules.put(attrs.evolve(every_minute(), paused=True))
    assert not metadata.schedules.put(attrs.evolve(every_minute(), handled=START + 1))
    (found,) = metadata.schedules.listing()
    assert (found.paused, found.handled, found.revision) == (True, START, 2)
    metadata.schedules.remove("minutely")
    assert not metadata.schedules.put(found)


def test_firing_of_a_time_is_recorded_once(metadata: MetadataStore) -> None:
    """Who comes second is given the first one, with its run; other times are others."""
    first, second = firing(number=1), firing(number=2)
    assert metadata.schedules.fire(first) == first
    assert metadata.schedules.fire(second) == first
    metadata.schedules.submitted(attrs.evolve(first, problem="refused"))
    done = attrs.evolve(first, submitted=True, problem="refused")
    assert metadata.schedules.fire(second) == done
    later = metadata.schedules.fire(firing(START + MINUTE, 3))
    assert metadata.schedules.firings("minutely", 10) == [later, done]
    assert metadata.schedules.firings("minutely", 1) == [later]
    metadata.schedules.add(every_minute())
    metadata.schedules.remove("minutely")
    assert metadata.schedules.firings("minutely", 10) == []


def test_one_leads_at_a_time(metadata: MetadataStore) -> None:
    """Another takes its place when it has not said so for a while, or has let go."""
    store = metadata.schedules
    assert store.lead("a", NOW, 10)
    assert not store.lead("b", NOW + 9, 10)
    assert store.lead("a", NOW + 9, 10)
    assert not store.lead("b", NOW + 18, 10)
    assert store.lead("b", NOW + 19, 10)
    assert not store.lead("a", NOW + 20, 10)
    store.let_go("a")
    assert not store.lead("a", NOW + 20, 10)
    store.let_go("b")
    assert store.lead("a", NOW + 20, 10)


def test_many_who_believe_they_lead_fire_each_time_once(
    open_metadata: Callable[[], MetadataStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three schedulers at once on one store, none of which minds the others."""
    monkeypatch.setattr(Scheduler, "_leads", lambda _: True)
    stores = [open_metadata() for _ in range(3)]
    stores[0].schedules.add(every_minute())
    together = threading.Barrier(3)

    def look(store: MetadataStore) -> None:
        together.wait()
        for now in (2 * MINUTE, 5 * MINUTE, 6 * MINUTE):
            scheduler(store, START + now).tick()

    threads = [threading.Thread(target=look, args=[each]) for each in stores]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    scheduler(stores[0], START + 6 * MINUTE).tick()
    assert fired(stores[0]) == [MINUTE * number for number in range(1, 7)]


def test_second_scheduler_waits_for_the_first(metadata: MetadataStore) -> None:
    """While one leads the other fires nothing; when it is gone, what is due."""
    metadata.schedules.add(every_minute())
    first = scheduler(metadata, START + MINUTE)
    assert first.tick()
    assert not scheduler(metadata, START + MINUTE + LEASE_SECONDS - 1).tick()
    assert fired(metadata) == [MINUTE]
    assert scheduler(metadata, START + 2 * MINUTE).tick()
    assert fired(metadata) == [MINUTE, 2 * MINUTE]


@pytest.mark.parametrize("recorded", [False, True], ids=["before", "behind"])
def test_firing_of_a_scheduler_that_died_is_ended_by_another(
    metadata: MetadataStore, recorded: bool
) -> None:
    """Killed before or behind the record of the run: the time has one run, and none is lost."""
    metadata.schedules.add(every_minute())
    begun = metadata.schedules.fire(Firing("minutely", START + MINUTE, run_id(1), START + MINUTE))
    if recorded:
        submitting(metadata)("task", {}, run_id=begun.run)
    scheduler(metadata, START + MINUTE + 5).tick()
    assert not metadata.schedules.firings("minutely", 1)[0].submitted
    metadata.schedules.lead("nobody", START + 1e6, 0)
    metadata.schedules.let_go("nobody")
    scheduler(metadata, START + MINUTE + TAKE_OVER_SECONDS + LEASE_SECONDS).tick()
    assert fired(metadata) == [MINUTE]
    assert metadata.schedules.firings("minutely", 1)[0].run == begun.run


def test_clock_that_jumps_fires_nothing_twice(
    metadata: MetadataStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forward: missed times are caught up. Back: what was fired is not fired again."""
    monkeypatch.setattr(module, "RENEW_SECONDS", float("inf"))
    metadata.schedules.add(every_minute())
    now = START
    one = Scheduler(metadata, submitting(metadata), clock=lambda: now)
    for now in (  # noqa: B007 - the clock reads it
        START + MINUTE,
        START + 4 * MINUTE,
        START + MINUTE,
        START + 2 * MINUTE,
    ):
        one.tick()
    assert fired(metadata) == [MINUTE, 2 * MINUTE, 3 * MINUTE, 4 * MINUTE]
    now = START + 5 * MINUTE
    one.tick()
    assert fired(metadata) == [MINUTE * number for number in range(1, 6)]


def test_run_that_is_refused_is_told_and_holds_up_no_other(metadata: MetadataStore) -> None:
    """The reason is recorded with the firing; other schedules, and later times, are fired."""

    def submit(what: str, inputs: Mapping[str, Any], *, run_id: str | None = None) -> str:
        if what == "bad":
            raise InvalidValueError("no such task")
        return submitting(metadata)(what, inputs, run_id=run_id)

    metadata.schedules.add(attrs.evolve(every_minute(), name="a", what="bad"))
    metadata.schedules.add(every_minute())
    told: list[Firing] = []
    Scheduler(metadata, submit, told.append, clock=lambda: START + 2 * MINUTE).tick()
    assert fired(metadata) == [MINUTE, 2 * MINUTE]
    assert [each.problem for each in metadata.schedules.firings("a", 9)] == ["no such task"] * 2
    assert [each.schedule for each in told] == ["a", "a", "minutely", "minutely"]
