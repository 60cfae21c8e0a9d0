"""Hearing of ready steps: at once, in every process, and nothing is missed."""

import itertools
import queue as messages
import threading
import time
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor

import pytest
from children import Child
from implementations import Place
from samples import claimed, created, finished, graph_step, ready, run_id

from conftest import QueueUser
from taskmgr_core.specs import Claim, Outcome

# What is told at once may take this long on a busy machine; looking again takes 2 s.
AT_ONCE = 1.0
DEADLINE = 30.0

Opened = Callable[[], QueueUser]


def submit(user: QueueUser, number: int, queue: str = "default") -> float:
    """Record a run of one step and announce it; when that was."""
    now = time.time()
    run = created(user.metadata, graph_step(queue=queue), number=number, now=now)
    user.queue.announce(run.id, [ready(run.id, queue=queue)])
    return now


def taken(user: QueueUser, worker: str = "w1", seconds: float = DEADLINE) -> Claim:
    """Take until there is something, as a worker does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        claim = user.queue.take(worker, (), deadline - time.monotonic())
        if claim is not None:
            return claim
    raise AssertionError("nothing was taken")


# taking


@pytest.mark.parametrize("timeout", [0.0, DEADLINE])
def test_ready_step_is_taken_at_once(user: QueueUser, timeout: float) -> None:
    """A step that is ready is claimed without waiting."""
    submit(user, 1)
    started = time.monotonic()
    claim = user.queue.take("w1", (), timeout)
    assert claim is not None
    assert (claim.step.run, claim.step.worker, claim.step.attempt) == (run_id(1), "w1", 1)
    assert time.monotonic() - started < AT_ONCE


@pytest.mark.parametrize("timeout", [0.0, 0.2])
def test_taking_ends_with_its_time(user: QueueUser, timeout: float) -> None:
    """With nothing to do ``take`` waits as long as it was told to, and no longer."""
    started = time.monotonic()
    assert user.queue.take("w1", (), timeout) is None
    assert timeout <= time.monotonic() - started < timeout + AT_ONCE


def test_step_of_another_queue_is_left(user: QueueUser) -> None:
    """A worker takes from the queues that it serves."""
    submit(user, 1, "gpu")
    assert user.queue.take("w1", ["default"], 0.1) is None
    claim = user.queue.take("w1", ["default", "gpu"], 0.1)
    assert claim is not None
    assert claim.step.queue == "gpu"


def test_urgent_step_is_taken_next_under_a_backlog(user: QueueUser) -> None:
    """With 200 others ready before it, a step of a higher priority is the next that is taken."""
    now = time.time()
    for number in range(200):
        created(user.metadata, graph_step(priority=3), number=number + 1, now=now - 9)
    urgent = created(user.metadata, graph_step(priority=9), number=999, now=now)
    assert [taken(user).step.run for _ in range(2)] == [urgent.id, run_id(1)]


def test_step_announced_twice_is_taken_once(user: QueueUser) -> None:
    """A doubled message changes nothing."""
    submit(user, 1)
    user.queue.announce(run_id(1), [ready(run_id(1))])
    assert taken(user).step.run == run_id(1)
    assert user.queue.take("w1", (), 0.1) is None


def test_step_that_has_gone_is_not_taken(user: QueueUser) -> None:
    """A message about a step that somebody else has claimed changes nothing."""
    submit(user, 1)
    claimed(user.metadata, "other", time.time())
    user.queue.announce(run_id(1), [ready(run_id(1))])
    assert user.queue.take("w1", (), 0.1) is None


def test_delayed_step_is_taken_when_it_is_due(user: QueueUser) -> None:
    """A retry is taken at its time: not before, and without anybody announcing it."""
    submit(user, 1)
    due = time.time() + 0.3
    finished(user.metadata, taken(user), Outcome("ready", not_before=due), time.time())
    claim = taken(user)
    assert claim.step.attempt == 2
    assert claim.step.started_at is not None
    assert due <= claim.step.started_at < due + AT_ONCE


# hearing


def test_waiting_thread_hears_at_once(user: QueueUser) -> None:
    """A thread that waits gets each step as soon as another one announces it."""
    got: messages.Queue[float] = messages.Queue()

    def take_all() -> None:
        for _ in range(20):
            taken(user)
            got.put(time.time())

    with ThreadPoolExecutor(1) as pool:
        taker = pool.submit(take_all)
        delays = [-submit(user, number) + got.get(timeout=DEADLINE) for number in range(20)]
        taker.result(DEADLINE)
    assert max(delays) < AT_ONCE


def test_waiting_process_hears_at_once(
    user: QueueUser, queue_place: Place, start_child: Callable[..., Child]
) -> None:
    """A process that waits gets a step as soon as another one announces it."""
    for number in range(3):
        child = start_child("take", queue_place, "w1")
        child.expect("ready")
        announced = submit(user, number)
        run, moment = child.rest()[0].split()
        assert run == run_id(number)
        assert float(moment) - announced < AT_ONCE


def test_announcement_of_another_process_is_heard(
    user: QueueUser, queue_place: Place, start_child: Callable[..., Child]
) -> None:
    """A change that another process announces ends a wait here."""
    child = start_child("announce", queue_place, run_id(1), "001")
    child.expect("ready")
    seen = user.queue.changes()
    child.tell("go")
    assert user.queue.wait(seen, DEADLINE) > seen
    heard = time.time()
    assert heard - float(child.rest()[0]) < AT_ONCE


@pytest.mark.parametrize("steps", [["001"], []])
def test_announcement_is_a_change(user: QueueUser, steps: list[str]) -> None:
    """Every announcement, of steps or of a run that has changed, is counted and ends a wait."""
    seen = user.queue.changes()
    user.queue.announce(run_id(1), [ready(run_id(1), each) for each in steps])
    assert user.queue.wait(seen, DEADLINE) > seen
    assert user.queue.changes() > seen


def test_change_that_was_heard_already_ends_no_wait(user: QueueUser) -> None:
    """Without a further change a wait lasts as long as it was told to."""
    user.queue.announce(run_id(1), [])
    seen = user.queue.changes()
    started = time.monotonic()
    assert user.queue.wait(seen, 0.2) >= seen
    assert 0.2 <= time.monotonic() - started < 0.2 + AT_ONCE


def test_change_before_the_wait_is_not_missed(user: QueueUser) -> None:
    """What changed between looking and waiting ends the wait at once."""
    for _ in range(50):
        seen = user.queue.changes()
        user.queue.announce(run_id(1), [])
        started = time.monotonic()
        assert user.queue.wait(seen, DEADLINE) > seen
        assert time.monotonic() - started < AT_ONCE


def test_no_announcement_is_lost_in_a_storm(open_queue: Opened) -> None:
    """Three producers, four takers, two queue users: every step comes at once, to one of them."""
    users = [open_queue() for _ in range(2)]
    count = 90
    numbers = itertools.count()
    announced: dict[str, float] = {}
    arrived: dict[str, float] = {}
    stop = threading.Event()

    def produce(user: QueueUser) -> None:
        for number in list(itertools.islice(numbers, count // 3)):
            announced[run_id(number)] = submit(user, number)

    def take(worker: int) -> None:
        while not stop.is_set():
            claim = users[worker % 2].queue.take(f"w{worker}", (), DEADLINE)
            if claim is not None:
                assert claim.step.run not in arrived
                arrived[claim.step.run] = time.time()
                if len(arrived) == count:
                    stop.set()

    with ThreadPoolExecutor(7) as pool:
        takers = [pool.submit(take, number) for number in range(4)]
        producers = [pool.submit(produce, users[number % 2]) for number in range(3)]
        for producer in producers:
            producer.result(DEADLINE)
        assert stop.wait(DEADLINE)
        for user in users:
            user.queue.wake()
        for taker in takers:
            taker.result(DEADLINE)
    assert announced.keys() == arrived.keys()
    assert max(arrived[each] - announced[each] for each in announced) < AT_ONCE


# stopping


@pytest.mark.parametrize("waiting", ["take", "wait"])
def test_waking_ends_every_wait(user: QueueUser, waiting: str) -> None:
    """Threads that wait for a long time return as soon as they are woken, with nothing."""

    def wait() -> Claim | None:
        if waiting == "take":
            return user.queue.take("w1", (), DEADLINE)
        user.queue.wait(user.queue.changes(), DEADLINE)
        return None

    started = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        threads = [pool.submit(wait) for _ in range(3)]
        while not all(each.done() for each in threads):
            user.queue.wake()
            futures.wait(threads, timeout=0.01)
        assert [each.result() for each in threads] == [None] * 3
    assert time.monotonic() - started < 2 * AT_ONCE


def test_closing_leaves_the_others(open_queue: Opened) -> None:
    """A user that stops listening takes no one else's hearing, and may close twice."""
    leaving, staying = open_queue(), open_queue()
    for each in (leaving, staying):
        each.queue.changes()
    for _ in range(2):
        leaving.queue.close()
    seen = staying.queue.changes()
    submit(leaving, 1)
    assert staying.queue.wait(seen, DEADLINE) > seen
    assert taken(staying).step.run == run_id(1)
