"""Steps that are run again and again: what a store records of the iterations."""

from typing import Any

import attrs
import pytest
from samples import NOW, beaten, claimed, finished, graph_step, silent, status_of, value
from test_metadata_flow import begun

from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.specs import (
    Claim,
    Edge,
    Failure,
    Outcome,
    RepeatSpec,
    Run,
    element_port,
    input_port,
    output_port,
)
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.stores.progress import Progress

FAILED = Outcome("failed", failure=Failure("task-error", "no"))


def looping(
    metadata: MetadataStore, *, on_error: str = "fail", step_id: str = "001", number: int = 99
) -> tuple[Run, Progress]:
    """A run whose only step has begun to be run again and again."""
    fed = {input_port(step_id, "text_0"): output_port(step_id, "said")}
    step = attrs.evolve(
        graph_step(step_id),
        repeat=RepeatSpec("false", 99, fed),
        on_error=on_error,
        default={"said": "instead"} if on_error == "default" else {},
    )
    run = begun(metadata, step, number=number)
    return run, _begun(metadata, run, step_id)


def _begun(metadata: MetadataStore, run: Run, step_id: str) -> Progress:
    claim = metadata.claim_step(run.id, step_id, "w1", NOW)
    assert claim is not None
    return finished(metadata, claim, Outcome("looping"))


def given(claim: Claim) -> Any:
    """What an iteration gets."""
    source = claim.graph_step.inputs["text_0"]
    return claim.values[source.port].document if source.port else source.constant


def said(claim: Claim, *, more: bool = True) -> Outcome:
    """What an iteration gives: its own value, with an exclamation mark."""
    assert claim.element is not None
    port = element_port(output_port(claim.graph_step.id, "said"), claim.element)
    source = claim.graph_step.inputs["text_0"].port
    made = value(port, f"{given(claim)}!", claim.graph_step.id)
    return Outcome("succeeded", (made,), (Edge(source, port),), more=more)


def loop(metadata: MetadataStore, number: int = 99) -> None:
    """A loop of three iterations, from its first to what it ends with."""
    run, _ = looping(metadata, number=number)
    for index in range(3):
        claim = metadata.claim_step(run.id, f"001[{index}]", "w1", NOW)
        assert claim is not None
        finished(metadata, claim, said(claim, more=index < 2))
    assert len(metadata.elements(run.id, "001", 0, 3)) == 3


def test_iterations_come_one_after_the_other(metadata: MetadataStore) -> None:
    """Each is made when the one before says so, gets what that gave, and the last one is known."""
    run, progress = looping(metadata, step_id="2.1")
    assert [each.id for each in progress.ready] == ["2.1[0]"]
    assert status_of(metadata, run) == {"2.1": "looping", "run": "running"}
    for index, expected in enumerate(("a", "a!", "a!!")):
        claim = claimed(metadata)
        assert (claim.element, given(claim), claim.step.attempt) == (index, expected, 1)
        assert metadata.claim("w2", (), NOW) is None
        progress = finished(metadata, claim, said(claim, more=index < 2))
        following = ["2.1[1]", "2.1[2]", "2.1"]
        assert [each.id for each in progress.ready] == following[index : index + 1]
        assert metadata.steps(run.id)[0].elements == min(index + 2, 3)
    claim = claimed(metadata)
    assert (claim.element, claim.step.elements, given(claim)) == (None, 3, "a")
    found = metadata.elements(run.id, "2.1", 2, 1)
    assert [each.document for each in found[0].outputs.values()] == ["a!!!"]
    assert Edge("output_2.1_said[1]", "output_2.1_said[2]") in metadata.edges(run.id)
    assert {each.port for each in metadata.values(run.id)} == {
        "text", *(f"output_2.1_said[{index}]" for index in range(3))
    }  # fmt: skip
    assert finished(metadata, claim).run_status == "succeeded"


def test_outcome_of_an_iteration_is_recorded_once(metadata: MetadataStore) -> None:
    """Told twice, another iteration follows once."""
    run, _ = looping(metadata)
    claim = claimed(metadata)
    assert finished(metadata, claim, said(claim)).recorded
    assert not finished(metadata, claim, said(claim)).recorded
    metadata.reconcile(run.id, decide, NOW)
    assert metadata.steps(run.id)[0].elements == 2
    assert claimed(metadata).element == 1
    assert metadata.claim("w2", (), NOW) is None


def test_failed_iteration_ends_the_loop(metadata: MetadataStore) -> None:
    """Nothing follows on it, and the step is ready to say why."""
    run, _ = looping(metadata)
    first = claimed(metadata)
    finished(metadata, first, said(first))
    assert [each.id for each in finished(metadata, claimed(metadata), FAILED).ready] == ["001"]
    assert metadata.elements(run.id, "001", 1, 1)[0].failure == FAILED.failure


@pytest.mark.parametrize(("on_error", "expected"), [("continue", "a!"), ("default", "instead")])
def test_iteration_after_one_that_was_borne(
    metadata: MetadataStore, on_error: str, expected: str
) -> None:
    """It gets what the last one that succeeded gave; or the value of the default."""
    looping(metadata, on_error=on_error)
    first = claimed(metadata)
    finished(metadata, first, said(first))
    for index in (1, 2):
        claim = claimed(metadata)
        assert given(claim) == ("a!" if index == 1 else expected)
        progress = finished(metadata, claim, attrs.evolve(FAILED, more=True))
    assert [each.id for each in progress.ready] == ["001[3]"]
    assert given(claimed(metadata)) == expected


def test_iteration_of_a_lost_worker_is_done_again(metadata: MetadataStore) -> None:
    """It gets the same, and a late answer is not recorded and makes no further iteration."""
    run, _ = looping(metadata)
    first = claimed(metadata)
    finished(metadata, first, said(first))
    beaten(metadata, "w1")
    claim = claimed(metadata)
    released = metadata.release_lost(silent(metadata, NOW + 9), 3, decide, NOW + 10)
    assert [each.id for each in released] == ["001[1]"]
    again = claimed(metadata, "w2", NOW + 10)
    assert (again.element, given(again), again.step.attempt) == (1, "a!", 2)
    assert not finished(metadata, claim, said(claim)).recorded
    assert metadata.steps(run.id)[0].elements == 2


def test_cancelled_run_begins_no_further_iteration(metadata: MetadataStore) -> None:
    """One that has said meanwhile that another follows is the last, and the run ends."""
    run, _ = looping(metadata)
    claim = claimed(metadata)
    metadata.request_cancel(run.id, decide, NOW)
    progress = finished(metadata, claim, said(claim))
    assert (progress.ready, progress.run_status) == ((), "cancelled")
    assert metadata.claim("w2", (), NOW + 99) is None
    assert metadata.holders() == []


def test_loop_that_nobody_carries_on_is_taken_up(metadata: MetadataStore) -> None:
    """An iteration whose message was lost is told of again, like a step."""
    looping(metadata)
    told = metadata.take_unclaimed(NOW + 60, lambda _: NOW + 99)
    assert [each.id for each in told] == ["001[0]"]
