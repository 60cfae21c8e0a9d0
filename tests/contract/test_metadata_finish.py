"""Recording outcomes: fenced, together with what follows, once, and for good."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import pytest
from children import Child
from implementations import SERVERS, Place
from samples import (
    NOW,
    beaten,
    claimed,
    created,
    finished,
    graph_step,
    silent,
    status_of,
    success,
    value,
)

from taskmgr_core.errors import TaskmgrError
from taskmgr_core.orchestrator.engine import Command, RunState, decide
from taskmgr_core.specs import Edge, Failure, Outcome, ReadyStep
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.stores.progress import Progress, Taking

BOOM = Failure("task-error", "boom", "Traceback ...", {"exit": "1"})

# success


def test_success_is_recorded_with_values_and_edges(metadata: MetadataStore) -> None:
    """One operation records the step's end, its values, their edges and the run's end."""
    run = created(metadata, values=[value("text", "a")])
    claim = claimed(metadata, now=NOW + 1)
    progress = finished(metadata, claim, success(claim, {"said": [1]}), NOW + 3)
    assert progress == Progress(recorded=True, run_status="succeeded", ended=True)
    (step,) = metadata.steps(run.id)
    expected = attrs.evolve(
        claim.step, status="succeeded", finished_at=NOW + 3, seconds={"compute": 0.5}
    )
    assert step == expected
    ended = metadata.run(run.id)
    assert (ended.status, ended.finished_at, ended.failure) == ("succeeded", NOW + 3, None)
    assert {each.port: each for each in metadata.values(run.id)} == {
        "text": value("text", "a"),
        "input_001_text_0": attrs.evolve(
            value("input_001_text_0", "a"), source="text", document=None
        ),
        "output_001_said": value("output_001_said", {"said": [1]}, "001"),
    }
    assert set(metadata.edges(run.id)) == {
        Edge("text", "input_001_text_0"),
        Edge("input_001_text_0", "output_001_said"),
    }


def test_success_makes_dependents_ready(metadata: MetadataStore) -> None:
    """A step is ready as soon as all that it takes from has succeeded, and not before."""
    run = created(
        metadata,
        graph_step("001"),
        graph_step("002"),
        graph_step("003", ["001", "002"]),
        graph_step("004", ["001"]),
    )
    first, second = claimed(metadata), claimed(metadata)
    (fourth,) = finished(metadata, first, now=NOW + 2).ready
    assert fourth == ReadyStep(run.id, "004", "echo", "default", 5, NOW + 2)
    assert status_of(metadata, run)["003"] == "pending"
    assert [each.id for each in finished(metadata, second, now=NOW + 3).ready] == ["003"]
    ready_at = {each.id: each.ready_at for each in metadata.steps(run.id)}
    assert (ready_at["003"], ready_at["004"]) == (NOW + 3, NOW + 2)


def test_outcome_is_seen_by_others(open_metadata: Callable[[], MetadataStore]) -> None:
    """Another process sees the step's end, its values and the ready dependents at once."""
    one, other = open_metadata(), open_metadata()
    run = created(one, graph_step("001"), graph_step("002", ["001"]))
    finished(one, claimed(one))
    assert status_of(other, run) == {"001": "succeeded", "002": "ready", "run": "running"}
    assert [each.port for each in other.values(run.id)] == ["output_001_said"]
    assert claimed(other).step.id == "002"


# fencing


def test_outcome_is_recorded_once(metadata: MetadataStore) -> None:
    """The same outcome again, or another one of the same attempt, changes nothing."""
    run = created(metadata, graph_step("001"), graph_step("002", ["001"]))
    claim = claimed(metadata)
    assert finished(metadata, claim, success(claim, "first")).recorded
    before = (metadata.run(run.id), metadata.steps(run.id), metadata.values(run.id))
    for late in (success(claim, "second"), Outcome("failed", failure=BOOM), Outcome("ready")):
        assert finished(metadata, claim, late, NOW + 9) == Progress(recorded=False)
    assert (metadata.run(run.id), metadata.steps(run.id), metadata.values(run.id)) == before


def test_late_writer_is_ignored(metadata: MetadataStore) -> None:
    """A worker whose step was given to another one records nothing, before and after its end."""
    run = created(metadata, values=[value("text", "a")])
    late = claimed(metadata, "w1")
    metadata.release_lost(silent(metadata, NOW), 5, decide, NOW)
    beaten(metadata, "w2")
    assert not finished(metadata, late, success(late, "while ready")).recorded
    winner = claimed(metadata, "w2")
    assert not finished(metadata, late, success(late, "while running")).recorded
    assert finished(metadata, winner, success(winner, "the one")).recorded
    assert not finished(metadata, late, success(late, "after")).recorded
    recorded = {each.port: each.document for each in metadata.values(run.id)}
    assert recorded["output_001_said"] == "the one"


def test_outcome_is_recorded_once_by_threads(open_metadata: Callable[[], MetadataStore]) -> None:
    """Of threads that record the same attempt at once, one does."""
    stores = [open_metadata() for _ in range(2)]
    run = created(stores[0])
    claim = claimed(stores[0])
    begin = threading.Barrier(6)

    def record(number: int) -> bool:
        begin.wait()
        return finished(stores[number % 2], claim, success(claim, number)).recorded

    with ThreadPoolExecutor(6) as pool:
        recorded = list(pool.map(record, range(6)))
    assert sum(recorded) == 1
    (kept,) = stores[0].values(run.id)
    assert kept.document == recorded.index(True)


def test_end_of_a_run_is_told_to_one_of_those_who_bring_it_about(
    open_metadata: Callable[[], MetadataStore],
) -> None:
    """Of parallel steps that are recorded at once, one ends the run, and only it hears so."""
    stores = [open_metadata() for _ in range(2)]
    run = created(stores[0], *(graph_step(f"00{number}") for number in range(4)))
    claims = [claimed(stores[0]) for _ in range(4)]
    begin = threading.Barrier(4)

    def record(number: int) -> Progress:
        begin.wait()
        return finished(stores[number % 2], claims[number], success(claims[number], number))

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(record, range(4)))
    assert [each.recorded for each in told] == [True] * 4
    assert sum(each.ended for each in told) == 1
    assert stores[0].reconcile(run.id, decide, NOW + 9).ended is False


# retries and failures


def test_next_step_is_taken_with_an_outcome_or_left_alone(metadata: MetadataStore) -> None:
    """Who looked has what a claim would have given, or knows there is nothing; else it waits."""
    run = created(metadata, graph_step("001"), graph_step("002", ["001"], queue="gpu"))
    wanted = Taking("w1", ["gpu"], [run.id], ["echo"])
    progress = metadata.finish(claim := claimed(metadata), success(claim), decide, NOW, wanted)
    assert [each.id for each in progress.ready] == ["002"]
    taken = progress.claim or metadata.claim("w1", ["gpu"], NOW)
    assert progress.looked == (progress.claim is not None)
    assert taken is not None
    assert (taken.step.id, taken.step.attempt, taken.step.worker) == ("002", 1, "w1")
    last = metadata.finish(taken, success(taken), decide, NOW, wanted)
    assert (last.ended, last.claim) == (True, None)


@pytest.mark.parametrize(
    "other",
    [
        {"queues": ["vision"]},
        {"runs": ["none"]},
        {"tasks": ["other"]},
        {"covers": lambda *_: False},
    ],
    ids=lambda other: next(iter(other)),
)
@pytest.mark.parametrize("follows", [False, True])
def test_outcome_takes_nothing_that_is_not_wanted(
    metadata: MetadataStore, other: dict[str, Any], follows: bool
) -> None:
    """A step of another queue, run, task or version is left to others."""
    created(metadata, graph_step("001"), graph_step("002", ["001"]))
    wanted = Taking("w1", **other, follows=follows)
    progress = metadata.finish(claim := claimed(metadata), success(claim), decide, NOW, wanted)
    assert (progress.recorded, progress.claim) == (True, None)
    assert claimed(metadata).step.id == "002"


def test_outcome_takes_of_its_own_run_only_what_follows(metadata: MetadataStore) -> None:
    """The most urgent of what has become ready and needs no units; nothing that was before."""
    run = created(
        metadata,
        graph_step("001"),
        graph_step("002", ["001"], priority=1),
        graph_step("003", ["001"], priority=2),
        graph_step("004", ["001"], priority=9, resources={"gpu": 1}),
        graph_step("005", priority=3),
    )
    created(metadata, graph_step(priority=8), number=2)
    claim = metadata.claim_step(run.id, "001", "w1", NOW)
    assert claim is not None
    progress = metadata.finish(claim, success(claim), decide, NOW, Taking("w1", follows=True))
    assert {each.id for each in progress.ready} == {"002", "003", "004"}
    assert progress.looked == (progress.claim is not None)
    if progress.claim is not None:  # where the store can do that
        assert (progress.claim.step.run, progress.claim.step.id) == (run.id, "003")
        last = metadata.finish(
            progress.claim, success(progress.claim), decide, NOW, Taking("w1", follows=True)
        )
        assert (last.looked, last.claim) == (True, None)


def test_outcome_takes_the_step_that_a_message_told_of(metadata: MetadataStore) -> None:
    """Whatever has become ready, that one is claimed, or none where somebody else has it."""
    created(metadata, graph_step("001"), graph_step("002", ["001"], priority=9))
    other = created(metadata, graph_step(priority=1), number=2)
    wanted = Taking("w1", step=(other.id, "001"))
    claim = claimed(metadata)
    progress = metadata.finish(claim, success(claim), decide, NOW, wanted)
    taken = progress.claim or metadata.claim_step(other.id, "001", "w1", NOW)
    assert taken is not None
    assert (taken.step.run, taken.step.id, taken.step.worker) == (other.id, "001", "w1")
    second = claimed(metadata)
    assert metadata.finish(second, success(second), decide, NOW, wanted).claim is None


def test_step_taken_with_an_outcome_is_taken_back_from_a_lost_worker(
    metadata: MetadataStore,
) -> None:
    """Nobody was told of it by a message: it is found by who holds it, as any other."""
    beaten(metadata, "w1")
    run = created(metadata, graph_step("001"), graph_step("002", ["001"]))
    claim = claimed(metadata)
    progress = metadata.finish(claim, success(claim), decide, NOW, Taking("w1", follows=True))
    taken = progress.claim or claimed(metadata)
    (lost,) = metadata.release_lost(silent(metadata, NOW + 9), 3, decide, NOW + 9)
    assert (lost.run, lost.id, lost.attempt) == (run.id, "002", 1)
    assert not finished(metadata, taken).recorded
    again = claimed(metadata, "w2", NOW + 9)
    assert (again.step.id, again.step.attempt) == ("002", 2)


def test_outcome_outlives_a_look_that_fails(metadata: MetadataStore) -> None:
    """What was recorded is not lost when the next step cannot be looked for."""

    def broken(*_: str) -> bool:
        raise TaskmgrError("the versions cannot be read")

    run = created(metadata, graph_step("001"), graph_step("002", ["001"]))
    wanted = Taking("w1", covers=broken)
    progress = metadata.finish(claim := claimed(metadata), success(claim), decide, NOW, wanted)
    assert (progress.recorded, progress.looked, progress.claim) == (True, False, None)
    assert status_of(metadata, run)["001"] == "succeeded"
    assert claimed(metadata).step.id == "002"


def test_retry_waits_with_its_reason(metadata: MetadataStore) -> None:
    """An attempt to be tried again leaves the step ready, its failure kept with the others."""
    run = created(metadata)
    for attempt in (1, 2):
        claim = claimed(metadata, now=NOW + 10 * attempt)
        outcome = Outcome("ready", failure=BOOM, not_before=NOW + 10 * attempt + 5)
        progress = finished(metadata, claim, outcome, NOW + 10 * attempt + 1)
        assert progress.recorded
        assert progress.run_status == "running"
        (step,) = metadata.steps(run.id)
        assert (step.status, step.attempt, step.lost) == ("ready", attempt, 0)
        assert step.not_before == NOW + 10 * attempt + 5
        assert step.ready_at == step.not_before
        assert step.finished_at is None
        assert step.failure is None
        assert step.failures == (BOOM,) * attempt
    assert finished(metadata, claimed(metadata, now=NOW + 99)).run_status == "succeeded"
    (step,) = metadata.steps(run.id)
    assert (step.status, step.attempt, step.failures) == ("succeeded", 3, (BOOM, BOOM))


def test_later_attempt_replaces_the_values(metadata: MetadataStore) -> None:
    """Values that an attempt left are replaced by those of the attempt that succeeds."""
    run = created(metadata, values=[value("text", "a")])
    first = claimed(metadata)
    partial = attrs.evolve(success(first, "partial"), status="ready", failure=BOOM)
    finished(metadata, first, partial)
    second = claimed(metadata)
    finished(metadata, second, success(second, "whole"))
    documents = {each.port: each.document for each in metadata.values(run.id)}
    assert documents["output_001_said"] == "whole"
    assert len(metadata.values(run.id)) == 3
    assert len(metadata.edges(run.id)) == 2


def test_failure_skips_what_depends_on_it(metadata: MetadataStore) -> None:
    """A failed step ends its run: what has not begun is skipped, the reason names the step."""
    run = created(
        metadata,
        graph_step("001"),
        graph_step("002", ["001"]),
        graph_step("003", ["002"]),
        graph_step("004", queue="slow"),
    )
    progress = finished(metadata, claimed(metadata), Outcome("failed", failure=BOOM), NOW + 2)
    assert progress == Progress(recorded=True, run_status="failed", ended=True)
    assert status_of(metadata, run) == {
        "001": "failed",
        "002": "skipped",
        "003": "skipped",
        "004": "skipped",
        "run": "failed",
    }
    assert metadata.steps(run.id)[0].failure == BOOM
    ended = metadata.run(run.id)
    assert ended.finished_at == NOW + 2
    assert ended.failure == Failure("task-error", "step 001 (echo 1.0): boom")


def test_failure_waits_for_what_runs(metadata: MetadataStore) -> None:
    """A run that failed ends when its last running step does, whose outcome is still recorded."""
    run = created(metadata, graph_step("001"), graph_step("002"), graph_step("003", ["002"]))
    first, second = claimed(metadata), claimed(metadata)
    assert finished(metadata, first, Outcome("failed", failure=BOOM)).run_status == "running"
    progress = finished(metadata, second)
    assert progress == Progress(recorded=True, run_status="failed", ended=True)
    assert status_of(metadata, run)["002"] == "succeeded"
    assert status_of(metadata, run)["003"] == "skipped"


def test_failure_that_came_first_is_the_run_s(metadata: MetadataStore) -> None:
    """Of several failed steps the run tells the reason of the one that failed first."""
    run = created(metadata, graph_step("001"), graph_step("002"))
    first, second = claimed(metadata), claimed(metadata)
    finished(metadata, second, Outcome("failed", failure=attrs.evolve(BOOM, message="2")), NOW + 1)
    finished(metadata, first, Outcome("failed", failure=attrs.evolve(BOOM, message="1")), NOW + 2)
    failure = metadata.run(run.id).failure
    assert failure is not None
    assert failure.message == "step 002 (echo 1.0): 2"


# as a whole


def test_outcome_that_cannot_be_recorded_leaves_the_claim(metadata: MetadataStore) -> None:
    """When anything fails on the way, nothing of the outcome is there and the claim is kept."""
    run = created(metadata, values=[value("text", "a")])
    claim = claimed(metadata)

    def fails(_: RunState) -> tuple[Command, ...]:
        raise TaskmgrError("no decision")

    with pytest.raises(TaskmgrError, match="no decision"):
        metadata.finish(claim, success(claim), fails, NOW)
    assert status_of(metadata, run) == {"001": "running", "run": "running"}
    assert [each.port for each in metadata.values(run.id)] == ["text"]
    assert metadata.edges(run.id) == []
    assert finished(metadata, claim).run_status == "succeeded"


def test_recorded_outcomes_outlive_a_killed_process(
    metadata: MetadataStore, metadata_place: Place, start_child: Callable[..., Child]
) -> None:
    """A worker is killed many times at any moment: what it had said was recorded is there."""
    kills = 5 if metadata_place.kind in SERVERS else 10
    run = created(metadata, *(graph_step(f"{number:03}") for number in range(30 * kills)))
    said: set[str] = set()
    for number in range(kills):
        worker = f"w{number}"
        child = start_child("finish_all", metadata_place, worker)
        mine = [child.line() for _ in range(1 + number % 7)]
        mine += child.kill()
        assert all(mine)
        assert said.isdisjoint(mine)
        said.update(mine)
        recorded = {each.id for each in metadata.steps(run.id) if each.status == "succeeded"}
        assert said <= recorded
        # One outcome may be recorded whose report the kill cut off.
        assert len(recorded) <= len(said) + number + 1
    ports = {each.port: each.document for each in metadata.values(run.id)}
    assert {f"output_{step}_said" for step in said} <= ports.keys()
