"""Runs that are recorded together, as every metadata store records them."""

from __future__ import annotations

import attrs
from samples import (
    NOW,
    claimed,
    created,
    finished,
    first_step,
    graph,
    graph_step,
    run_id,
    success,
    value,
)

from taskmgr_core.errors import StoreError
from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.specs import Edge, NewRun, Run, as_claimed
from taskmgr_core.stores.metadata import MetadataStore, RunFilter
from taskmgr_core.stores.requests import Answered

KEPT = 100.0
# The very graph of all of them, as those of one pipeline have.
SHARED = graph(graph_step("001"), graph_step("002", ["001"]))


def new_run(number: int) -> NewRun:
    """A run of two steps."""
    run = Run(run_id(number), "sample", "pipeline", SHARED, "running", NOW)
    steps = [first_step(run, each, NOW) for each in SHARED.steps]
    values = [value("text", f"text {number}"), value("more", number)]
    return NewRun(run, steps, values, [Edge("text", "more")])


def recorded(metadata: MetadataStore, run: str) -> NewRun:
    """What is recorded of a run."""
    return NewRun(
        metadata.run(run),
        metadata.steps(run),
        sorted(metadata.values(run), key=lambda each: each.port, reverse=True),
        metadata.edges(run),
    )


def test_runs_recorded_together_are_as_those_recorded_alone(metadata: MetadataStore) -> None:
    """Graphs, steps, values and edges of each are its own, and each is claimed once."""
    together = [new_run(1), new_run(2), new_run(3)]
    assert metadata.create_runs(together) == [None, None, None]
    alone = new_run(4)
    metadata.create_run(alone.run, alone.steps, alone.values, alone.edges)
    for each in (*together, alone):
        assert recorded(metadata, each.run.id) == each
    taken = {claimed(metadata).step.run for _ in range(4)}
    assert taken == {each.run.id for each in (*together, alone)}


def test_run_that_cannot_be_recorded_keeps_no_other_from_it(metadata: MetadataStore) -> None:
    """It is told why, at its place, as it would be alone; of it nothing is recorded anew."""
    first, second, third = new_run(1), new_run(2), new_run(3)
    metadata.create_run(second.run, second.steps, second.values)
    changed = attrs.evolve(second, run=attrs.evolve(second.run, name="another"))
    told = metadata.create_runs([first, changed, third])
    assert [type(each) for each in told] == [type(None), StoreError, type(None)]
    assert [str(each) for each in metadata.create_runs([changed])] == [str(told[1])]
    assert metadata.run(second.run.id).name == "sample"
    found = {each.id for each in metadata.runs(RunFilter())}
    assert found == {each.run.id for each in (first, second, third)}


def test_step_may_be_recorded_as_claimed(metadata: MetadataStore) -> None:
    """It is held, fenced and given back as one that was claimed later."""
    run = created(metadata).id
    plain = claimed(metadata, "w1")
    new = new_run(2)
    first = as_claimed(new.steps[0], "w1", NOW)
    assert metadata.create_runs([attrs.evolve(new, steps=[first, new.steps[1]])]) == [None]
    assert metadata.claim("w2", (), NOW) is None
    held = {(each.run, each.step, each.attempt) for each in metadata.holds("w1")}
    assert held == {(run, "001", 1), (new.run.id, "001", 1)}
    claim = attrs.evolve(plain, step=first, graph_step=SHARED.steps[0])
    late = attrs.evolve(claim, step=attrs.evolve(first, worker="w2"))
    assert not finished(metadata, late, success(claim)).recorded
    assert metadata.release_lost({"w1": 0.0}, 3, decide, NOW) == [plain.step, first]
    assert [each.status for each in metadata.steps(new.run.id)] == ["ready", "pending"]
    again = [claimed(metadata, "w3") for _ in range(2)]
    (second,) = (each for each in again if each.step.run == new.run.id)
    assert second.step.attempt == 2
    progress = finished(metadata, second, success(second))
    assert [each.id for each in progress.ready] == ["002"]


def test_keys_begun_together_are_as_those_begun_alone(metadata: MetadataStore) -> None:
    """One that is there stays, of two that are the same the first counts, old ones are free."""

    def asked(key: str, run: str, at: float) -> Answered:
        return Answered(key, "what it asks for", run, at)

    there, old = asked("there", "run-1", 1000.0), asked("old", "run-2", 900.0)
    metadata.requests.begin(old, KEPT)
    metadata.requests.begin(there, KEPT)
    now = 1001.0
    new = [
        asked(key, f"run-{at}", now) for at, key in enumerate(("a", "there", "a", "old", "b"), 3)
    ]
    assert metadata.requests.begin_all(new, KEPT) == [new[0], there, new[0], new[3], new[4]]
    assert metadata.requests.begin(asked("b", "run-9", now), KEPT) == new[4]
