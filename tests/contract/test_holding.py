"""What a worker is recorded to hold, beside what it runs."""

from __future__ import annotations

from samples import beaten, claimed, created, graph_step, status_of

from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.worker.holding import Holding


def test_step_that_nobody_runs_is_given_back(metadata: MetadataStore) -> None:
    """Once it was found twice; what runs, and what others hold, stays as it is."""
    run = created(metadata, *(graph_step(f"00{number}") for number in range(1, 4)))
    beaten(metadata, "w1", 1.0)
    first, second = claimed(metadata, "w1"), claimed(metadata, "w1")
    claimed(metadata, "w2")
    running = [(run.id, second.step.id, second.step.attempt)]
    told: list[tuple[str, list[str]]] = []
    holding = Holding(metadata, "w1")

    def give_back() -> list[tuple[str, list[str]]]:
        holding.give_strays_back(
            running, lambda of, steps: told.append((of, [each.id for each in steps]))
        )
        return told

    assert give_back() == []
    assert give_back() == [(run.id, [first.step.id])]
    assert {each.id: each.status for each in metadata.steps(run.id)} == {
        "001": "ready",
        "002": "running",
        "003": "running",
    }
    assert give_back() == [(run.id, [first.step.id])]
    again = claimed(metadata, "w3", 2e9)
    assert (again.step.id, again.step.attempt, again.step.failures) == ("001", 2, ())


def test_what_is_seldom_not_running_is_left(metadata: MetadataStore) -> None:
    """Found once and running the next time, as what was just claimed, it is no stray."""
    run = created(metadata)
    key = (run.id, "001", claimed(metadata, "w1").step.attempt)
    holding = Holding(metadata, "w1")
    told: list[str] = []
    for running in ([], [key], [], [key]):
        holding.give_strays_back(running, lambda of, _: told.append(of))
    assert told == []
    assert status_of(metadata, run)["001"] == "running"


def test_what_was_taken_away_is_to_stop(metadata: MetadataStore) -> None:
    """What is not held any more; where nothing runs nothing is."""
    run = created(metadata, graph_step("001"), graph_step("002"))
    keys = [(run.id, each.step.id, 1) for each in (claimed(metadata), claimed(metadata))]
    holding = Holding(metadata, "w1")
    assert holding.to_stop([]) == set()
    assert holding.to_stop(keys) == set()
    assert holding.to_stop([*keys, (run.id, "003", 1)]) == {(run.id, "003", 1)}
