"""Steps that are run for each element of a list: what a store records of the elements."""

from typing import Any

import attrs
import pytest
from samples import NOW, beaten, claimed, finished, graph_step, silent, status_of, value
from test_metadata_flow import begun

from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.specs import (
    Claim,
    Edge,
    FailedElement,
    FailedElements,
    Failure,
    Outcome,
    Run,
    element_port,
    output_port,
)
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.stores.progress import Progress

FAILED = Outcome("failed", failure=Failure("task-error", "no"))


def mapping(
    metadata: MetadataStore,
    count: int = 5,
    *,
    parallel: int = 2,
    on_error: str = "fail",
    number: int = 99,
) -> tuple[Run, Progress]:
    """A run whose only step has begun to be run for some elements of its text."""
    step = attrs.evolve(graph_step(), map="text", parallel=parallel, on_error=on_error)
    run = begun(metadata, step, number=number)
    elements = tuple(value(element_port("text", index), f"e{index}") for index in range(count))
    claim = metadata.claim_step(run.id, "001", "w1", NOW)
    assert claim is not None
    return run, finished(metadata, claim, Outcome("mapping", elements=elements))


def said(claim: Claim) -> Outcome:
    """What an element gives: its own value, with an exclamation mark."""
    assert claim.element is not None
    source = element_port("text", claim.element)
    port = element_port(output_port("001", "said"), claim.element)
    made = value(port, claim.values[source].document + "!", "001")
    return Outcome("succeeded", (made,), (Edge(source, port),))


def ended(metadata: MetadataStore, now: float = NOW) -> Progress:
    """Claim an element and record a success."""
    claim = claimed(metadata, now=now)
    return finished(metadata, claim, said(claim), now)


def test_so_many_elements_are_ready_as_may_be_at_once(metadata: MetadataStore) -> None:
    """The first of them when it begins, and one more with each that has ended, in order."""
    run, progress = mapping(metadata)
    assert [each.id for each in progress.ready] == ["001[0]", "001[1]"]
    assert [each.id for each in ended(metadata).ready] == ["001[2]"]
    assert status_of(metadata, run) == {"001": "mapping", "run": "running"}
    claimed(metadata)
    claimed(metadata)
    assert metadata.claim("w2", (), NOW) is None


def test_step_is_ready_to_gather_when_all_have_ended(metadata: MetadataStore) -> None:
    """The step is claimed again, knows how many there were, and finds what each gave."""
    run, _ = mapping(metadata, 3)
    ended(metadata)
    ended(metadata)
    assert [each.id for each in ended(metadata).ready] == ["001"]
    claim = claimed(metadata)
    assert (claim.step.id, claim.step.elements, claim.element) == ("001", 3, None)
    found = metadata.elements(run.id, "001", 0, 2) + metadata.elements(run.id, "001", 2, 2)
    assert [each.index for each in found] == [0, 1, 2]
    assert [document.document for each in found for document in each.outputs.values()] == [
        "e0!",
        "e1!",
        "e2!",
    ]
    assert finished(metadata, claim).run_status == "succeeded"


def test_element_is_claimed_with_its_value(metadata: MetadataStore) -> None:
    """Its source is the element, and what it gives is found by its port."""
    run, _ = mapping(metadata, 2)
    claim = metadata.claim_step(run.id, "001[1]", "w1", NOW)
    assert claim is not None
    assert claim.element == 1
    assert [each.port for each in claim.graph_step.inputs.values()] == ["text[1]"]
    assert claim.values["text[1]"].document == "e1"
    assert metadata.claim_step(run.id, "001[1]", "w1", NOW) is None
    assert metadata.claim_step(run.id, "001[1]", "w1", NOW, again=True) == claim
    finished(metadata, claim, said(claim))
    ports = ["output_001_said[1]", "text"]
    assert {each.port for each in metadata.values(run.id, ports)} == {*ports}
    assert Edge("text[1]", "output_001_said[1]") in metadata.edges(run.id)
    assert "output_001_said[1]" in {each.port for each in metadata.values(run.id)}


def test_failed_element_drops_those_that_wait(metadata: MetadataStore) -> None:
    """What runs may end; then the step is ready to say which element failed it."""
    run, _ = mapping(metadata)
    first, second = claimed(metadata), claimed(metadata)
    assert finished(metadata, first, FAILED).ready == ()
    assert [each.id for each in finished(metadata, second, said(second)).ready] == ["001"]
    statuses = [each.status for each in metadata.elements(run.id, "001", 0, 9)]
    assert sorted(statuses) == ["failed", "skipped", "skipped", "skipped", "succeeded"]


def test_failed_element_that_is_borne_is_followed_by_the_next(metadata: MetadataStore) -> None:
    """With on_error continue the others are run."""
    run, _ = mapping(metadata, 3, parallel=1, on_error="continue")
    assert [each.id for each in finished(metadata, claimed(metadata), FAILED).ready] == ["001[1]"]
    ended(metadata)
    assert [each.id for each in ended(metadata).ready] == ["001"]
    assert metadata.elements(run.id, "001", 0, 1)[0].failure == FAILED.failure


def test_element_that_is_tried_again_keeps_its_place(metadata: MetadataStore) -> None:
    """No other begins in its stead, and it is due when its delay is over."""
    mapping(metadata, 3, parallel=1)
    claim = claimed(metadata)
    later = Outcome("ready", failure=FAILED.failure, not_before=NOW + 5)
    assert finished(metadata, claim, later).recorded
    assert metadata.claim("w1", (), NOW + 4) is None
    assert metadata.next_due((), NOW + 4) == pytest.approx(1)
    again = claimed(metadata, now=NOW + 5)
    assert (again.element, again.step.attempt, len(again.step.failures)) == (0, 2, 1)


def test_element_of_a_lost_worker_is_ready_again(metadata: MetadataStore) -> None:
    """It is told to whoever asks, and a late answer of the lost worker is not recorded."""
    mapping(metadata, 3, parallel=1)
    beaten(metadata, "w1")
    claim = claimed(metadata)
    released = metadata.release_lost(silent(metadata, NOW + 9), 3, decide, NOW + 10)
    assert [each.id for each in released] == ["001[0]"]
    assert not finished(metadata, claim, said(claim)).recorded
    assert claimed(metadata, "w2", NOW + 10).element == 0


def test_quarantined_element_fails_its_step(metadata: MetadataStore) -> None:
    """An element that takes its workers with it does not hold up its run for ever."""
    run, _ = mapping(metadata, 3, parallel=1)
    beaten(metadata, "w1")
    claimed(metadata)
    metadata.release_lost(silent(metadata, NOW + 9), 1, decide, NOW + 10)
    assert status_of(metadata, run) == {"001": "ready", "run": "running"}
    assert claimed(metadata, now=NOW + 11).step.elements == 3


def test_cancelled_run_stops_its_elements(metadata: MetadataStore) -> None:
    """What waits is dropped, what runs is to be stopped, and the run ends with it."""
    run, _ = mapping(metadata)
    claim = claimed(metadata)
    metadata.request_cancel(run.id, decide, NOW)
    assert metadata.claim("w2", (), NOW) is None
    assert [hold.cancel_requested for hold in metadata.holds("w1")] == [True]
    progress = finished(metadata, claim, Outcome("cancelled"))
    assert progress.run_status == "cancelled"
    assert metadata.holders() == []


def test_map_that_nobody_carries_on_is_taken_up(metadata: MetadataStore) -> None:
    """Elements whose messages were lost are told of again, like steps."""
    mapping(metadata, 3, parallel=2)
    told = metadata.take_unclaimed(NOW + 60, lambda _: NOW + 99)
    assert {each.id for each in told} == {"001[0]", "001[1]"}
    assert metadata.take_unclaimed(NOW + 60, lambda _: NOW + 99) == []


def count_of(metadata: MetadataStore, run: Run) -> Any:
    """How many steps a list shows."""
    return sum(metadata.summary(run.id).steps.values())


def test_lists_count_steps_and_not_elements(metadata: MetadataStore) -> None:
    """A step with many elements is one step."""
    run, _ = mapping(metadata)
    assert count_of(metadata, run) == 1
    assert [each.elements for each in metadata.steps(run.id)] == [5]


def test_failed_elements_are_counted_and_the_first_are_told(metadata: MetadataStore) -> None:
    """Those that were borne are told in their order, and no more of them than is asked for."""
    run, _ = mapping(metadata, 4, on_error="continue")
    assert metadata.failed_elements(run.id, "001", 9) == FailedElements()
    ended(metadata)
    for _ in range(3):
        finished(metadata, claimed(metadata), FAILED)
    first = tuple(FailedElement(index, FAILED.failure) for index in (1, 2))
    assert metadata.failed_elements(run.id, "001", 2) == FailedElements(3, first)


def test_step_that_is_run_once_has_no_failed_elements(metadata: MetadataStore) -> None:
    """Nor are those of another step its own."""
    run = begun(metadata, graph_step(), graph_step("002"))
    assert metadata.failed_elements(run.id, "002", 9) == FailedElements()


def test_map_of_a_map_leaves_its_elements_as_they_are(metadata: MetadataStore) -> None:
    """What a later step is run for is recorded beside what each element gave, and claimed."""
    maps = attrs.evolve(graph_step(), map="text", on_error="continue")
    later = attrs.evolve(graph_step("002", ["001"]), map=output_port("001", "said"), map_of="map")
    run = begun(metadata, maps, later)
    elements = tuple(value(element_port("text", index), f"e{index}") for index in range(2))
    finished(metadata, claimed(metadata), Outcome("mapping", elements=elements))
    finished(metadata, claimed(metadata), FAILED)
    ended(metadata)
    port = output_port("001", "said")
    gathered = (value(port, ["e1!"], "001"),)
    finished(metadata, claimed(metadata), Outcome("succeeded", gathered))
    entry = value(element_port(later.entries, 0), "e1!", "001")
    edge = Edge(element_port(port, 1), entry.port)
    finished(metadata, claimed(metadata), Outcome("mapping", (), (edge,), elements=(entry,)))
    claim = claimed(metadata)
    assert (claim.step.id, [each.port for each in claim.graph_step.inputs.values()]) == (
        "002[0]",
        [entry.port],
    )
    assert claim.values[entry.port].document == "e1!"
    found = [each.port for each in metadata.values(run.id) if each.port.startswith(f"{port}[")]
    assert found == [element_port(port, 1)]
    assert edge in metadata.edges(run.id)
