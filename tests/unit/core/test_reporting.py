"""What a worker reports: those that are lost, steps and runs that are slow, each once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from taskmgr_core.hooks import Hooks
from taskmgr_core.notification_rules import SlowRule
from taskmgr_core.slow_runs import SlowRuns
from taskmgr_core.specs import Claim, Graph, GraphStep, Run, Step, Worker
from taskmgr_core.stores.sqlite import SqliteMetadata
from taskmgr_core.telling import Teller
from taskmgr_core.worker.reporting import Reporter
from taskmgr_plugins import hookimpl
from taskmgr_plugins.events import Notification


@attrs.define
class Keeper:
    """A hook plugin that keeps what it is told."""

    kept: list[Notification] = attrs.field(factory=list)

    @hookimpl
    def taskmgr_notify(self, notification: Notification) -> None:
        """Keep it."""
        self.kept.append(notification)


@attrs.define
class Told:
    """A reporter, and what it has reported; reading that ends it."""

    reporter: Reporter
    keeper: Keeper

    def end(self) -> list[Notification]:
        """All that was told."""
        self.reporter.teller.hooks.close()
        return self.keeper.kept


@pytest.fixture
def report(tmp_path: Path) -> Iterator[Callable[..., Told]]:
    """Gives a reporter of a worker."""
    made = []

    def make(worker: str, rules: Sequence[SlowRule] = (), **more: Any) -> Told:
        keeper = Keeper()
        hooks = Hooks(own={"keeper": lambda: keeper}, group=None)
        metadata = SqliteMetadata(tmp_path / "metadata.sqlite3")
        metadata.initialize()
        teller = Teller(hooks, metadata, slow_runs=SlowRuns(metadata, rules))
        made.append(hooks)
        return Told(Reporter(teller, worker, **{"slow_step": 0.0, "timeouts": {}, **more}), keeper)

    yield make
    for each in made:
        each.close()


def beating(name: str, beat: float, **more: Any) -> Worker:
    """A worker with its last beat."""
    return Worker(name, "host", 7, 2, (), 0.0, beat, **more)


def lost(told: Told, looks: list[dict[str, float]], silent: set[str], **more: Any) -> list[str]:
    """Who is told to be lost after some looks at the beats, the last of them silent."""
    for number, look in enumerate(looks):
        workers = [beating(name, beat, **more) for name, beat in look.items()]
        told.reporter.lost(silent if number == len(looks) - 1 else set(), workers)
    return [each.worker for each in told.end()]


BEATS = [{"a": 1.0, "b": 1.0, "c": 1.0}, {"a": 2.0, "b": 2.0, "c": 2.0}]


@pytest.mark.parametrize(("worker", "expected"), [("a", ["c"]), ("b", []), ("c", [])])
def test_worker_with_the_lowest_id_tells(
    report: Callable[..., Told], worker: str, expected: list[str]
) -> None:
    """Of several that notice one tells."""
    assert lost(report(worker), [*BEATS, {"a": 3.0, "b": 3.0, "c": 2.0}], {"c"}) == expected


def test_next_worker_tells_of_the_lowest(report: Callable[..., Told]) -> None:
    """Where the lowest is itself the lost one, the next does."""
    assert lost(report("b"), [*BEATS, {"a": 2.0, "b": 3.0, "c": 3.0}], {"a"}) == ["a"]


def test_worker_that_was_never_seen_to_beat_is_no_news(report: Callable[..., Told]) -> None:
    """What was left behind long before this worker came is told of by nobody."""
    looks = [{"a": 1.0, "old": 0.5}, {"a": 2.0, "old": 0.5}, {"a": 3.0, "old": 0.5}]
    assert lost(report("a"), looks, {"old"}) == []


def test_program_that_serves_itself_alone_is_no_news(report: Callable[..., Told]) -> None:
    """Somebody who ends his own `taskmgr run` has lost no worker."""
    assert lost(report("a"), [*BEATS, {"a": 3.0, "c": 2.0}], {"c"}, private=True) == []


def test_lost_worker_is_told_of_once_until_it_beats_again(report: Callable[..., Told]) -> None:
    """However often it is looked at; one that came back may be lost again."""
    told = report("a")
    beats = [(1, 1), (2, 2), (3, 2), (4, 2), (5, 3), (6, 3)]
    for number, (mine, theirs) in enumerate(beats):
        silent = {"c"} if number in (2, 3, 5) else set()
        workers = [beating("a", mine), beating("c", theirs, running=("r/001",))]
        told.reporter.lost(silent, workers)
    notes = told.end()
    assert [each.worker for each in notes] == ["c", "c"]
    assert "worker c on host is lost" in notes[0].message
    assert "it held r/001" in notes[0].message


def claim(task: str = "see", timeout: float = 10.0) -> Claim:
    """An attempt at a step."""
    graph_step = GraphStep("001", task, "1.0.0", "default", 5, timeout, 100, 0, {}, (), ())
    return Claim(Step("run", "001", task, "1.0.0", "default", 5, "running", 1), graph_step, {})


def slow(told: Told, *seconds: float, task: str = "see") -> list[str]:
    """What is told of an attempt that is looked at after these seconds."""
    for each in seconds:
        told.reporter.running({("run", "001", 1): (claim(task), each)})
    return [each.kind for each in told.end()]


def test_slow_step_is_told_of_once(report: Callable[..., Told]) -> None:
    """When its part of the timeout is over, not before, and not again."""
    assert slow(report("a", slow_step=0.5), 1, 4.9) == []
    assert slow(report("a", slow_step=0.5), 1, 5, 6, 9) == ["step-slow"]


def test_next_attempt_may_be_slow_too(report: Callable[..., Told]) -> None:
    """What has ended is forgotten."""
    told = report("a", slow_step=0.5)
    for attempt in (1, 2):
        told.reporter.running({("run", "001", attempt): (claim(), 7.0)})
    assert len(told.end()) == 2


def test_workers_own_timeout_counts(report: Callable[..., Told]) -> None:
    """Where the worker has a word of its own on the timeout of a task."""
    assert slow(report("a", slow_step=0.5, timeouts={"see": 100.0}), 6, 49) == []
    assert slow(report("a", slow_step=0.5, timeouts={"see": 2.0}), 1) == ["step-slow"]


def test_slow_run_is_told_of_while_it_runs(report: Callable[..., Told]) -> None:
    """With each look at what goes on, if there is a rule for it; once."""
    rule = SlowRule("long", seconds=60.0)
    told = report("a", rules=[rule])
    graph = Graph("see", {}, (), {}, (), {})
    run = Run("0197-a-run", "see", "task", graph, "running", time.time() - 61)
    told.reporter.teller.metadata.create_run(run, [], [])
    for _ in range(2):
        told.reporter.running({})
    assert [(each.kind, each.run, each.task) for each in told.end()] == [
        ("run-slow", run.id, "see")
    ]


def test_no_step_is_slow_where_the_setting_says_so(report: Callable[..., Told]) -> None:
    """0 is for never."""
    assert slow(report("a", slow_step=0.0), 1, 9, 1000) == []
