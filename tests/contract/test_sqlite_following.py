"""What follows on a success is found beside it, and is what a look at the whole run gives."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import NOW, claimed, created, graph_step, run_id, status_of, success

from taskmgr_core.orchestrator.engine import RunState, decide
from taskmgr_core.specs import Failure, GraphStep, Outcome
from taskmgr_core.stores.progress import Progress
from taskmgr_core.stores.sqlite import SqliteMetadata

FAILED = Outcome("failed", failure=Failure("task-error", "no"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SqliteMetadata, Path]]:
    """A store, and its file."""
    path = tmp_path_factory.mktemp("following") / "metadata.sqlite3"
    store = SqliteMetadata(path)
    store.initialize()
    yield store, path
    store.close()


@st.composite
def graphs(draw: st.DrawFn) -> list[GraphStep]:
    """Steps that wait for earlier ones, some of which may fail without failing the run."""
    steps: list[GraphStep] = []
    for number in range(draw(st.integers(1, 8))):
        ids = [each.id for each in steps]
        after = draw(st.lists(st.sampled_from(ids), unique=True, max_size=4)) if ids else []
        bears = tuple(each for each in after if draw(st.booleans()))
        on_error = draw(st.sampled_from(["fail", "continue", "default"]))
        handles = not after and draw(st.integers(0, 9)) == 0
        step = graph_step(f"{number:03}", after=tuple(after))
        steps.append(
            attrs.evolve(step, bears=bears, on_error=on_error, handles_failure=bool(handles))
        )
    return steps


_NUMBERS = iter(range(10_000, 10_000_000, 2))


@given(steps=graphs(), data=st.data())
def test_what_follows_is_what_the_whole_run_says(
    pair: tuple[SqliteMetadata, Path], steps: list[GraphStep], data: st.DataObject
) -> None:
    """Two equal runs, one without the way back to a step's takers, go the same way to the end."""
    store, path = pair
    runs = [created(store, *steps, number=number) for number in (next(_NUMBERS), next(_NUMBERS))]
    _forget_takers(path, runs[1].id)
    outcomes = data.draw(st.lists(st.sampled_from("ssssf"), min_size=9, max_size=9))
    for letter in outcomes:
        ready = [each for each, status in status_of(store, runs[0]).items() if status == "ready"]
        if not ready:
            break
        chosen = data.draw(st.sampled_from(sorted(ready)))
        told = [_carried_out(store, run.id, chosen, failing=letter == "f") for run in runs]
        assert _comparable(told[0]) == _comparable(told[1])
        assert status_of(store, runs[0]) == status_of(store, runs[1])
    for run in runs:
        store.request_cancel(run.id, decide, NOW)


def test_thousand_steps_are_not_read_for_each(pair: tuple[SqliteMetadata, Path]) -> None:
    """In the middle of a chain the engine is asked about a few steps, not about the run."""
    store, _ = pair
    chain = [graph_step(f"{n:04}", after=(f"{n - 1:04}",) if n else ()) for n in range(1000)]
    run = created(store, *chain, number=1)
    asked: list[int] = []

    def counting(state: RunState) -> Sequence[object]:
        asked.append(len(state.steps))
        return decide(state)

    for _ in range(3):
        claim = claimed(store)
        store.finish(claim, success(claim), counting, NOW)  # type: ignore[arg-type]
    assert claimed(store).step.id == "0003"
    assert len(asked) == 3
    assert max(asked) < 5
    store.request_cancel(run.id, decide, NOW)


def test_step_that_waits_for_many_is_not_read_until_the_last(
    pair: tuple[SqliteMetadata, Path],
) -> None:
    """Where a hundred steps meet, the engine is asked once, when all have ended."""
    store, _ = pair
    ids = [f"{n:03}" for n in range(100)]
    run = created(store, *map(graph_step, ids), graph_step("join", after=tuple(ids)), number=2)
    asked: list[int] = []

    def counting(state: RunState) -> Sequence[object]:
        asked.append(len(state.steps))
        return decide(state)

    for _ in ids:
        claim = claimed(store)
        store.finish(claim, success(claim), counting, NOW)  # type: ignore[arg-type]
    assert status_of(store, run)["join"] == "ready"
    assert len(asked) == 1
    store.request_cancel(run.id, decide, NOW)


def _forget_takers(path: Path, run: str) -> None:
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("UPDATE steps SET takers = '' WHERE run = ?", (run,))
    other.close()


def _carried_out(store: SqliteMetadata, run: str, step: str, *, failing: bool) -> Progress:
    claim = store.claim_step(run, step, "w1", NOW)
    assert claim is not None
    return store.finish(claim, FAILED if failing else success(claim), decide, NOW)


def _comparable(progress: Progress) -> tuple[object, ...]:
    ready = [attrs.evolve(each, run=run_id(1)) for each in progress.ready]
    return sorted(each.id for each in ready), progress.run_status, progress.ended
