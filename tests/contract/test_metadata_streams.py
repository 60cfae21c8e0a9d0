"""Steps that are run for what another one yields: what a store records while that goes on."""

import attrs
import pytest
from samples import NOW, claimed, finished, graph_step, status_of, success, value
from test_metadata_flow import begun

from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.specs import (
    Claim,
    Edge,
    Failure,
    Feed,
    FieldValue,
    Outcome,
    Run,
    element_port,
    output_port,
)
from taskmgr_core.stores.metadata import Fed, MetadataStore
from taskmgr_core.stores.progress import Progress

PORT = output_port("001", "said")
FAILED = Outcome("failed", failure=Failure("task-error", "no"))


def stream(
    metadata: MetadataStore, *, most: int = 2, on_error: str = "fail", number: int = 7
) -> tuple[Run, Claim]:
    """A run whose first step yields for the second, and has been claimed."""
    first = attrs.evolve(graph_step(), feeds=(Feed("002", "echo", most),), on_error=on_error)
    second = attrs.evolve(graph_step("002", ("001",)), map=PORT, parallel=most)
    run = begun(metadata, first, second, number=number)
    claim = metadata.claim_step(run.id, "001", "w1", NOW)
    assert claim is not None
    return run, claim


def items(first: int, count: int, text: str = "e") -> list[FieldValue]:
    """Some of what is yielded."""
    return [
        value(element_port(PORT, index), f"{text}{index}", "001")
        for index in range(first, first + count)
    ]


def extended(metadata: MetadataStore, claim: Claim, first: int, count: int, text: str = "e") -> Fed:
    """Record some items."""
    return metadata.extend(claim, first, items(first, count, text), NOW)


def said(claim: Claim) -> Outcome:
    """What an element gives: its own value, with an exclamation mark."""
    assert claim.element is not None
    source = element_port(PORT, claim.element)
    port = element_port(output_port("002", "said"), claim.element)
    made = value(port, claim.values[source].document + "!", "002")
    return Outcome("succeeded", (made,), (Edge(source, port),))


def ended(metadata: MetadataStore) -> Progress:
    """Claim an element and record a success."""
    claim = claimed(metadata)
    return finished(metadata, claim, said(claim))


def ready_of(fed: Fed) -> list[str]:
    """The elements that have become ready."""
    return [each.id for each in fed.ready]


def test_item_is_an_element_before_its_producer_ends(metadata: MetadataStore) -> None:
    """The step that takes it is mapping, and the element is claimed with its value."""
    run, claim = stream(metadata)
    fed = extended(metadata, claim, 0, 1)
    assert (fed.recorded, fed.wanted, fed.full, ready_of(fed)) == (True, True, False, ["002[0]"])
    assert status_of(metadata, run) == {"001": "running", "002": "mapping", "run": "running"}
    element = claimed(metadata)
    assert element.values[element_port(PORT, 0)].document == "e0"
    assert finished(metadata, element, said(element)).ready == ()
    assert status_of(metadata, run)["002"] == "mapping"
    assert ready_of(extended(metadata, claim, 1, 2)) == ["002[1]", "002[2]"]
    assert [each.elements for each in metadata.steps(run.id)] == [None, 3]


def test_step_gathers_when_its_producer_and_all_elements_have_ended(
    metadata: MetadataStore,
) -> None:
    """Not before either, whichever is the last."""
    _, claim = stream(metadata)
    extended(metadata, claim, 0, 1)
    element = claimed(metadata)
    assert finished(metadata, claim, success(claim)).ready == ()
    assert [each.id for each in finished(metadata, element, said(element)).ready] == ["002"]
    gather = claimed(metadata)
    assert (gather.step.elements, gather.values[PORT].document) == (1, "done")
    assert finished(metadata, gather).run_status == "succeeded"

    _, claim = stream(metadata, number=8)
    extended(metadata, claim, 0, 1)
    ended(metadata)
    assert [each.id for each in finished(metadata, claim, success(claim)).ready] == ["002"]


def test_many_that_wait_are_told(metadata: MetadataStore) -> None:
    """It is full while as many wait as may run, and no more once they have begun."""
    _, claim = stream(metadata, most=2)
    assert not extended(metadata, claim, 0, 3).full
    assert extended(metadata, claim, 3, 1).full
    assert metadata.extend(claim, 4, [], NOW).full
    ended(metadata)
    fed = metadata.extend(claim, 4, [], NOW)
    assert (fed.wanted, fed.full, fed.ready) == (True, False, ())


def test_items_of_another_attempt_are_no_new_elements(metadata: MetadataStore) -> None:
    """Those that are there stay, with what came of them; more are added behind them."""
    run, claim = stream(metadata)
    extended(metadata, claim, 0, 2)
    ended(metadata)
    finished(metadata, claim, Outcome("ready", failure=FAILED.failure))
    again = metadata.claim_step(run.id, "001", "w1", NOW)
    assert again is not None
    assert extended(metadata, again, 0, 2).differs is None
    assert [each.status for each in metadata.elements(run.id, "002", 0, 9)] == [
        "succeeded",
        "ready",
    ]
    assert ready_of(extended(metadata, again, 1, 2)) == ["002[2]"]


def test_item_that_differs_is_told_and_not_recorded(metadata: MetadataStore) -> None:
    """Its index is told, and the one that was recorded stays."""
    run, claim = stream(metadata)
    extended(metadata, claim, 0, 2)
    differing = [*items(0, 1), *items(1, 1, "other")]
    assert metadata.extend(claim, 0, differing, NOW).differs == 1
    (kept,) = metadata.values(run.id, [element_port(PORT, 1)])
    assert kept.document == "e1"


def test_late_producer_records_nothing(metadata: MetadataStore) -> None:
    """What an attempt yields that is not held any more is no element."""
    run, claim = stream(metadata)
    finished(metadata, claim, Outcome("ready", failure=FAILED.failure))
    assert not extended(metadata, claim, 0, 1).recorded
    assert status_of(metadata, run)["002"] == "pending"


def test_nobody_wants_items_of_a_run_that_is_cancelled(metadata: MetadataStore) -> None:
    """The producer is told, and what waits is dropped."""
    run, claim = stream(metadata)
    extended(metadata, claim, 0, 2)
    metadata.request_cancel(run.id, decide, NOW)
    fed = extended(metadata, claim, 2, 1)
    assert (fed.recorded, fed.wanted) == (True, False)
    assert finished(metadata, claim, Outcome("cancelled")).run_status == "cancelled"


def test_cancelled_run_takes_no_item_while_an_element_runs(metadata: MetadataStore) -> None:
    """The step goes on mapping until that has ended, and nothing of it begins any more."""
    run, claim = stream(metadata)
    extended(metadata, claim, 0, 1)
    element = claimed(metadata)
    metadata.request_cancel(run.id, decide, NOW)
    assert status_of(metadata, run)["002"] == "mapping"
    fed = extended(metadata, claim, 1, 1)
    assert (fed.recorded, fed.wanted, fed.ready) == (True, False, ())
    assert finished(metadata, element, Outcome("cancelled")).ready == ()
    assert finished(metadata, claim, Outcome("cancelled")).run_status == "cancelled"


def test_failed_element_ends_the_step_and_its_producer(metadata: MetadataStore) -> None:
    """The step says which failed it while its producer is held up, which then is not wanted."""
    # Were the producer ended before, the run would be cancelled, and nobody told why.
    _, claim = stream(metadata)
    extended(metadata, claim, 0, 2)
    first, second = claimed(metadata), claimed(metadata)
    finished(metadata, first, FAILED)
    assert [each.id for each in finished(metadata, second, said(second)).ready] == ["002"]
    fed = extended(metadata, claim, 2, 1)
    assert (fed.wanted, fed.full, fed.ready) == (True, True, ())
    gather = claimed(metadata)
    assert PORT not in gather.values
    assert metadata.extend(claim, 3, [], NOW).full
    finished(metadata, gather, FAILED)
    assert not metadata.extend(claim, 3, [], NOW).wanted
    assert finished(metadata, claim, Outcome("cancelled")).run_status == "failed"


@pytest.mark.parametrize("on_error", ["fail", "continue"])
def test_failed_producer_ends_what_it_feeds(metadata: MetadataStore, on_error: str) -> None:
    """Where its failure is borne the step gathers what has come, else nothing more begins."""
    run, claim = stream(metadata, on_error=on_error)
    extended(metadata, claim, 0, 3)
    finished(metadata, claim, FAILED)
    if on_error == "fail":
        expected = ["skipped", "skipped", "skipped"]
        assert status_of(metadata, run) == {"001": "failed", "002": "skipped", "run": "failed"}
    else:
        expected = ["succeeded", "succeeded", "succeeded"]
        for _ in range(3):
            ended(metadata)
        assert claimed(metadata).step.id == "002"
    assert [each.status for each in metadata.elements(run.id, "002", 0, 9)] == expected
