"""Steps that need resources: who gets them, and who is not held up by them."""

import pytest
from samples import NOW, created, finished, graph_step, status_of, success

from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.specs import ReadyStep
from taskmgr_core.stores.metadata import MetadataStore

GPU = {"gpu": 1}


def taken(metadata: MetadataStore, **free: int) -> str | None:
    """The step that a worker with so much free gets."""
    claim = metadata.claim("w1", (), NOW, free=free)
    return None if claim is None else claim.step.id


def test_step_without_needs_is_not_held_up(metadata: MetadataStore) -> None:
    """A worker without resources passes over the steps that need some, however urgent."""
    created(
        metadata,
        graph_step("001", priority=9, resources=GPU),
        graph_step("002", priority=1),
    )
    assert taken(metadata) == "002"
    assert taken(metadata) is None
    assert taken(metadata, licence=1) is None
    assert taken(metadata, gpu=1) == "001"


@pytest.mark.parametrize(
    ("needs", "free", "fits"),
    [
        ({"gpu": 2}, {"gpu": 1}, False),
        ({"gpu": 2}, {"gpu": 2}, True),
        ({"gpu": 1}, {"gpu": 4, "licence": 1}, True),
        ({"gpu": 1, "licence": 1}, {"gpu": 4}, False),
        ({"licence": 1, "gpu": 1}, {"gpu": 1, "licence": 1}, True),
        ({"gpu": 10}, {"gpu": 9}, False),
    ],
)
def test_needs_are_compared_by_units(
    metadata: MetadataStore, needs: dict[str, int], free: dict[str, int], fits: bool
) -> None:
    """A step is given where there are enough units of everything that it needs."""
    created(metadata, graph_step(resources=needs))
    claim = metadata.claim("w1", (), NOW, free=free)
    assert (claim is not None) == fits
    if claim is not None:
        assert claim.step.resources == claim.graph_step.resources == needs


def test_order_holds_among_what_fits(metadata: MetadataStore) -> None:
    """Among steps with and without needs the most urgent that fits comes first."""
    created(
        metadata,
        graph_step("001", priority=2),
        graph_step("002", priority=8, resources=GPU),
        graph_step("003", priority=9, resources={"gpu": 3}),
        graph_step("004", priority=5, resources={"gpu": 2}),
    )
    assert [taken(metadata, gpu=2) for _ in range(4)] == ["002", "004", "001", None]


@pytest.mark.parametrize("queues", [["vision"], ["vision", "other"]])
def test_queues_and_needs_are_both_asked_for(metadata: MetadataStore, queues: list[str]) -> None:
    """A worker of some queues gets what needs resources of those only."""
    created(
        metadata,
        graph_step("001", queue="default", resources=GPU),
        graph_step("002", queue="vision", resources=GPU),
    )
    claim = metadata.claim("w1", queues, NOW, free=GPU)
    assert claim is not None
    assert claim.step.id == "002"
    assert metadata.claim("w1", queues, NOW, free=GPU) is None


def test_own_runs_are_given_by_needs_too(metadata: MetadataStore) -> None:
    """A worker that serves some runs alone passes over what it has not the resources for."""
    run = created(metadata, graph_step("001", priority=9, resources=GPU), graph_step("002"))
    claim = metadata.claim("w1", (), NOW, [run.id])
    assert claim is not None
    assert claim.step.id == "002"
    assert metadata.claim("w1", (), NOW, [run.id]) is None
    assert metadata.claim("w1", (), NOW, [run.id], free=GPU) is not None


def test_told_step_is_given_for_its_own_needs(metadata: MetadataStore) -> None:
    """Who was told of a step by mistake, and holds not what it needs, does not get it."""
    run = created(metadata, graph_step("001", resources=GPU), graph_step("002"))
    assert metadata.claim_step(run.id, "001", "w1", NOW) is None
    assert metadata.claim_step(run.id, "001", "w1", NOW, needs={"gpu": 2}) is None
    assert metadata.claim_step(run.id, "002", "w1", NOW, needs=GPU) is None
    for step, needs in (("001", GPU), ("002", {})):
        assert metadata.claim_step(run.id, step, "w1", NOW, needs=needs) is not None


def test_needs_are_told_with_each_ready_step(metadata: MetadataStore) -> None:
    """Whoever announces a step knows what it needs: followers, forgotten ones, lost ones."""
    run = created(
        metadata, graph_step("001"), graph_step("002", ["001"], resources={"gpu": 2, "a": 1})
    )
    claim = metadata.claim("w1", (), NOW)
    assert claim is not None
    needs = {"gpu": 2, "a": 1}
    ready = ReadyStep(run.id, "002", "echo", "default", 5, NOW, needs)
    assert finished(metadata, claim, success(claim)).ready == (ready,)
    assert metadata.take_unclaimed(NOW + 60, lambda _: NOW + 99) == [ready]
    assert metadata.claim("w2", (), NOW, free=needs) is not None
    (lost,) = metadata.release_lost({"w2": 0.0}, 3, decide, NOW + 99)
    assert lost.resources == needs
    assert [each.resources for each in metadata.steps(run.id)] == [{}, needs]
    assert status_of(metadata, run)["002"] == "ready"
