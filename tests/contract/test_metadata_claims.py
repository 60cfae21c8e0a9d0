"""Claiming: what is due, in which order, and that no attempt is given to two workers."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import pytest
from children import Child
from implementations import Place
from samples import (
    NOW,
    beaten,
    claimed,
    created,
    finished,
    graph_step,
    run_id,
    silent,
    status_of,
    success,
    value,
)

from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.specs import Claim, Outcome, ReadyStep
from taskmgr_core.stores.metadata import UNCLAIMED_SECONDS, MetadataStore

# what is due


def test_claim_tells_everything_of_the_attempt(metadata: MetadataStore) -> None:
    """A claim has the step as it now is, what to run, and the values of its inputs."""
    said = value("text", "hello")
    run = created(metadata, graph_step(queue="gpu", priority=7), values=[said, value("x", 1)])
    claim = claimed(metadata, "w1", NOW + 4)
    (step,) = metadata.steps(run.id)
    assert claim == Claim(step, run.graph.steps[0], {"text": said})
    assert (step.status, step.attempt, step.worker) == ("running", 1, "w1")
    assert (step.ready_at, step.started_at, step.finished_at) == (NOW, NOW + 4, None)


def test_claim_has_the_outputs_of_earlier_steps(metadata: MetadataStore) -> None:
    """A step that takes another's output is claimed with the value that was recorded of it."""
    created(metadata, graph_step("001"), graph_step("002", ["001"]), values=[value("text", "a")])
    first = claimed(metadata)
    finished(metadata, first, success(first, "b"))
    second = claimed(metadata)
    assert second.step.id == "002"
    assert second.values == {"output_001_said": value("output_001_said", "b", "001")}


def test_claim_without_work_is_none(metadata: MetadataStore) -> None:
    """Nothing is claimed where nothing is ready: not recorded, waiting, running or ended."""
    assert metadata.claim("w1", (), NOW) is None
    created(metadata, graph_step("001"), graph_step("002", ["001"]))
    claim = claimed(metadata)
    assert metadata.claim("w2", (), NOW) is None
    finished(metadata, claim, Outcome("failed"))
    assert metadata.claim("w2", (), NOW) is None


def test_claims_come_by_priority_then_by_wait(metadata: MetadataStore) -> None:
    """The highest priority is claimed first; of equal ones that which has been ready longest."""
    for number, (priority, ready) in enumerate([(5, 3), (9, 4), (5, 1), (0, 0), (9, 2)]):
        created(metadata, graph_step(priority=priority), number=number, now=NOW + ready)
    order = [claimed(metadata, now=NOW + 10).step.run for _ in range(5)]
    assert order == [run_id(number) for number in (4, 1, 2, 0, 3)]


def test_claims_are_of_the_served_tasks(metadata: MetadataStore) -> None:
    """A worker of some tasks gets their steps only, of whatever queue or run it asks for."""
    for number, task in enumerate(["words", "faces", "words", "faces"]):
        queue = "gpu" if number > 1 else "default"
        created(metadata, graph_step(task=task, queue=queue, priority=number), number=number)
    assert metadata.claim("w1", (), NOW, tasks=["other"]) is None
    assert metadata.claim("w1", ["gpu"], NOW, [run_id(2)], ["faces"]) is None
    for number, queues, runs, tasks in [
        (2, ["gpu"], None, ["words"]),
        (3, (), None, ["faces", "other"]),
        (1, (), [run_id(0), run_id(1)], ["faces"]),
        (0, (), None, ()),
    ]:
        claim = metadata.claim("w1", queues, NOW, runs, tasks)
        assert claim is not None
        assert claim.step.run == run_id(number)


def test_claims_are_taken_from_the_served_queues(metadata: MetadataStore) -> None:
    """A worker gets the steps of its queues only; one that serves all gets any."""
    for number, queue in enumerate(["gpu", "default", "slow"]):
        created(metadata, graph_step(queue=queue, priority=number), number=number)
    assert metadata.claim("w1", ["other"], NOW) is None
    assert metadata.claim("w1", ["de"], NOW) is None
    for queues, queue in [(["gpu", "default"], "default"), (("gpu",), "gpu"), ((), "slow")]:
        claim = metadata.claim("w1", queues, NOW)
        assert claim is not None
        assert claim.step.queue == queue
    assert metadata.claim("w1", (), NOW) is None


def test_claim_order_holds_across_queues(metadata: MetadataStore) -> None:
    """A worker of several queues takes the most urgent step of all of them."""
    order = [("a", 1, 0), ("b", 5, 2), ("a", 5, 1), ("b", 9, 3)]
    for number, (queue, priority, ready) in enumerate(order):
        created(
            metadata, graph_step(queue=queue, priority=priority), number=number, now=NOW + ready
        )
    claims = [metadata.claim("w1", ["a", "b"], NOW + 9) for _ in range(4)]
    assert [each.step.run for each in claims if each] == [run_id(each) for each in (3, 2, 1, 0)]


def test_delayed_step_is_claimed_when_it_is_due(metadata: MetadataStore) -> None:
    """A retry is not given out before its time, and holds up nothing behind it."""
    created(metadata, graph_step(priority=9), number=1)
    finished(metadata, claimed(metadata), Outcome("ready", not_before=NOW + 10))
    created(metadata, graph_step(priority=1), number=2)
    assert claimed(metadata, now=NOW + 9.9).step.run == run_id(2)
    assert metadata.claim("w1", (), NOW + 9.9) is None
    again = claimed(metadata, "w2", NOW + 10)
    assert (again.step.run, again.step.attempt, again.step.worker) == (run_id(1), 2, "w2")


def test_next_due_tells_how_long_to_wait(metadata: MetadataStore) -> None:
    """The time until the first delayed step of the served queues is due; None without any."""
    assert metadata.next_due((), NOW) is None
    for number, (queue, delay) in enumerate([("a", 30), ("b", 10), ("b", 20)]):
        created(metadata, graph_step(queue=queue), number=number)
        finished(metadata, claimed(metadata), Outcome("ready", not_before=NOW + delay))
    assert metadata.next_due((), NOW) == pytest.approx(10)
    assert metadata.next_due(["a"], NOW + 5) == pytest.approx(25)
    assert metadata.next_due(["a", "b"], NOW + 15) == pytest.approx(5)
    assert metadata.next_due(["c"], NOW) is None
    assert metadata.next_due((), NOW + 30) is None


def test_next_due_leaves_out_what_is_due(metadata: MetadataStore) -> None:
    """A step that can be claimed at once, and one that runs, are nothing to wait for."""
    created(metadata, number=1)
    assert metadata.next_due((), NOW) is None
    claimed(metadata)
    assert metadata.next_due((), NOW) is None


# who gets it


def test_holds_are_what_a_worker_has_claimed(metadata: MetadataStore) -> None:
    """A worker's holds are its running attempts, and no longer those that ended."""
    for number in (1, 2, 3):
        created(metadata, number=number)
    first, second = claimed(metadata, "w1"), claimed(metadata, "w1")
    claimed(metadata, "w2")
    assert {(each.run, each.step, each.attempt) for each in metadata.holds("w1")} == {
        (first.step.run, "001", 1),
        (second.step.run, "001", 1),
    }
    finished(metadata, first)
    assert [each.run for each in metadata.holds("w1")] == [second.step.run]
    assert [each.cancel_requested for each in metadata.holds("w1")] == [False]
    assert metadata.holds("nobody") == []


def test_attempt_is_given_to_one_thread(open_metadata: Callable[[], MetadataStore]) -> None:
    """Threads that claim at once, through one store and through several, share the steps out."""
    stores = [open_metadata() for _ in range(2)]
    count = 60
    created(stores[0], *(graph_step(f"{number:03}") for number in range(count)))
    begin = threading.Barrier(6)

    def claim_all(number: int) -> list[str]:
        begin.wait()
        mine = []
        while (claim := stores[number % 2].claim(f"w{number}", (), NOW)) is not None:
            assert claim.step.worker == f"w{number}"
            mine.append(claim.step.id)
        return mine

    with ThreadPoolExecutor(6) as pool:
        claims = [step for mine in pool.map(claim_all, range(6)) for step in mine]
    assert sorted(claims) == [f"{number:03}" for number in range(count)]


def test_attempt_is_given_to_one_process(
    metadata: MetadataStore, metadata_place: Place, start_child: Callable[..., Child]
) -> None:
    """Processes that claim at once share the steps out, each step to one of them."""
    count = 120
    run = created(metadata, *(graph_step(f"{number:03}") for number in range(count)))
    children = [start_child("claim_all", metadata_place, f"w{number}") for number in range(3)]
    for child in children:
        child.expect("ready")
    for child in children:
        child.tell("go")
    claims = {f"w{number}": child.rest() for number, child in enumerate(children)}
    assert sorted(step for mine in claims.values() for step in mine) == sorted(
        each.id for each in run.graph.steps
    )
    assert {each.id: each.worker for each in metadata.steps(run.id)} == {
        step: worker for worker, mine in claims.items() for step in mine
    }


def test_claim_of_a_lost_step_fences_its_first_worker(metadata: MetadataStore) -> None:
    """A step that was taken back goes to the next worker, and the first one no longer holds it."""
    run = created(metadata)
    late = claimed(metadata, "w1")
    metadata.release_lost(silent(metadata, NOW), 3, decide, NOW)
    beaten(metadata, "w2")
    again = claimed(metadata, "w2")
    assert again.step.attempt == 2
    assert metadata.holds("w1") == []
    assert not finished(metadata, late).recorded
    assert status_of(metadata, run) == {"001": "running", "run": "running"}
    assert finished(metadata, again).recorded


@pytest.mark.parametrize("wrong", [{"attempt": 2}, {"attempt": 0}, {"worker": "w2"}, {"id": "002"}])
def test_claim_of_another_is_refused(metadata: MetadataStore, wrong: dict[str, Any]) -> None:
    """An outcome under another attempt, worker or step than the claim's own changes nothing."""
    run = created(metadata, values=[value("text", "a")])
    claim = claimed(metadata, "w1")
    forged = attrs.evolve(claim, step=attrs.evolve(claim.step, **wrong))
    assert not finished(metadata, forged).recorded
    assert status_of(metadata, run) == {"001": "running", "run": "running"}
    assert [each.port for each in metadata.values(run.id)] == ["text"]
    assert metadata.edges(run.id) == []


# steps that somebody was told of


def test_step_that_was_told_of_is_claimed(metadata: MetadataStore) -> None:
    """Claiming one step gives what claiming the next one would, and gives it once."""
    said = value("text", "hello")
    run = created(metadata, graph_step("001"), graph_step("002"), values=[said])
    claim = metadata.claim_step(run.id, "002", "w1", NOW + 4)
    assert claim == Claim(metadata.steps(run.id)[1], run.graph.steps[1], {"text": said})
    assert (claim.step.status, claim.step.attempt, claim.step.worker) == ("running", 1, "w1")
    assert claim.step.started_at == NOW + 4
    assert metadata.claim_step(run.id, "002", "w2", NOW + 4) is None
    assert [each.step for each in metadata.holds("w1")] == ["002"]


def test_step_that_is_not_due_is_not_claimed(metadata: MetadataStore) -> None:
    """A step that waits for another, for its time, is not there or has ended gives no claim."""
    run = created(metadata, graph_step("001"), graph_step("002", ["001"]), graph_step("003"))
    finished(metadata, claimed(metadata), Outcome("ready", not_before=NOW + 10))
    for run_name, step in [(run.id, "002"), (run.id, "001"), (run.id, "9"), (run_id(77), "001")]:
        assert metadata.claim_step(run_name, step, "w1", NOW + 9) is None
    assert metadata.claim_step(run.id, "001", "w1", NOW + 10) is not None
    metadata.request_cancel(run.id, decide, NOW)
    assert metadata.claim_step(run.id, "003", "w1", NOW + 10) is None


def test_claimed_step_has_the_outputs_of_earlier_steps(metadata: MetadataStore) -> None:
    """A step is claimed with what the steps before it gave, whoever recorded it."""
    run = created(metadata, graph_step("001"), graph_step("002", ["001"]))
    first = metadata.claim_step(run.id, "001", "w1", NOW)
    assert first is not None
    finished(metadata, first, success(first, {"deep": [1]}))
    second = metadata.claim_step(run.id, "002", "w2", NOW)
    assert second is not None
    assert second.values["output_001_said"].document == {"deep": [1]}


# steps that nobody claims


def later(_: ReadyStep) -> float:
    """Tell it again in a minute."""
    return NOW + 60


def test_unclaimed_step_is_told_once_and_again_later(metadata: MetadataStore) -> None:
    """A step that is ready and not claimed for a while is told, to one caller, then when said."""
    run = created(metadata, graph_step(queue="gpu", priority=7))
    expected = [ReadyStep(run.id, "001", "echo", "gpu", 7, NOW)]
    assert metadata.take_unclaimed(NOW + UNCLAIMED_SECONDS - 0.1, later) == []
    assert metadata.take_unclaimed(NOW + UNCLAIMED_SECONDS, later) == expected
    assert metadata.take_unclaimed(NOW + UNCLAIMED_SECONDS, later) == []
    assert metadata.take_unclaimed(NOW + 59, later) == []
    assert metadata.take_unclaimed(NOW + 60, later) == expected


def test_claimed_step_is_not_told(metadata: MetadataStore) -> None:
    """What is running, has ended, waits for another or was cancelled is nobody's to look after."""
    claimed_run = created(metadata, graph_step("001"), graph_step("002", ["001"]), number=1)
    cancelled = created(metadata, graph_step("001"), number=2)
    ended = created(metadata, number=3)
    claimed(metadata)
    metadata.request_cancel(cancelled.id, decide, NOW)
    claim = metadata.claim_step(ended.id, "001", "w1", NOW)
    assert claim is not None
    finished(metadata, claim)
    assert metadata.take_unclaimed(NOW + 100, later) == []
    assert status_of(metadata, claimed_run)["001"] == "running"


def test_retry_is_told_when_it_is_due(metadata: MetadataStore) -> None:
    """The end of a delay is told at once: delays are the store's, not the broker's."""
    run = created(metadata)
    finished(metadata, claimed(metadata), Outcome("ready", not_before=NOW + 30))
    assert metadata.take_unclaimed(NOW + 29.9, later) == []
    assert [each.id for each in metadata.take_unclaimed(NOW + 30, later)] == ["001"]
    assert metadata.claim_step(run.id, "001", "w1", NOW + 30) is not None


def test_step_that_became_ready_is_told_if_unclaimed(metadata: MetadataStore) -> None:
    """A dependent whose message was never sent is found, counted from when it became ready."""
    run = created(metadata, graph_step("001"), graph_step("002", ["001"]))
    finished(metadata, claimed(metadata), now=NOW + 50)
    assert metadata.take_unclaimed(NOW + 51, later) == []
    found = metadata.take_unclaimed(NOW + 50 + UNCLAIMED_SECONDS, later)
    assert found == [ReadyStep(run.id, "002", "echo", "default", 5, NOW + 50)]


def test_step_taken_back_is_told_if_unclaimed(metadata: MetadataStore) -> None:
    """A lost worker's step, too, is told when nobody claims it."""
    created(metadata)
    claimed(metadata)
    metadata.release_lost(silent(metadata, NOW + 10), 3, decide, NOW + 10)
    found = metadata.take_unclaimed(NOW + 10 + UNCLAIMED_SECONDS, later)
    assert [(each.id, each.ready_at) for each in found] == [("001", NOW + 10)]


def test_unclaimed_steps_come_in_pages(metadata: MetadataStore) -> None:
    """At most so many at once; the next call gives the others."""
    for number in range(5):
        created(metadata, number=number)
    pages = [metadata.take_unclaimed(NOW + 10, later, limit=2) for _ in range(4)]
    assert [len(page) for page in pages] == [2, 2, 1, 0]
    assert len({each.run for page in pages for each in page}) == 5


def test_claim_whose_answer_was_lost_is_given_again(metadata: MetadataStore) -> None:
    """Asked again, a worker gets the attempt that it holds already, and nobody else does."""
    run = created(metadata, values=[value("text", "a")])
    claim = metadata.claim_step(run.id, "001", "w1", NOW)
    assert claim is not None
    assert metadata.claim_step(run.id, "001", "w1", NOW + 1) is None
    assert metadata.claim_step(run.id, "001", "w2", NOW + 1, again=True) is None
    assert metadata.claim_step(run.id, "001", "w1", NOW + 1, again=True) == claim
    finished(metadata, claim)
    assert metadata.claim_step(run.id, "001", "w1", NOW + 2, again=True) is None


def test_step_of_a_version_that_is_not_covered_is_left(metadata: MetadataStore) -> None:
    """A version is asked for before a step is claimed; what cannot be run holds up nothing."""
    created(metadata, graph_step("001", task="echo", priority=9), number=1)
    run = created(metadata, graph_step("001", task="shout"), number=2)
    asked: list[tuple[str, str]] = []

    def covers(task: str, version: str) -> bool:
        asked.append((task, version))
        return task != "echo"

    claim = metadata.claim("w1", (), NOW, covers=covers)
    assert claim is not None
    assert claim.step.run == run.id
    assert asked == [("echo", "1.0"), ("shout", "1.0")]
    assert metadata.claim("w1", (), NOW, covers=covers) is None
    assert claimed(metadata, "w2").step.task == "echo"
