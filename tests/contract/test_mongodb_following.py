"""A large run in MongoDB is read in part, and goes as one that is read as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import bson
import pytest
from pymongo import monitoring
from samples import NOW, claimed, created, finished, graph_step, status_of, success

from servers import Share
from taskmgr_core.errors import StoreAwayError
from taskmgr_core.orchestrator.engine import RunState, decide
from taskmgr_core.specs import Failure, GraphStep, Outcome, Run
from taskmgr_core.stores.mongodb import MongoMetadata, following

FAILED = Outcome("failed", failure=Failure("task-error", "no"))


@pytest.fixture
def store(mongodb_server: Share) -> Iterator[MongoMetadata]:
    """An empty store."""
    opened = MongoMetadata(mongodb_server.url)
    opened.initialize()
    yield opened
    opened.close()


@pytest.fixture
def all_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run counts as large."""
    monkeypatch.setattr(following, "LARGE", 0)


def lanes(count: int, steps: int) -> list[GraphStep]:
    """Chains beside one another."""
    ids = [f"{number:04}" for number in range(count * steps)]
    return [
        graph_step(each, after=(ids[index - count],) if index >= count else ())
        for index, each in enumerate(ids)
    ]


def done(store: MongoMetadata, run: Run, step: str, outcome: Outcome | None = None) -> list[str]:
    """Claim a step and record its outcome; what became ready."""
    claim = store.claim_step(run.id, step, "w1", NOW)
    assert claim is not None
    return [each.id for each in finished(store, claim, outcome or success(claim)).ready]


def test_step_of_a_large_run_is_sent_what_is_beside_it(mongodb_server: Share) -> None:
    """Once all of it is known, a step is sent less than a fiftieth, and needs no more commands."""
    sent: list[int] = []

    class Listener(monitoring.CommandListener):
        """Notes how large answers are."""

        def started(self, event: Any) -> None:
            """Nothing."""

        def succeeded(self, event: Any) -> None:
            """A command was answered."""
            sent.append(len(bson.encode(dict(event.reply))))

        def failed(self, event: Any) -> None:
            """Nothing."""

    listener = Listener()
    monitoring._LISTENERS.command_listeners.append(listener)
    try:
        store = MongoMetadata(mongodb_server.url)
    finally:
        monitoring._LISTENERS.command_listeners.remove(listener)
    store.initialize()
    run = created(store, *lanes(1, 200))
    sent.clear()
    assert done(store, run, "0000") == ["0001"]
    whole = max(sent)
    for number in (1, 2, 3):
        sent.clear()
        assert done(store, run, f"{number:04}") == [f"{number + 1:04}"]
        assert (len(sent), sum(sent) < whole / 50) == (2, True)
    store.close()


@pytest.mark.usefixtures("all_large")
def test_step_that_waits_for_many_is_ready_after_the_last(store: MongoMetadata) -> None:
    """In whatever order they end: one of them is read each time, and in the end all."""
    ids = [f"{number:04}" for number in range(following.FEW + 4)]
    run = created(store, *map(graph_step, ids), graph_step("join", after=tuple(ids)))
    *earlier, last = [*ids[::2], *ids[:0:-2]]
    assert [done(store, run, step) for step in earlier] == [[] for _ in earlier]
    assert done(store, run, last) == ["join"]
    assert done(store, run, "join") == []
    assert status_of(store, run)["run"] == "succeeded"


@pytest.mark.usefixtures("all_large")
def test_what_was_left_between_two_writes_is_found(
    store: MongoMetadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off after an outcome, what follows on it becomes ready with the next look at the run."""
    run = created(store, *lanes(2, 2))
    first, other = (store.claim_step(run.id, each, "w1", NOW) for each in ("0000", "0001"))
    assert first is not None
    assert other is not None
    with monkeypatch.context() as cut:
        cut.setattr(following.Following, "_carried_out", _away)
        with pytest.raises(StoreAwayError):
            finished(store, first)
    assert status_of(store, run)["0002"] == "pending"
    assert [each.id for each in finished(store, other).ready] == ["0003"]
    store.release_lost({}, 3, decide, NOW + 60)
    assert status_of(store, run)["0002"] == "ready"


def _away(*_: object) -> None:
    raise StoreAwayError("the server is away")


@pytest.mark.usefixtures("all_large")
def test_nothing_begins_after_a_failure_that_was_not_decided_on(
    store: MongoMetadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off after a failure: whoever next ends a step stops the run."""
    run = created(store, *lanes(2, 2))
    first, other = (store.claim_step(run.id, each, "w1", NOW) for each in ("0000", "0001"))
    assert first is not None
    assert other is not None
    with monkeypatch.context() as cut:
        cut.setattr("taskmgr_core.stores.mongodb.runs.Runs.advance", _away)
        with pytest.raises(StoreAwayError):
            finished(store, first, FAILED)
    assert finished(store, other).run_status == "failed"
    assert status_of(store, run) == {
        "0000": "failed", "0001": "succeeded", "0002": "skipped", "0003": "skipped",
        "run": "failed",
    }  # fmt: skip


@pytest.mark.usefixtures("all_large")
def test_whole_run_is_looked_at_now_and_then(
    store: MongoMetadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some steps in any case, so that nothing is left for long that somebody left."""
    monkeypatch.setattr(following, "WHOLE_EVERY", 3)
    run = created(store, *lanes(2, 6))
    asked: list[int] = []

    def counting(state: RunState) -> Sequence[object]:
        asked.append(len(state.steps))
        return decide(state)

    beside = store.claim_step(run.id, "0001", "w2", NOW)
    assert beside is not None
    for number in (0, 2, 4, 6, 8):
        claim = store.claim_step(run.id, f"{number:04}", "w1", NOW)
        assert claim is not None
        store.finish(claim, success(claim), counting, NOW)  # type: ignore[arg-type]
    assert 12 in asked
    assert min(asked) == 3


@pytest.mark.usefixtures("all_large")
def test_bearing_step_gets_ready_as_the_engine_says(store: MongoMetadata) -> None:
    """A step that bears the failure of one of two is ready once both have ended."""
    first = attrs.evolve(graph_step("a"), on_error="default")
    last = attrs.evolve(graph_step("c", after=("a", "b")), bears=("a",))
    run = created(store, first, graph_step("b"), last)
    assert done(store, run, "a", FAILED) == []
    assert done(store, run, "b") == ["c"]
    assert finished(store, claimed(store)).run_status == "succeeded"
