"""Taking back what was lost with its worker, and carrying on where a run stands still."""

import pytest
from samples import (
    NOW,
    beaten,
    claimed,
    created,
    finished,
    graph,
    graph_step,
    run_id,
    silent,
    status_of,
    success,
    value,
)

from taskmgr_core.orchestrator.engine import Command, RunState, decide
from taskmgr_core.specs import Failure, Outcome, ReadyStep, Run, Step
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.stores.progress import Progress

SILENT = NOW + 10


def released(
    metadata: MetadataStore, since: float = SILENT, *, attempts: int = 3, now: float = NOW + 20
) -> list[Step]:
    """Take back the steps of workers that were silent since then."""
    return metadata.release_lost(silent(metadata, since), attempts, decide, now)


# who is lost


def test_step_of_silent_worker_is_ready_again(metadata: MetadataStore) -> None:
    """A step whose worker has not beaten since then is given back as it was, and is ready now."""
    run = created(metadata)
    beaten(metadata, "w1", NOW)
    claim = claimed(metadata, "w1")
    assert released(metadata) == [claim.step]
    (step,) = metadata.steps(run.id)
    assert (step.status, step.attempt, step.lost, step.ready_at) == ("ready", 1, 1, NOW + 20)
    assert (step.failure, step.finished_at) == (None, None)
    (failure,) = step.failures
    assert failure.code == "worker-lost"
    assert "worker w1 stopped in the middle of attempt 1" in failure.message
    assert metadata.run(run.id).status == "running"


def test_step_of_unknown_worker_is_ready_again(metadata: MetadataStore) -> None:
    """A worker that never beat, or said that it stopped, holds nothing."""
    run = created(metadata, graph_step("001"), graph_step("002"))
    claimed(metadata, "never-beat")
    beaten(metadata, "stopped", NOW + 19)
    claimed(metadata, "stopped")
    metadata.remove_worker("stopped")
    assert {each.id for each in released(metadata)} == {"001", "002"}
    assert {each.status for each in metadata.steps(run.id)} == {"ready"}


def test_living_worker_keeps_its_steps(metadata: MetadataStore) -> None:
    """A step whose worker beat just then or later stays where it is."""
    run = created(metadata, graph_step("001"), graph_step("002"), graph_step("003"))
    beaten(metadata, "just-then", SILENT)
    claimed(metadata, "just-then")
    beaten(metadata, "later", SILENT + 5)
    claimed(metadata, "later")
    before = metadata.steps(run.id)
    assert released(metadata) == []
    assert metadata.steps(run.id) == before
    assert [each.run for each in metadata.holds("later")] == [run.id]


def test_released_steps_are_those_of_the_lost_only(metadata: MetadataStore) -> None:
    """Among several workers' steps, of several runs, the lost one's are taken back, once."""
    for number in (1, 2):
        created(metadata, graph_step("001"), graph_step("002"), number=number)
    beaten(metadata, "lost", NOW)
    beaten(metadata, "living", NOW + 15)
    claims = [claimed(metadata, worker) for worker in ("lost", "living", "lost", "living")]
    expected = {(each.step.run, each.step.id) for each in claims if each.step.worker == "lost"}
    assert {(each.run, each.id) for each in released(metadata)} == expected
    assert released(metadata) == []
    assert len(metadata.holds("living")) == 2


def test_nothing_is_taken_back_of_what_has_ended(metadata: MetadataStore) -> None:
    """Steps that ended with their worker's knowledge stay as they are, also when it is gone."""
    run = created(metadata, graph_step("001"), graph_step("002"))
    finished(metadata, claimed(metadata, "w1"))
    finished(metadata, claimed(metadata, "w1"), Outcome("failed", failure=Failure("x", "y")))
    before = metadata.steps(run.id)
    assert released(metadata) == []
    assert metadata.steps(run.id) == before


# quarantine


def test_step_that_loses_its_workers_is_quarantined(metadata: MetadataStore) -> None:
    """After so many lost workers a step fails, the failure names each of them, its run ends."""
    run = created(metadata, graph_step("001"), graph_step("002", ["001"]))
    for number in (1, 2, 3):
        claimed(metadata, f"w{number}")
        assert [each.id for each in released(metadata, attempts=3, now=NOW + number)] == ["001"]
    assert status_of(metadata, run) == {"001": "failed", "002": "skipped", "run": "failed"}
    step = metadata.steps(run.id)[0]
    assert (step.attempt, step.lost, step.finished_at) == (3, 3, NOW + 3)
    assert step.failure is not None
    assert step.failure.code == "quarantined"
    assert step.failure.message.startswith("3 workers stopped in the middle of this step")
    assert "submit the run again" in step.failure.message
    for worker in ("w1", "w2", "w3"):
        assert worker in step.failure.details["workers"]
    ended = metadata.run(run.id).failure
    assert ended is not None
    assert ended.code == "quarantined"
    assert metadata.claim("w4", (), NOW + 99) is None


def test_quarantine_counts_lost_workers_only(metadata: MetadataStore) -> None:
    """Attempts that failed count as such: with them a step has more attempts than losses."""
    run = created(metadata)
    boom = Failure("task-error", "boom")
    for number in (1, 2):
        finished(metadata, claimed(metadata, f"w{number}"), Outcome("ready", failure=boom))
    claimed(metadata, "lost-1")
    released(metadata, attempts=2)
    assert status_of(metadata, run)["001"] == "ready"
    claimed(metadata, "lost-2")
    released(metadata, attempts=2)
    (step,) = metadata.steps(run.id)
    assert (step.status, step.attempt, step.lost) == ("failed", 4, 2)
    assert step.failure is not None
    assert "boom" not in step.failure.details["workers"]
    assert [each.code for each in step.failures][:3] == ["task-error", "task-error", "worker-lost"]


def test_lost_step_of_cancelled_run_is_cancelled(metadata: MetadataStore) -> None:
    """A step that is taken back from a run that is to be cancelled ends with it."""
    run = created(metadata)
    claimed(metadata)
    metadata.request_cancel(run.id, decide, NOW)
    released(metadata)
    assert status_of(metadata, run) == {"001": "cancelled", "run": "cancelled"}


def test_lost_step_of_failed_run_is_skipped(metadata: MetadataStore) -> None:
    """A step that is taken back from a run that failed meanwhile is not tried again."""
    run = created(metadata, graph_step("001"), graph_step("002"))
    beaten(metadata, "lost", NOW)
    claimed(metadata, "lost")
    finished(metadata, claimed(metadata), Outcome("failed", failure=Failure("x", "y")))
    released(metadata)
    assert status_of(metadata, run) == {"001": "skipped", "002": "failed", "run": "failed"}


# runs that stand still


def stand_still(metadata: MetadataStore) -> Run:
    """A run as it is after a crash between two decisions: nothing of it is ready or runs."""
    step = graph_step("001")
    run = Run(run_id(9), "sample", "pipeline", graph(step), "running", NOW)
    pending = Step(run.id, "001", "echo", "1.0", "default", 5, "pending")
    metadata.create_run(run, [pending], [])
    return run


def test_run_that_stands_still_goes_on(metadata: MetadataStore) -> None:
    """Looking for lost workers finds runs of which nothing is ready, and carries them on."""
    run = stand_still(metadata)
    assert metadata.claim("w1", (), NOW) is None
    released(metadata)
    assert claimed(metadata).step.run == run.id


def test_reconciling_carries_out_the_decision(metadata: MetadataStore) -> None:
    """What the engine says for the recorded state is done, and told; a second time nothing is."""
    run = stand_still(metadata)
    ready = ReadyStep(run.id, "001", "echo", "default", 5, NOW + 5)
    assert metadata.reconcile(run.id, decide, NOW + 5) == Progress(True, (ready,), "running")
    (step,) = metadata.steps(run.id)
    assert (step.status, step.ready_at) == ("ready", NOW + 5)
    assert metadata.reconcile(run.id, decide, NOW + 6) == Progress(True, (), "running")
    assert metadata.steps(run.id) == [step]


def test_reconciling_an_ended_run_changes_nothing(metadata: MetadataStore) -> None:
    """A final state is final."""
    run = created(metadata)
    finished(metadata, claimed(metadata))
    before = (metadata.run(run.id), metadata.steps(run.id))
    assert metadata.reconcile(run.id, decide, NOW + 9) == Progress(True, (), "succeeded")
    assert (metadata.run(run.id), metadata.steps(run.id)) == before


def test_engine_sees_the_recorded_state(metadata: MetadataStore) -> None:
    """A decision gets the dependencies, the statuses, and whether the run is to be cancelled."""
    run = created(metadata, graph_step("001"), graph_step("002", ["001"]), graph_step("003"))
    claimed(metadata)
    metadata.request_cancel(run.id, lambda _: (), NOW)
    seen: list[RunState] = []

    def look(state: RunState) -> tuple[Command, ...]:
        seen.append(state)
        return ()

    metadata.reconcile(run.id, look, NOW)
    assert seen == [
        RunState(
            after={"001": (), "002": ("001",), "003": ()},
            steps={"001": "running", "002": "pending", "003": "ready"},
            status="running",
            cancel_requested=True,
        )
    ]


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_step_that_was_lost_succeeds(metadata: MetadataStore, lost: int) -> None:
    """A step that was lost some times ends like any other one; the losses stay on record."""
    run = created(metadata, values=[value("text", "a")])
    for number in range(lost):
        claimed(metadata, f"w{number}")
        released(metadata)
    claim = claimed(metadata, "last")
    assert finished(metadata, claim, success(claim, "b")).run_status == "succeeded"
    (step,) = metadata.steps(run.id)
    assert (step.attempt, step.lost, len(step.failures)) == (lost + 1, lost, lost)
    assert step.failure is None
