"""Runs, steps and lists of them, in every metadata store."""

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from samples import (
    NOW,
    claimed,
    created,
    finished,
    first_step,
    graph,
    graph_step,
    run_id,
    status_of,
    value,
)

from taskmgr_core.errors import NotFoundError, TaskmgrError
from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.specs import Failure, Outcome, Run, RunSummary
from taskmgr_core.stores.metadata import MetadataStore, RunFilter


def test_run_is_read_back_as_it_was(metadata: MetadataStore) -> None:
    """A run, its steps in the graph's order and its inputs are given back whole."""
    steps = (graph_step("002"), graph_step("001", queue="gpu", priority=9))
    said = value("text", {"nested": [1, 2.5, None, "ü"]})
    run = created(metadata, *steps, values=[said])
    assert metadata.run(run.id) == run
    assert metadata.steps(run.id) == [first_step(run, each, NOW) for each in steps]
    assert metadata.values(run.id) == [said]
    assert metadata.edges(run.id) == []


def test_run_id_taken_is_refused_whole(metadata: MetadataStore) -> None:
    """A second run of the same id is an error, and leaves the first one as it was."""
    run = created(metadata, graph_step("001"))
    with pytest.raises(TaskmgrError):
        created(metadata, graph_step("001"), graph_step("002"), values=[value("text", "late")])
    assert [each.id for each in metadata.steps(run.id)] == ["001"]
    assert metadata.values(run.id) == []


def test_run_is_seen_by_others(open_metadata: Callable[[], MetadataStore]) -> None:
    """What one process recorded another one finds at once."""
    one, other = open_metadata(), open_metadata()
    run = created(one)
    assert other.run(run.id) == run


# one run


def test_run_is_found_by_parts_of_its_id(metadata: MetadataStore) -> None:
    """The whole id, an unambiguous beginning and the last eight characters name a run."""
    first, second = created(metadata, number=1), created(metadata, number=0x4002)
    for part in (second.id, second.id[:8], second.id[:-1], second.id[-8:], second.id.upper()):
        assert metadata.run(part) == second, part
    assert metadata.run(first.id[-8:]) == first


def test_ambiguous_beginning_is_refused(metadata: MetadataStore) -> None:
    """A beginning that several runs have names none of them."""
    for number in (1, 2):
        created(metadata, number=number)
    with pytest.raises(NotFoundError, match=r"several runs .*'0197'; give more"):
        metadata.run("0197")


@pytest.mark.parametrize("part", ["", "ffffffff", "0198", "%", "_", "0000-7000", "~", " "])
def test_unknown_run_says_where_to_look(metadata: MetadataStore, part: str) -> None:
    """What names no run is answered with how runs are named and listed."""
    created(metadata)
    with pytest.raises(NotFoundError, match=r"no run .*`taskmgr runs` .*last 8"):
        metadata.run(part)


def test_steps_of_unknown_run_are_none(metadata: MetadataStore) -> None:
    """Nothing is recorded of a run that is not there."""
    created(metadata)
    unknown = run_id(77)
    assert metadata.steps(unknown) == []
    assert metadata.values(unknown) == []
    assert metadata.edges(unknown) == []
    assert metadata.log(unknown) == []


@pytest.mark.parametrize("operation", ["request_cancel", "reconcile"])
def test_change_of_unknown_run_is_refused(metadata: MetadataStore, operation: str) -> None:
    """A run that is not there can neither be cancelled nor reconciled; the message names it."""
    with pytest.raises(NotFoundError, match=run_id(77)):
        getattr(metadata, operation)(run_id(77), decide, NOW)


# lists


def summary(run: Run, **changed: Any) -> RunSummary:
    """A run as lists show it, its only step ready."""
    listed = RunSummary(
        id=run.id,
        name=run.name,
        kind=run.kind,
        status=run.status,
        created_at=run.created_at,
        finished_at=None,
        cancel_requested=False,
        failure=None,
        steps={"ready": 1},
    )
    return attrs.evolve(listed, **changed)


def test_runs_are_listed_newest_first(metadata: MetadataStore) -> None:
    """The list is in the order of the ids, the last one first."""
    made = [created(metadata, number=number) for number in (2, 3, 1)]
    expected = sorted(made, key=lambda run: run.id, reverse=True)
    assert metadata.runs(RunFilter()) == [summary(run) for run in expected]


def test_runs_are_listed_with_how_far_they_are(metadata: MetadataStore) -> None:
    """A run's entry counts its steps by status, and says when and why it ended."""
    run = created(metadata, graph_step("001"), graph_step("002", ["001"]))
    created(metadata, number=2, now=NOW + 1)
    failure = Failure("task-error", "boom", "Traceback ...", {"exit": "1"})
    finished(metadata, claimed(metadata), Outcome("failed", failure=failure), NOW + 5)
    listed = metadata.runs(RunFilter(status="failed"))
    assert listed == [
        summary(
            run,
            status="failed",
            finished_at=NOW + 5,
            failure=Failure("task-error", "step 001 (echo 1.0): boom"),
            steps={"failed": 1, "skipped": 1},
        )
    ]


def test_runs_are_filtered(metadata: MetadataStore) -> None:
    """A status, a name, or both leave the runs that have them."""
    for number, name in enumerate(["one", "two", "one"]):
        created(metadata, number=number, name=name)
    finished(metadata, claimed(metadata))
    expected = {
        (None, None): [2, 1, 0],
        ("running", None): [2, 1],
        ("succeeded", None): [0],
        (None, "one"): [2, 0],
        ("running", "one"): [2],
        ("failed", "one"): [],
        (None, "on"): [],
    }
    for (status, only), numbers in expected.items():
        listed = metadata.runs(RunFilter(status=status, name=only))  # type: ignore[arg-type]
        assert [each.id for each in listed] == [run_id(each) for each in numbers], (status, only)


@pytest.mark.parametrize("wanted", [RunFilter(), RunFilter("running"), RunFilter(name="sample")])
def test_runs_are_paged(metadata: MetadataStore, wanted: RunFilter) -> None:
    """Page after page every run comes once, while new ones arrive."""
    for number in range(7):
        created(metadata, number=number)
    pages: list[list[str]] = []
    before: str | None = None
    while page := metadata.runs(attrs.evolve(wanted, before=before, limit=3)):
        pages.append([each.id for each in page])
        before = page[-1].id
        created(metadata, number=100 + len(pages))
    assert pages == [
        [run_id(6), run_id(5), run_id(4)],
        [run_id(3), run_id(2), run_id(1)],
        [run_id(0)],
    ]


# cancelling


def test_cancelled_run_ends_what_has_not_begun(metadata: MetadataStore) -> None:
    """Steps that wait are cancelled at once, and with them a run of which nothing runs."""
    run = created(metadata, graph_step("001"), graph_step("002", ["001"]))
    progress = metadata.request_cancel(run.id, decide, NOW + 3)
    assert progress.run_status == "cancelled"
    assert progress.ready == ()
    assert status_of(metadata, run) == {"001": "cancelled", "002": "cancelled", "run": "cancelled"}
    ended = metadata.run(run.id)
    assert ended.cancel_requested
    assert ended.finished_at == NOW + 3
    assert metadata.claim("w1", (), NOW + 3) is None


def test_cancelled_run_waits_for_what_runs(metadata: MetadataStore) -> None:
    """A running step keeps its claim and is told; the run ends with it."""
    run = created(metadata, graph_step("001"), graph_step("002", ["001"]))
    claim = claimed(metadata)
    assert metadata.request_cancel(run.id, decide, NOW).run_status == "running"
    assert status_of(metadata, run) == {"001": "running", "002": "cancelled", "run": "running"}
    assert [each.cancel_requested for each in metadata.holds("w1")] == [True]
    progress = finished(metadata, claim, Outcome("cancelled"))
    assert progress.recorded
    assert progress.run_status == "cancelled"


def test_retry_of_cancelled_run_is_not_tried(metadata: MetadataStore) -> None:
    """An attempt that would be tried again is cancelled when its run is to be."""
    run = created(metadata)
    claim = claimed(metadata)
    metadata.request_cancel(run.id, decide, NOW)
    progress = finished(metadata, claim, Outcome("ready", not_before=NOW + 1))
    assert progress.run_status == "cancelled"
    assert status_of(metadata, run) == {"001": "cancelled", "run": "cancelled"}


def test_cancelling_after_the_end_changes_nothing(metadata: MetadataStore) -> None:
    """A run that has ended stays as it is; asking twice is like asking once."""
    run = created(metadata)
    finished(metadata, claimed(metadata))
    ended = metadata.run(run.id)
    for _ in range(2):
        assert metadata.request_cancel(run.id, decide, NOW + 9).run_status == "succeeded"
        assert metadata.run(run.id) == ended


def test_graph_is_kept_exactly(metadata: MetadataStore) -> None:
    """The stored graph compiles to the same steps, joins and schemas, constants included."""
    run = created(metadata, graph_step("001"), graph_step("002", ["001"]))
    assert metadata.run(run.id).graph == graph(graph_step("001"), graph_step("002", ["001"]))
