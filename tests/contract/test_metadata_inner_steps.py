"""Steps of a pipeline that stands in the place of a step: their ids have dots."""

import attrs
from samples import NOW, beaten, claimed, finished, graph_step, silent, status_of, success, value
from test_metadata_flow import begun
from test_metadata_maps import FAILED

from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.specs import Demand, Edge, Feed, Outcome, element_port
from taskmgr_core.stores.metadata import MetadataStore


def test_steps_with_dots_in_their_ids_are_steps_like_others(metadata: MetadataStore) -> None:
    """They wait, are claimed, give values and end the run."""
    run = begun(metadata, graph_step("001"), graph_step("002.001", ["001"]),
                graph_step("002.1.x", ["002.001"]))  # fmt: skip
    assert [each.id for each in finished(metadata, claimed(metadata)).ready] == ["002.001"]
    claim = metadata.claim_step(run.id, "002.001", "w1", NOW)
    assert claim is not None
    assert [(each.step, each.attempt) for each in metadata.holds("w1")] == [("002.001", 1)]
    made = value("output_002.001_said", "b", "002.001")
    edges = (Edge("output_001_said", made.port),)
    progress = finished(metadata, claim, Outcome("succeeded", (made,), edges))
    assert [each.id for each in progress.ready] == ["002.1.x"]
    last = claimed(metadata)
    assert last.values["output_002.001_said"].document == "b"
    assert finished(metadata, last).run_status == "succeeded"
    assert [each.id for each in metadata.steps(run.id)] == ["001", "002.001", "002.1.x"]
    assert edges[0] in metadata.edges(run.id)


def test_failure_of_an_inner_step_is_that_of_the_run(metadata: MetadataStore) -> None:
    """It is named with its whole id, and what is behind it is skipped."""
    run = begun(metadata, graph_step("2.1"), graph_step("2.2", ["2.1"]))
    assert finished(metadata, claimed(metadata), FAILED).run_status == "failed"
    assert status_of(metadata, run) == {"2.1": "failed", "2.2": "skipped", "run": "failed"}
    failure = metadata.run(run.id).failure
    assert failure is not None
    assert failure.message.startswith("step 2.1 (echo 1.0):")


def test_inner_step_of_a_lost_worker_is_ready_again(metadata: MetadataStore) -> None:
    """It is taken back, told of when nobody claims it, and cancelled with its run."""
    run = begun(metadata, graph_step("2.1"), graph_step("2.2", ["2.1"]))
    beaten(metadata, "w1")
    claim = claimed(metadata)
    released = metadata.release_lost(silent(metadata, NOW + 9), 3, decide, NOW + 10)
    assert [each.id for each in released] == ["2.1"]
    assert not finished(metadata, claim, success(claim)).recorded
    assert [each.id for each in metadata.take_unclaimed(NOW + 60, lambda _: NOW + 99, 9)] == ["2.1"]
    metadata.request_cancel(run.id, decide, NOW + 61)
    assert status_of(metadata, run) == {"2.1": "cancelled", "2.2": "cancelled", "run": "cancelled"}


def test_inner_step_may_be_run_for_each_element(metadata: MetadataStore) -> None:
    """Elements of it are found by its id and their index, whatever stands in it."""
    step = attrs.evolve(graph_step("2.1"), map="text", parallel=1)
    run = begun(metadata, step)
    elements = tuple(value(element_port("text", index), f"e{index}") for index in range(2))
    progress = finished(metadata, claimed(metadata), Outcome("mapping", elements=elements))
    assert [each.id for each in progress.ready] == ["2.1[0]"]
    for index in range(2):
        claim = metadata.claim_step(run.id, f"2.1[{index}]", "w1", NOW)
        assert claim is not None
        progress = finished(metadata, claim, Outcome("succeeded"))
    assert [each.id for each in progress.ready] == ["2.1"]
    assert claimed(metadata).step.elements == 2


def test_inner_step_may_be_run_for_what_another_yields(metadata: MetadataStore) -> None:
    """Its elements come while the other one runs, as those of any step."""
    first = attrs.evolve(graph_step("2.1"), feeds=(Feed("2.2", "echo", 2),))
    second = attrs.evolve(graph_step("2.2", ("2.1",)), map="output_2.1_said", parallel=2)
    run = begun(metadata, first, second)
    claim = claimed(metadata)
    items = [value(element_port("output_2.1_said", 0), "e", "2.1")]
    fed = metadata.extend(claim, 0, items, NOW)
    assert (fed.recorded, fed.wanted, [each.id for each in fed.ready]) == (True, True, ["2.2[0]"])
    assert status_of(metadata, run) == {"2.1": "running", "2.2": "mapping", "run": "running"}


def test_inner_step_may_be_held_back_by_a_limit(metadata: MetadataStore) -> None:
    """It is ready again without having lost its attempt, and woken when there is a place."""
    demands = (Demand("task:echo", 1),)
    runs = [begun(metadata, graph_step("2.1"), number=number) for number in (7, 8)]
    first = metadata.limits.admit(claimed(metadata), demands, NOW).claim
    assert first is not None
    held = claimed(metadata)
    assert metadata.limits.admit(held, demands, NOW).claim is None
    (step,) = metadata.steps(held.step.run)
    assert (step.status, step.attempt) == ("ready", 0)
    assert [each.id for each in finished(metadata, first).ready] == ["2.1"]
    assert {each.id for each in runs} == {first.step.run, held.step.run}
    again = metadata.limits.admit(claimed(metadata), demands, NOW).claim
    assert again is not None
    assert finished(metadata, again).run_status == "succeeded"
