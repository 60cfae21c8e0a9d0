"""What many threads ask for, done together."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from taskmgr_core.combining import MOST_TAKEN_IN, MOST_TOGETHER, Combiner, Request
from waiting import wait_until


class Groups:
    """Carries out groups, and keeps how they came; the first one waits until it is let go."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.entered, self.go = threading.Event(), threading.Event()
        self.combiner: Combiner[Callable[[], object]] = Combiner(self._carry_out)

    def _carry_out(self, group: Sequence[Request[Callable[[], object]]]) -> None:
        self.seen.append(len(group))
        self.entered.set()
        self.go.wait(10)
        for each in group:
            try:
                each.succeed(each.payload())
            except Exception as error:  # noqa: BLE001 - it is that of the one who asked
                each.fail(error)

    def waiting(self, count: int) -> None:
        """Wait until so many have been put down."""
        deadline = time.monotonic() + 10
        while len(self.combiner._waiting) < count:
            assert time.monotonic() < deadline
            time.sleep(0.001)


def test_those_that_wait_are_done_together_and_each_gets_its_own() -> None:
    """While one group is carried out the others gather into the next, and none is lost."""
    groups = Groups()
    with ThreadPoolExecutor(21) as pool:
        first = pool.submit(groups.combiner.run, lambda: -1)
        groups.entered.wait(10)
        others = [
            pool.submit(groups.combiner.run, functools.partial(int, number)) for number in range(20)
        ]
        groups.waiting(20)
        groups.go.set()
        assert first.result(10) == -1
        assert [each.result(10) for each in others] == list(range(20))
    assert groups.seen == [1, 20]


def test_failure_is_raised_where_it_was_asked_for() -> None:
    """What one action raises reaches its own thread alone."""
    groups = Groups()
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(groups.combiner.run, lambda: None)
        groups.entered.wait(10)
        wrong = pool.submit(groups.combiner.run, lambda: 1 // 0)
        right = pool.submit(groups.combiner.run, lambda: "right")
        groups.waiting(2)
        groups.go.set()
        first.result(10)
        with pytest.raises(ZeroDivisionError):
            wrong.result(10)
        assert right.result(10) == "right"


def test_interrupted_leader_leaves_the_others_to_one_of_them() -> None:
    """What a thread that is interrupted has begun for others, another one does."""
    groups = Groups()
    interrupted = threading.Event()

    def interrupt() -> None:
        if not interrupted.is_set():
            interrupted.set()
            raise KeyboardInterrupt

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(groups.combiner.run, lambda: None)
        groups.entered.wait(10)
        leader = pool.submit(groups.combiner.run, interrupt)
        groups.waiting(1)
        other = pool.submit(groups.combiner.run, lambda: "done")
        groups.waiting(2)
        groups.go.set()
        first.result(10)
        with pytest.raises(KeyboardInterrupt):
            leader.result(10)
        assert other.result(10) == "done"
        assert pool.submit(groups.combiner.run, lambda: "next").result(10) == "next"


class TakingIn(Groups):
    """Takes in those who come while the first of a group is done, and keeps what it took in."""

    def __init__(self) -> None:
        super().__init__()
        self.taken_in: list[int] = []

    def _carry_out(self, group: Sequence[Request[Callable[[], object]]]) -> None:
        self.entered.set()
        self.go.wait(10)
        self.taken_in.append(len(self.combiner.take_in()))
        self.seen.append(len(group))
        for each in group:
            each.succeed(each.payload())


def test_those_that_come_meanwhile_can_be_taken_in() -> None:
    """They are done with the group that is just carried out, as many as may be added to it."""
    groups = TakingIn()
    count = MOST_TAKEN_IN + MOST_TOGETHER + 4
    with ThreadPoolExecutor(count + 1) as pool:
        first = pool.submit(groups.combiner.run, lambda: -1)
        groups.entered.wait(10)
        others = [
            pool.submit(groups.combiner.run, functools.partial(int, number))
            for number in range(count)
        ]
        groups.waiting(count)
        groups.go.set()
        assert first.result(10) == -1
        assert [each.result(10) for each in others] == list(range(count))
    assert groups.taken_in == [MOST_TAKEN_IN, 0, 0]
    assert groups.seen == [1 + MOST_TAKEN_IN, MOST_TOGETHER, 4]


def test_taken_in_by_an_interrupted_leader_is_left_to_others() -> None:
    """Nobody waits for a leader that took them in and was interrupted before their turn."""
    groups = TakingIn()

    def interrupt() -> None:
        raise KeyboardInterrupt

    with ThreadPoolExecutor(3) as pool:
        leader = pool.submit(groups.combiner.run, interrupt)
        groups.entered.wait(10)
        others = [pool.submit(groups.combiner.run, lambda: "done") for _ in range(2)]
        groups.waiting(2)
        groups.go.set()
        with pytest.raises(KeyboardInterrupt):
            leader.result(10)
        assert [each.result(10) for each in others] == ["done", "done"]
    assert groups.taken_in[0] == 2


@pytest.mark.parametrize("taking", [Groups, TakingIn])
def test_many_threads_for_long_lose_nothing(taking: Callable[[], Groups]) -> None:
    """Whatever meets whatever, each operation is done once and everybody gets an answer."""
    groups = taking()
    groups.go.set()
    done: list[int] = []

    def work(thread: int) -> None:
        for number in range(200):
            wanted = thread * 1000 + number
            groups.combiner.run(functools.partial(done.append, wanted))

    with ThreadPoolExecutor(8) as pool:
        for each in [pool.submit(work, thread) for thread in range(8)]:
            each.result(60)
    assert sorted(done) == [thread * 1000 + number for thread in range(8) for number in range(200)]
    assert sum(groups.seen) == len(done)


def test_rest_is_done_once_for_a_group_while_the_next_one_begins() -> None:
    """Nobody goes on before the rest of their group is done, and nobody else waits for it."""
    begun, go = threading.Event(), threading.Event()
    completed: list[list[str]] = []

    def carry_out(group: Sequence[Request[str]]) -> None:
        for each in group:
            each.succeed(each.payload)

    def complete(group: Sequence[Request[str]]) -> None:
        completed.append([each.payload for each in group])
        if "slow" in completed[-1]:
            begun.set()
            go.wait(10)

    combiner = Combiner(carry_out, lambda _: True, complete)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(combiner.run, "slow")
        assert begun.wait(10)
        assert combiner.run("quick") == "quick"
        assert not slow.done()
        go.set()
        assert slow.result(10) == "slow"
    assert completed == [["slow"], ["quick"]]


def test_who_has_nothing_left_to_be_done_waits_for_nobody() -> None:
    """A leader without a rest neither does that of others nor waits for it: each does its own."""
    entered, go = threading.Event(), threading.Event()
    completed: list[list[str]] = []

    def carry_out(group: Sequence[Request[str]]) -> None:
        entered.set()
        go.wait(10)
        combiner.take_in()
        for each in group:
            each.succeed(each.payload)

    combiner: Combiner[str] = Combiner(
        carry_out,
        lambda each: each.payload != "quick",
        lambda group: completed.append([each.payload for each in group]),
    )
    with ThreadPoolExecutor(3) as pool:
        quick = pool.submit(combiner.run, "quick")
        entered.wait(10)
        slow = [pool.submit(combiner.run, "slow") for _ in range(2)]
        wait_until(lambda: len(combiner._waiting) == 2, "both wait")
        go.set()
        assert quick.result(10) == "quick"
        assert [each.result(10) for each in slow] == ["slow", "slow"]
    assert completed == []
