"""Steps that are given to a taker that waits, as their run is recorded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import pytest
from samples import NOW, claimed, created, first_step, graph, graph_step, run_id, success, value

from taskmgr_core.errors import StoreError
from taskmgr_core.handing import Handing
from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.queue import embedded
from taskmgr_core.queue.base import Announcement, Wanted, none_wanted
from taskmgr_core.queue.bell import Bell
from taskmgr_core.queue.embedded import EmbeddedQueue, TakingFeed
from taskmgr_core.queue.handover import Place, Reservation
from taskmgr_core.queue.scaling import Scaling
from taskmgr_core.specs import Claim, NewRun, ReadyStep, Run, as_claimed, as_ready
from taskmgr_core.stores.progress import Progress, Taking, every
from taskmgr_core.stores.sqlite import SqliteMetadata, claims

STEP = ReadyStep(run_id(1), "001", "echo", "default", 5, NOW)


@pytest.fixture
def metadata(tmp_path: Path) -> Iterator[SqliteMetadata]:
    """An empty store."""
    store = SqliteMetadata(tmp_path / "metadata.sqlite3")
    store.initialize()
    yield store
    store.close()


@pytest.fixture
def queue(metadata: SqliteMetadata, tmp_path: Path) -> Iterator[EmbeddedQueue]:
    """A queue on it."""
    opened = EmbeddedQueue(metadata, Bell(tmp_path / "bells"))
    yield opened
    opened.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that take."""
    with ThreadPoolExecutor(2) as threads:
        yield threads


def new_run(number: int = 1, **more: Any) -> NewRun:
    """A run of two steps that wait for nothing; the second is more urgent."""
    steps = (graph_step("001", priority=3), graph_step("002", priority=7))
    run = Run(run_id(number), "sample", "pipeline", graph(*steps), "running", time.time())
    own = [first_step(run, each, run.created_at) for each in steps]
    return NewRun(run, own, [value("text", "hello"), value("other", 1)], **more)


def waiting(
    queue: EmbeddedQueue, pool: ThreadPoolExecutor, *arguments: Any, **more: Any
) -> Future[Claim | None]:
    """A thread that waits for a step, and does so by now."""
    before = len(queue._places._waiting)
    found = pool.submit(queue.take, "w1", (), 30.0, *arguments, **more)
    until(lambda: len(queue._places._waiting) > before)
    return found


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def place(**more: Any) -> Place:
    """A taker of everything."""
    usual = {"queues": (), "runs": None, "tasks": (), "covers": every, "wake": lambda: None}
    return Place("w1", **{**usual, **more})


@pytest.mark.parametrize(
    ("taker", "step", "own", "takes"),
    [
        ({}, {}, False, True),
        ({"queues": ("default", "gpu")}, {}, False, True),
        ({"queues": ("gpu",)}, {}, True, False),
        ({"tasks": ("echo",)}, {}, False, True),
        ({"tasks": ("other",)}, {}, True, False),
        ({"runs": (run_id(1),)}, {}, False, True),
        ({"runs": ()}, {}, False, False),
        ({"runs": ()}, {}, True, True),
        ({"covers": lambda _, version: version != "1.0"}, {}, True, False),
        ({}, {"resources": {"gpu": 1}}, True, False),
    ],
)
def test_taker_takes_what_it_would_claim(
    taker: dict[str, Any], step: dict[str, Any], own: bool, takes: bool
) -> None:
    """Of its queues, tasks, versions and runs, and nothing that needs units."""
    assert place(**taker).suits(attrs.evolve(STEP, **step), "1.0", own=own) is takes


def test_step_is_given_to_who_waits(
    metadata: SqliteMetadata, queue: EmbeddedQueue, pool: ThreadPoolExecutor
) -> None:
    """The most urgent, recorded as claimed, with its own values; the others are to be claimed."""
    new = new_run()
    with Handing(metadata, queue, lambda _: True) as handing:
        found = waiting(queue, pool, [])  # of no run yet
        begun = handing.begun(new)
        metadata.create_run(begun.run, begun.steps, begun.values)
        handing.give(new.run.id)
        claim = found.result(30)
    assert claim is not None
    assert claim.step == as_claimed(new.steps[1], "w1", new.run.created_at)
    assert (list(claim.values), claim.graph_step.id) == (["text"], "002")
    assert metadata.steps(new.run.id) == [new.steps[0], claim.step]
    assert [(each.step, each.attempt) for each in metadata.holds("w1")] == [("002", 1)]
    other = claimed(metadata, "w2", time.time())
    assert (other.step.id, other.values) == ("001", claim.values)


def test_nothing_is_taken_meanwhile(
    metadata: SqliteMetadata,
    queue: EmbeddedQueue,
    pool: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who is kept free takes nothing else, also when its time is over; let go, it may."""
    monkeypatch.setattr(embedded, "LOOK_AGAIN_SECONDS", 0.01)
    with Handing(metadata, queue, lambda _: True) as handing:
        found = waiting(queue, pool)
        handing.begun(new_run())
        other = created(metadata, number=2, now=time.time())
        queue.announce(other.id, [as_ready(metadata.steps(other.id)[0], NOW)])
        with pytest.raises(TimeoutError):
            found.result(0.1)
        assert not queue.reserve(Reservation(), STEP, "1.0", own=True)
    assert found.result(30) is None  # its run was not recorded
    claim = queue.take("w1", (), 30.0)
    assert claim is not None
    assert claim.step.run == other.id


def test_what_was_recorded_is_carried_out_after_an_interrupt(
    metadata: SqliteMetadata, queue: EmbeddedQueue, pool: ThreadPoolExecutor
) -> None:
    """A step whose worker holds it runs, also where the submission ends between the two."""
    found = waiting(queue, pool)
    new = new_run()
    handing = Handing(metadata, queue, lambda _: True)

    def interrupted() -> None:
        with handing:
            begun = handing.begun(new)
            metadata.create_run(begun.run, begun.steps, begun.values)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    claim = found.result(30)
    assert claim is not None
    assert claim.step.id == "002"


def test_interrupt_before_the_record_gives_nothing(
    metadata: SqliteMetadata, queue: EmbeddedQueue, pool: ThreadPoolExecutor
) -> None:
    """Who was kept free for a run that nobody recorded is let go."""
    found = waiting(queue, pool)
    handing = Handing(metadata, queue, lambda _: True)

    def interrupted() -> None:
        with handing:
            handing.begun(new_run())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert found.result(30) is None


def test_two_that_follow_are_taken_with_the_record(metadata: SqliteMetadata) -> None:
    """The second for another slot, where one waits; else, and of one alone, only the first."""
    steps = {"001": (), "002": ("001",), "003": ("001",), "004": ("002",)}
    created(metadata, *(graph_step(step, after=after) for step, after in steps.items()))

    def ended(claim: Claim, also: bool) -> Progress:
        return metadata.finish(claim, success(claim), decide, NOW, Taking("w1", also=also))

    progress = ended(claimed(metadata), True)
    assert progress.claim is not None
    assert progress.also is not None
    assert (progress.claim.step.id, progress.also.step.id) == ("002", "003")
    held = {(each.step, each.attempt) for each in metadata.holds("w1")}
    assert held == {("002", 1), ("003", 1)}
    progress = ended(progress.claim, True)
    assert progress.claim is not None
    assert (progress.claim.step.id, progress.also) == ("004", None)
    created(metadata, *(graph_step(step, after=after) for step, after in steps.items()), number=2)
    progress = ended(claimed(metadata), False)
    assert (progress.claim is None, progress.also) == (False, None)


def test_first_is_taken_where_the_second_cannot_be_looked_for(
    metadata: SqliteMetadata, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What was recorded and claimed stays so, the other is ready, and the log says why."""

    def broken(*_: object) -> Claim | None:
        raise RuntimeError("broken")

    monkeypatch.setattr(claims, "_another", broken)
    steps = {"001": (), "002": ("001",), "003": ("001",)}
    created(metadata, *(graph_step(step, after=after) for step, after in steps.items()))
    first = claimed(metadata)
    progress = metadata.finish(first, success(first), decide, NOW, Taking("w1", also=True))
    assert progress.claim is not None
    assert (progress.claim.step.id, progress.also) == ("002", None)
    assert claimed(metadata, "w2").step.id == "003"
    assert "a second step could not be looked for" in caplog.text


def test_second_of_two_is_given_to_the_slot_that_waits(
    metadata: SqliteMetadata, queue: EmbeddedQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two steps follow on one: each slot gets one, and neither has to look for it."""
    steps = {"001": (), "002": ("001",), "003": ("001",)}
    created(metadata, *(graph_step(step, after=after) for step, after in steps.items()))
    found: list[str] = []
    claim = metadata.claim

    def noted(*arguments: Any, **more: Any) -> Claim | None:
        taken = claim(*arguments, **more)
        found.extend([] if taken is None else [taken.step.id])
        return taken

    monkeypatch.setattr(metadata, "claim", noted)
    both, done = threading.Barrier(2), threading.Semaphore(0)
    ran: dict[str, str] = {}

    def run(claim: Claim, taking: Wanted = none_wanted) -> Announcement | None:
        ran[claim.step.id] = threading.current_thread().name
        if claim.step.id == "001":
            until(lambda: bool(queue._places._waiting))
        else:
            both.wait(30)  # neither ends before the other has begun
        progress = metadata.finish(claim, success(claim), decide, NOW, taking())
        done.release()
        found_too = progress.claim, progress.also
        return Announcement(
            claim.step.run, progress.ready, progress.ended, progress.looked, *found_too
        )

    feed = TakingFeed(queue, metadata, Scaling(2, 2), ())
    feed.start("w1", run)
    for _ in steps:
        assert done.acquire(timeout=30)
    feed.stop()
    assert feed.join(10)
    assert found == ["001"]
    assert ran["002"] != ran["003"]
    assert queue._places._waiting == []


def test_slot_that_is_not_needed_goes_on(metadata: SqliteMetadata, queue: EmbeddedQueue) -> None:
    """Asked to keep free for each step of a chain, it takes what others submit."""
    created(metadata, *(graph_step(f"00{n}", after=[f"00{n - 1}"][: n - 1]) for n in range(1, 6)))
    ran: list[str] = []
    ended = threading.Event()

    def run(claim: Claim, taking: Wanted = none_wanted) -> Announcement | None:
        ran.append(f"{claim.step.run[-1]}/{claim.step.id}")
        if claim.step.id == "003":
            until(lambda: bool(queue._places._waiting))
            other = created(metadata, number=2, now=time.time())
            queue.announce(other.id, [as_ready(metadata.steps(other.id)[0], NOW)])
            until(lambda: "2/001" in ran)
        progress = metadata.finish(claim, success(claim), decide, NOW, taking())
        if claim.step.id == "005":
            ended.set()
        found = progress.claim, progress.also
        return Announcement(claim.step.run, progress.ready, progress.ended, progress.looked, *found)

    feed = TakingFeed(queue, metadata, Scaling(2, 2), ())
    feed.start("w1", run)
    assert ended.wait(30)
    feed.stop()
    assert feed.join(10)
    assert sorted(ran) == ["1/001", "1/002", "1/003", "1/004", "1/005", "2/001"]


def test_many_threads_each_get_their_own(metadata: SqliteMetadata, queue: EmbeddedQueue) -> None:
    """Submitted by several at once, each step is carried out once, given or claimed."""
    got: list[str] = []
    enough = threading.Event()

    def take() -> None:
        while not enough.is_set():
            claim = queue.take("w1", (), 0.2)
            if claim is not None:
                got.append(f"{claim.step.run}/{claim.step.id}")
            if len(got) == 120:
                enough.set()

    def submit(first: int) -> None:
        for number in range(first, first + 20):
            with Handing(metadata, queue, lambda _: True) as handing:
                begun = handing.begun(new_run(number))
                metadata.create_runs([begun], lambda new: handing.give(new.run.id))
                left = [as_ready(each, NOW) for each in begun.steps if each.status == "ready"]
                queue.announce(begun.run.id, left)

    threads = [threading.Thread(target=take) for _ in range(3)]
    threads += [threading.Thread(target=submit, args=(first,)) for first in (1, 21, 41)]
    for each in threads:
        each.start()
    assert enough.wait(60)
    for each in threads:
        each.join(30)
    assert len(set(got)) == len(got) == 120


def test_values_that_are_given_are_as_they_are_read(
    metadata: SqliteMetadata, queue: EmbeddedQueue, pool: ThreadPoolExecutor
) -> None:
    """A tuple is a list, as from the store; and what the caller changes later is not changed."""
    theirs: list[Any] = [1, (2, 3), {"four": (5,)}]
    new = new_run()
    new = attrs.evolve(new, values=[value("text", theirs)])
    found = waiting(queue, pool)
    with Handing(metadata, queue, lambda _: True) as handing:
        begun = handing.begun(new)
        metadata.create_run(begun.run, begun.steps, begun.values)
        theirs.append("changed")
        handing.give(new.run.id)
    claim = found.result(30)
    assert claim is not None
    assert claim.values["text"].document == [1, [2, 3], {"four": [5]}]
    assert claimed(metadata, "w2", time.time()).values == claim.values


def test_step_is_not_lost_with_an_error_of_the_wait(
    metadata: SqliteMetadata,
    queue: EmbeddedQueue,
    pool: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who keeps free and meets an error while it waits takes the step nevertheless."""
    asked, kept = threading.Event(), threading.Event()

    def next_due(*_: object) -> float | None:
        asked.set()
        assert kept.wait(30)
        raise StoreError("unable to open database file")

    monkeypatch.setattr(metadata, "next_due", next_due)
    found = waiting(queue, pool)
    assert asked.wait(30)
    new = new_run()
    with Handing(metadata, queue, lambda _: True) as handing:
        begun = handing.begun(new)
        kept.set()
        metadata.create_run(begun.run, begun.steps, begun.values)
        handing.give(new.run.id)
    claim = found.result(30)
    assert claim is not None
    assert claim.step.id == "002"
    with pytest.raises(StoreError):  # it was given nothing
        pool.submit(queue.take, "w1", ["other"], 30.0).result(30)


def test_second_interrupt_leaves_nobody_waiting(
    metadata: SqliteMetadata,
    queue: EmbeddedQueue,
    pool: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever keeps free is let go, however the submission ends."""

    def interrupted(*_: object, **__: object) -> Claim | None:
        raise KeyboardInterrupt

    found = waiting(queue, pool)
    handing = Handing(metadata, queue, lambda _: True)
    monkeypatch.setattr(metadata, "claim_step", interrupted)

    def submit() -> None:
        with handing:
            handing.begun(new_run())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        submit()
    assert found.result(30) is None


def test_one_is_not_let_go_by_who_has_it_no_more() -> None:
    """To release, or to give, what another one has by now does nothing."""
    asked, first, second = place(), Reservation(), Reservation()
    assert first.takes(asked)
    assert not second.takes(asked)
    second.release()
    first.release()
    assert second.takes(asked)
    first.release()
    first.give(Claim(*[None] * 3))  # type: ignore[arg-type]
    assert not asked.given
    assert not first.takes(asked)
    assert second.worker == "w1"


def test_slot_is_not_kept_while_a_record_fails(
    queue: EmbeddedQueue, pool: ThreadPoolExecutor
) -> None:
    """Tried again, a step is recorded without another slot that keeps free for what follows."""
    found = waiting(queue, pool)
    other = embedded._Other(queue, "w1")
    assert other.keeps_free()
    assert not embedded._Other(queue, "w1").keeps_free()
    assert not other.keeps_free()
    assert embedded._Other(queue, "another").keeps_free() is False
    last = embedded._Other(queue, "w1")
    assert last.keeps_free()
    last.reservation.release()
    queue.wake()
    assert found.result(30) is None
