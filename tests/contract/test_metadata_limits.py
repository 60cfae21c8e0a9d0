"""How many steps run at once and begin in a time: one store after another, the same claims."""

import threading
import time
from concurrent import futures

import attrs
import pytest
from samples import NOW, beaten, claimed, created, finished, graph_step, silent, value

from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.orchestrator.limiting import FIRST_LOOK, rate_of
from taskmgr_core.specs import Claim, Demand, Limit, LimitUse, Outcome, Run
from taskmgr_core.stores.metadata import MetadataStore

ONE = (Demand("task:echo", 1),)
RATE = (Demand("rate:task:echo", rate=rate_of("2/s")),)


def waiting(metadata: MetadataStore, count: int, **step: int) -> list[Run]:
    """Runs of one step, each ready a second after the one before."""
    step_of = graph_step(**step)  # type: ignore[arg-type]
    return [created(metadata, step_of, number=n + 1, now=NOW + n) for n in range(count)]


def admitted(metadata: MetadataStore, now: float, demands: tuple[Demand, ...] = ONE) -> Claim:
    """Claim what comes next and let it run."""
    found = metadata.limits.admit(claimed(metadata, now=now), demands, now)
    assert found.claim is not None
    return found.claim


def held_back(metadata: MetadataStore, now: float, demands: tuple[Demand, ...] = ONE) -> Claim:
    """Claim what comes next, which may not run."""
    claim = claimed(metadata, now=now)
    assert metadata.limits.admit(claim, demands, now).claim is None
    return claim


def test_step_beyond_the_limit_is_ready_again(metadata: MetadataStore) -> None:
    """It has lost no attempt, says what it waits for, and is not due for a while."""
    runs = waiting(metadata, 2)
    now = NOW + 2
    assert admitted(metadata, now).limits == ("task:echo",)
    held_back(metadata, now)
    (step,) = metadata.steps(runs[1].id)
    assert (step.status, step.attempt, step.worker) == ("ready", 0, "")
    assert step.waits_for == "1 at once of task:echo"
    assert step.waits_since == NOW + 1
    assert metadata.claim("w1", (), now + FIRST_LOOK - 0.1) is None
    assert metadata.next_due((), now) == pytest.approx(FIRST_LOOK)
    (load,) = metadata.waiting(now)
    assert (load.ready, load.delayed) == (0, 1)
    assert metadata.limits.uses(100) == [LimitUse("task:echo", 1, 1)]


@pytest.mark.parametrize("status", ["succeeded", "failed", "ready"])
def test_place_that_is_given_back_wakes_the_next(metadata: MetadataStore, status: str) -> None:
    """Whatever came of the attempt, the step that waits longest is told and may run then."""
    runs = waiting(metadata, 3)
    now = NOW + 3
    first = admitted(metadata, now)
    held_back(metadata, now)
    held_back(metadata, now)
    outcome = Outcome(status, not_before=now + 100)  # type: ignore[arg-type]
    ready = [each.run for each in finished(metadata, first, outcome, now).ready]
    assert ready == [runs[1].id]
    second = admitted(metadata, now)
    assert second.step.run == runs[1].id
    assert second.step.waits_for == ""
    assert metadata.steps(runs[1].id)[0].waits_for == ""
    assert metadata.steps(runs[1].id)[0].ready_at == NOW + 1
    assert metadata.claim("w1", (), now) is None


def test_most_urgent_is_woken_first(metadata: MetadataStore) -> None:
    """Of those that a limit holds back the highest priority comes next, however late it came."""
    low = created(metadata, graph_step(priority=3), number=1, now=NOW)
    first = admitted(metadata, NOW)
    runs = [
        created(metadata, graph_step(priority=priority), number=n, now=NOW + n)
        for n, priority in enumerate([3, 9, 8], start=2)
    ]
    for _ in runs:
        held_back(metadata, NOW + 9)
    assert first.step.run == low.id
    order = []
    for _ in runs:
        finished(metadata, first, now=NOW + 9)
        first = admitted(metadata, NOW + 9)
        order.append(first.step.run)
    assert order == [runs[1].id, runs[2].id, runs[0].id]


def test_others_are_not_held_up(metadata: MetadataStore) -> None:
    """Steps under another label, or none, run while some wait; a label is no part of another."""
    waiting(metadata, 4)
    now = NOW + 4
    admitted(metadata, now, (Demand("key:a:1", 1),))
    held_back(metadata, now, (Demand("key:a:1", 1),))
    admitted(metadata, now, (Demand("key:a:11", 1),))
    admitted(metadata, now, ())
    uses = [(each.label, each.running, each.waiting) for each in metadata.limits.uses(100)]
    assert uses == [("key:a:1", 1, 1), ("key:a:11", 1, 0)]


def test_lost_worker_gives_its_place_back(metadata: MetadataStore) -> None:
    """Its step is taken back, and what waited for the place may run."""
    runs = waiting(metadata, 2)
    now = NOW + 2
    beaten(metadata, "w1", now)
    admitted(metadata, now)
    held_back(metadata, now)
    later = now + 1
    metadata.release_lost(silent(metadata, later), 3, decide, later)
    found = [admitted(metadata, later).step.run]
    assert found == [runs[1].id]
    assert held_back(metadata, later).step.run == runs[0].id


def test_cancelled_step_gives_its_place_to_nobody(metadata: MetadataStore) -> None:
    """A step that waits and is cancelled is passed over when a place is free."""
    runs = waiting(metadata, 3)
    now = NOW + 3
    first = admitted(metadata, now)
    held_back(metadata, now)
    held_back(metadata, now)
    metadata.request_cancel(runs[1].id, decide, now)
    assert metadata.run(runs[1].id).status == "cancelled"
    assert [each.run for each in finished(metadata, first, now=now).ready] == [runs[2].id]


def test_step_that_is_to_be_stopped_does_not_wait(metadata: MetadataStore) -> None:
    """A run that was cancelled between claim and admission is not kept waiting for a place."""
    runs = waiting(metadata, 2)
    now = NOW + 2
    admitted(metadata, now)
    claim = claimed(metadata, now=now)
    metadata.request_cancel(runs[1].id, decide, now)
    found = metadata.limits.admit(claim, ONE, now).claim
    assert found is not None
    assert found.limits == ()
    finished(metadata, found, Outcome("cancelled"), now)
    assert metadata.run(runs[1].id).status == "cancelled"


def test_claim_that_is_lost_is_not_admitted(metadata: MetadataStore) -> None:
    """A step that was held back by one is not held back again by a worker that is late."""
    waiting(metadata, 2)
    now = NOW + 2
    admitted(metadata, now)
    late = held_back(metadata, now)
    assert metadata.limits.admit(late, ONE, now).claim is None
    assert metadata.steps(late.step.run)[0].attempt == 0


def test_rate_lets_so_many_begin(metadata: MetadataStore) -> None:
    """A burst of two, then one each half second; the most urgent is told when it may."""
    waiting(metadata, 4)
    now = NOW + 4
    for _ in range(2):
        finished(metadata, admitted(metadata, now, RATE), now=now)
    claim = claimed(metadata, now=now)
    found = metadata.limits.admit(claim, RATE, now)
    assert found.claim is None
    assert [each.ready_at for each in found.ready] == [pytest.approx(now + 0.5)]
    assert metadata.steps(claim.step.run)[0].waits_for == "2/s of task:echo"
    urgent = created(metadata, graph_step(priority=9), number=9, now=now)
    assert held_back(metadata, now, RATE).step.run == urgent.id
    assert held_back(metadata, now, RATE).step.run != urgent.id
    third = claimed(metadata, now=now + 0.51)
    assert third.step.run == claim.step.run
    told = metadata.limits.admit(third, RATE, now + 0.51)
    assert told.claim is not None
    assert [each.run for each in told.ready] == [urgent.id]
    assert told.ready[0].ready_at == pytest.approx(now + 1.0)
    assert metadata.claim("w1", (), now + 0.99) is None
    assert admitted(metadata, now + 1.01, RATE).step.run == urgent.id


def test_refused_step_takes_no_place_and_no_token(metadata: MetadataStore) -> None:
    """Of several limits none counts a step that another one holds back."""
    waiting(metadata, 3)
    now = NOW + 3
    both = (Demand("queue:default", 2), *ONE, *RATE)
    admitted(metadata, now, both)
    held_back(metadata, now, both)
    admitted(metadata, now, (Demand("queue:default", 2), *RATE))
    assert metadata.limits.uses(100)[0] == LimitUse("queue:default", 2, 0)


def test_limit_of_an_operator_is_kept(metadata: MetadataStore) -> None:
    """It can be read, changed and removed; then what it held back tries again."""
    runs = waiting(metadata, 2)
    now = NOW + 2
    metadata.limits.put(Limit("task:echo", 5, "3/min"), now)
    metadata.limits.put(Limit("task:echo", 1, ""), now)
    metadata.limits.put(Limit("queue:default", 0, "2/s"), now)
    assert metadata.limits.rules() == [Limit("queue:default", 0, "2/s"), Limit("task:echo", 1, "")]
    admitted(metadata, now)
    held_back(metadata, now)
    assert metadata.limits.remove("task:echo", now)
    assert not metadata.limits.remove("task:echo", now)
    assert admitted(metadata, now, ()).step.run == runs[1].id


def test_limit_holds_among_many_at_once(metadata: MetadataStore) -> None:
    """Threads that race for two places are never three, and none waits for a place that is free."""
    runs = waiting(metadata, 8)
    demands = (Demand("task:echo", 2),)
    now, lock, left = NOW + 8, threading.Lock(), threading.Semaphore(0)
    running, most = 0, 0

    def work(worker: str) -> None:
        nonlocal running, most
        while not left.acquire(blocking=False):
            claim = metadata.claim(worker, (), now)
            found = metadata.limits.admit(claim, demands, now).claim if claim else None
            if found is None:
                time.sleep(0.005)
                continue
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.01)
            with lock:
                running -= 1
            finished(metadata, found, now=now)
            if all(metadata.status(each.id) == "succeeded" for each in runs):
                left.release(4)

    with futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(work, "abcd"))
    assert most <= 2


def test_elements_are_limited_each(metadata: MetadataStore) -> None:
    """Elements of a list wait and are woken as steps are."""
    mapped = attrs.evolve(graph_step(), map="text", parallel=10)
    run = created(metadata, mapped, values=[value("text", ["a", "b"])])
    claim = claimed(metadata)
    elements = tuple(value(f"text[{n}]", each) for n, each in enumerate("ab"))
    finished(metadata, claim, Outcome("mapping", elements=elements))
    first = admitted(metadata, NOW)
    held = held_back(metadata, NOW)
    assert metadata.limits.uses(100) == [LimitUse("task:echo", 1, 1)]
    ready = finished(metadata, first, Outcome("succeeded")).ready
    assert [(each.run, each.id) for each in ready] == [(run.id, held.step.id)]
    assert admitted(metadata, NOW).step.id == held.step.id
