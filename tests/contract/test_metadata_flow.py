"""What a run's record holds of failures that do not fail it, of its time, and of another run."""

from collections.abc import Mapping

import attrs
from samples import (
    NOW,
    claimed,
    finished,
    graph,
    graph_step,
    run_id,
    status_of,
    success,
    value,
)

from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.orchestrator.starting import first_steps
from taskmgr_core.specs import Edge, Failure, GraphStep, Outcome, Run, Source
from taskmgr_core.stores.metadata import MetadataStore

FAILED = Outcome("failed", failure=Failure("task-error", "no"))


def begun(
    metadata: MetadataStore, *steps: GraphStep, timeout: float | None = None, number: int = 1
) -> Run:
    """Record a run as clients do."""
    whole = attrs.evolve(graph(*steps), timeout=timeout)
    run = Run(run_id(number), "sample", "pipeline", whole, "running", NOW)
    metadata.create_run(run, first_steps(run, NOW), [value("text", "a")])
    return run


def with_fallback(step: GraphStep, *bears: str) -> GraphStep:
    """A step that has a value in place of what others did not give."""
    inputs: Mapping[str, Source] = {
        field: attrs.evolve(source, fallback=("instead",)) for field, source in step.inputs.items()
    }
    return attrs.evolve(step, inputs=inputs, bears=bears)


def handler(step_id: str = "900") -> GraphStep:
    """A step that is run when the run fails."""
    return attrs.evolve(graph_step(step_id), handles_failure=True)


def test_failure_with_a_default_lets_the_next_step_run(metadata: MetadataStore) -> None:
    """What bears it is claimed, with the fallback and without a value; the run succeeds."""
    first = attrs.evolve(graph_step("001"), on_error="default", default={"said": "instead"})
    run = begun(metadata, first, with_fallback(graph_step("002", ["001"]), "001"))
    progress = finished(metadata, claimed(metadata), FAILED)
    assert [each.id for each in progress.ready] == ["002"]
    claim = claimed(metadata)
    assert claim.values == {}
    assert claim.graph_step.inputs["text_0"].fallback == ("instead",)
    finished(metadata, claim)
    assert status_of(metadata, run) == {"001": "failed", "002": "succeeded", "run": "succeeded"}
    assert metadata.run(run.id).failure is None


def test_failure_that_is_passed_over_skips_what_is_behind(metadata: MetadataStore) -> None:
    """With on_error continue what is behind is skipped at once, and the run succeeds."""
    first = attrs.evolve(graph_step("001"), on_error="continue")
    run = begun(metadata, first, graph_step("002", ["001"]), graph_step("003", ["002"]))
    assert finished(metadata, claimed(metadata), FAILED).run_status == "succeeded"
    assert set(status_of(metadata, run).values()) == {"failed", "skipped", "succeeded"}


def test_step_that_is_left_out_is_skipped_without_a_failure(metadata: MetadataStore) -> None:
    """An outcome skipped is recorded under the claim, and what is behind is skipped with it."""
    run = begun(metadata, graph_step("001"), graph_step("002", ["001"]))
    assert finished(metadata, claimed(metadata), Outcome("skipped")).run_status == "succeeded"
    assert status_of(metadata, run) == {"001": "skipped", "002": "skipped", "run": "succeeded"}


def test_run_whose_time_is_over_is_told_once(metadata: MetadataStore) -> None:
    """What has not begun is skipped, what runs is to be stopped, the end has a code of its own."""
    run = begun(metadata, graph_step("001"), graph_step("002", ["001"]), timeout=10)
    begun(metadata, graph_step("001"), timeout=99, number=2)
    claim = claimed(metadata)
    assert metadata.expire(decide, NOW + 9) == {}
    assert set(metadata.expire(decide, NOW + 10)) == {run.id}
    assert metadata.expire(decide, NOW + 11) == {}
    assert [hold.cancel_requested for hold in metadata.holds("w1")] == [True]
    progress = finished(metadata, claim, Outcome("cancelled"), NOW + 12)
    assert progress.run_status == "failed"
    failure = metadata.run(run.id).failure
    assert failure is not None
    assert failure.code == "run-timeout"
    assert "10 s" in failure.message


def test_run_that_has_ended_has_no_time_left_to_be_over(metadata: MetadataStore) -> None:
    """An ended run is not told anything."""
    run = begun(metadata, graph_step("001"), timeout=10)
    finished(metadata, claimed(metadata))
    assert metadata.expire(decide, NOW + 20) == {}
    assert metadata.run(run.id).status == "succeeded"


def test_handler_of_an_expired_run_is_not_stopped(metadata: MetadataStore) -> None:
    """It is ready once all else has ended, and has as long as it takes."""
    run = begun(metadata, graph_step("001"), handler(), timeout=10)
    progress = metadata.expire(decide, NOW + 10)[run.id]
    assert [each.id for each in progress.ready] == ["900"]
    claim = claimed(metadata, now=NOW + 11)
    assert [hold.cancel_requested for hold in metadata.holds("w1")] == [False]
    assert finished(metadata, claim, now=NOW + 12).run_status == "failed"


def test_reason_of_a_run_is_a_step_that_failed_it(metadata: MetadataStore) -> None:
    """A failure that was passed over, and that of the handler, are no reason."""
    passed = attrs.evolve(graph_step("001", priority=9), on_error="continue")
    run = begun(metadata, passed, graph_step("002"), handler())
    finished(metadata, claimed(metadata), Outcome("failed", failure=Failure("crashed", "passed")))
    finished(metadata, claimed(metadata), FAILED, NOW + 1)
    finished(metadata, claimed(metadata), Outcome("failed", failure=Failure("crashed", "handler")))
    failure = metadata.run(run.id).failure
    assert failure is not None
    assert (failure.code, failure.message) == ("task-error", "step 002 (echo 1.0): no")


def test_run_may_begin_with_steps_that_have_ended(metadata: MetadataStore) -> None:
    """What is taken over keeps its times, values and edges; what is behind it is claimed."""
    old = begun(metadata, graph_step("001"), graph_step("002", ["001"]))
    finished(metadata, claimed(metadata), now=NOW + 5)
    (done, _) = metadata.steps(old.id)
    new = attrs.evolve(old, id=run_id(2), created_at=NOW + 50, retry_of=old.id)
    taken = {"001": attrs.evolve(done, run=new.id, origin=old.id)}
    edges = [Edge("text", "input_001_text_0"), Edge("input_001_text_0", "output_001_said")]
    metadata.create_run(new, first_steps(new, NOW + 50, taken), metadata.values(old.id), edges)
    assert metadata.run(new.id).retry_of == old.id
    assert metadata.steps(new.id)[0] == taken["001"]
    assert set(metadata.edges(new.id)) == set(edges)
    claim = metadata.claim("w2", (), NOW + 51, runs=[new.id])
    assert claim is not None
    assert claim.step.id == "002"
    assert claim.values["output_001_said"].document == "done"
    assert finished(metadata, claim, success(claim)).run_status == "succeeded"
