"""What only the embedded queue can get wrong: looking again, and what it leaves in its folder."""

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import pytest
from samples import NOW, created, graph_step, success

from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.queue import embedded
from taskmgr_core.queue.base import Announcement, Wanted, none_wanted, run_nothing
from taskmgr_core.queue.bell import Bell
from taskmgr_core.queue.embedded import EmbeddedQueue, TakingFeed
from taskmgr_core.queue.scaling import Scaling
from taskmgr_core.specs import Claim, Outcome, ReadyStep, as_ready
from taskmgr_core.stores.sqlite import SqliteMetadata


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


def test_step_that_nobody_announced_is_found(
    metadata: SqliteMetadata, queue: EmbeddedQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost message changes nothing: a worker that waits looks again by itself."""
    monkeypatch.setattr(embedded, "LOOK_AGAIN_SECONDS", 0.05)
    waiting = threading.Event()
    next_due = metadata.next_due

    def told(*arguments: object) -> float | None:
        waiting.set()  # it has looked for work and found none
        return next_due(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(metadata, "next_due", told)

    def submit_silently() -> None:
        waiting.wait(30)
        created(metadata, now=NOW)

    thread = threading.Thread(target=submit_silently)
    thread.start()
    claims = (queue.take("w1", (), 30.0) for _ in range(500))
    claim = next((each for each in claims if each is not None), None)
    thread.join()
    assert claim is not None


def test_nobody_looks_for_what_was_seen_not_to_be_there(
    metadata: SqliteMetadata, queue: EmbeddedQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who takes the only step spares the next his look; what is rung for then, he finds."""
    looks: list[str] = []
    claim = metadata.claim

    def counted(worker: str, *arguments: object) -> Claim | None:
        looks.append(worker)
        return claim(worker, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(metadata, "claim", counted)
    created(metadata, graph_step("001"), graph_step("002"))
    for wanted in ("001", "002"):
        taken = queue.take("w1", (), 1.0)
        assert taken is not None
        assert taken.step.id == wanted
    assert queue.take("w1", (), 0.01) is None
    assert looks == ["w1"] * 2
    run = created(metadata, number=2)
    queue.announce(run.id, [])  # watchers alone are told
    assert queue.take("w1", (), 0) is not None
    assert queue.take("w2", (), 0) is None  # another may want what the first did not
    assert looks == ["w1"] * 3 + ["w2"]


def test_step_that_became_due_meanwhile_is_taken_at_once(
    metadata: SqliteMetadata, queue: EmbeddedQueue
) -> None:
    """What is delayed is taken when it is due, also where nobody looked for it before."""
    created(metadata, graph_step("001"), now=time.time())
    first = queue.take("w1", (), 1.0)
    assert first is not None
    again = Outcome("ready", not_before=time.time() + embedded.CLOSELY_SECONDS / 2)
    metadata.finish(first, again, decide, time.time())
    began = time.monotonic()
    taken = next(each for _ in range(9) if (each := queue.take("w1", (), 5.0)) is not None)
    assert taken.step.id == "001"
    assert time.monotonic() - began < embedded.LOOK_AGAIN_SECONDS / 2


def test_closed_queue_leaves_no_pipe_and_no_thread(queue: EmbeddedQueue, tmp_path: Path) -> None:
    """A process that has closed its queue leaves nothing behind."""
    queue.changes()
    assert len(list((tmp_path / "bells").iterdir())) == 1
    before = threading.active_count()
    queue.close()
    assert list((tmp_path / "bells").iterdir()) == []
    assert threading.active_count() == before - 1


def test_feed_that_is_tended_early_opens_no_slot_twice(
    metadata: SqliteMetadata, queue: EmbeddedQueue
) -> None:
    """Whoever tends it before, or while, it is started opens no slot of his own."""
    feed, others = TakingFeed(queue, metadata, Scaling(1, 3), ()), slots_open()
    feed.tend()
    assert slots_open() == others
    ready = threading.Barrier(5)

    def begin() -> None:
        ready.wait(10)
        feed.start("w1", run_nothing)

    def tend() -> None:
        ready.wait(10)
        for _ in range(50):
            feed.tend()

    threads = [threading.Thread(target=each) for each in (begin, tend, tend, tend, tend)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert slots_open() == others + 1
    feed.stop()
    assert feed.join(10)


@pytest.mark.parametrize("together", [True, False], ids=["together", "apart"])
def test_chain_is_carried_on_by_the_thread_that_ran_its_step(
    metadata: SqliteMetadata,
    queue: EmbeddedQueue,
    monkeypatch: pytest.MonkeyPatch,
    together: bool,
) -> None:
    """The one step that follows wakes nobody; of two that follow the second is told to others."""
    monkeypatch.setattr(embedded, "TELL_SECONDS", 60.0)
    after = {"001": (), "002": ("001",), "003": ("002",), "004": ("003",), "005": ("003",)}
    created(metadata, *(graph_step(step, after=earlier) for step, earlier in after.items()))
    told: list[tuple[list[str], bool]] = []

    def announce(_: str, steps: Sequence[ReadyStep], *, watched: bool = True) -> None:
        told.append(([each.id for each in steps], watched))

    monkeypatch.setattr(queue, "announce", announce)
    ran: list[str] = []
    ended = threading.Event()

    def run(claim: Claim, taking: Wanted = none_wanted) -> Announcement | None:
        ran.append(claim.step.id)
        progress = metadata.finish(
            claim, success(claim), decide, NOW, taking() if together else None
        )
        if progress.ended:
            ended.set()
        if not (progress.ready or progress.ended or progress.claim):
            return None
        return Announcement(
            claim.step.run, progress.ready, progress.ended, progress.looked, progress.claim
        )

    feed = TakingFeed(queue, metadata, Scaling(1, 1), ())
    feed.start("w1", run)
    assert ended.wait(30)
    feed.stop()
    assert feed.join(10)
    assert ran == list(after)
    # The first is told at once, to those who watch; then what is left, to takers alone; the end.
    assert told == [([], True), (["005"], False), ([], True)]


def test_backlog_is_not_told_again(claims: tuple[Claim, ReadyStep, ReadyStep]) -> None:
    """Whoever waits could not run what was ready before; what is of another kind is told."""
    older, alike, other = claims
    assert embedded._untold(older, [alike]) == []
    assert embedded._untold(older, [alike, other]) == [other]
    own = as_ready(older.step, NOW)
    assert embedded._untold(older, [own, alike]) == [alike]


@pytest.fixture
def claims(metadata: SqliteMetadata) -> tuple[Claim, ReadyStep, ReadyStep]:
    """A claim, a ready step of its kind, and one of another queue."""
    steps = (graph_step("001"), graph_step("002"), graph_step("003", queue="slow"))
    created(metadata, *steps)
    claim = metadata.claim("w1", (), NOW)
    assert claim is not None
    alike, other = (
        as_ready(attrs.evolve(claim.step, id=each.id, queue=each.queue), NOW) for each in steps[1:]
    )
    return claim, alike, other


def slots_open() -> int:
    """How many threads of feeds there are; other tests of this process may have some."""
    return sum(each.name.startswith("slot-") for each in threading.enumerate())
