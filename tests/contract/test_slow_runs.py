"""Runs that are slow are found once, whoever looks, on every store."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
from samples import NOW, claimed, first_step, graph, graph_step

from taskmgr_core import slow_runs
from taskmgr_core.notification_rules import SlowRule
from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.run_ids import earliest_id
from taskmgr_core.slow_runs import ENOUGH, LOOK_SECONDS, SlowRuns
from taskmgr_core.specs import Outcome, Run
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_plugins.events import Notification

LONG = SlowRule("long", seconds=60.0)
USUAL = SlowRule("usual", names=("face_*",), times_p95=3.0)


@attrs.define
class Clock:
    """The time that those have who look."""

    now: float = NOW

    def __call__(self) -> float:
        """UTC seconds."""
        return self.now


def begun(metadata: MetadataStore, at: float, name: str = "sample") -> str:
    """A run that began at some time, with an id as it would have; its id."""
    run_id = f"{earliest_id(at)}-7000-8000-000000000001"
    run = Run(run_id, name, "pipeline", graph(graph_step(), name=name), "running", at)
    metadata.create_run(run, [first_step(run, graph_step(), at)], [])
    return run_id


def ended(metadata: MetadataStore, at: float, seconds: float, name: str) -> str:
    """A run that began at some time and succeeded; its id."""
    run_id = begun(metadata, at, name)
    claim = claimed(metadata, now=at)
    metadata.finish(claim, Outcome("succeeded"), decide, at + seconds)
    assert metadata.status(run_id) == "succeeded"
    return run_id


def looks(found: SlowRuns, clock: Clock, *moments: float) -> list[list[str]]:
    """The runs that are found at some moments."""
    told = []
    for each in moments:
        clock.now = NOW + each
        told.append([note.run for note in found.running()])
    return told


def test_run_is_told_of_when_it_takes_too_long(metadata: MetadataStore) -> None:
    """Not before, and once; one that began later is told of when its own time is over."""
    clock = Clock()
    found = SlowRuns(metadata, [LONG], clock)
    first, second = begun(metadata, NOW), begun(metadata, NOW + 30)
    assert looks(found, clock, 59, 65, 70, 89, 95, 500) == [[], [first], [], [], [second], []]


def test_one_of_several_that_look_tells(open_metadata: Callable[[], MetadataStore]) -> None:
    """The others, and whoever comes later, find it told."""
    clock = Clock(NOW + 100)
    one, other, late = (SlowRuns(open_metadata(), [LONG], clock) for _ in range(3))
    run = begun(one.metadata, NOW)
    told = [note for each in (one, other) for note in each.running()]
    assert [each.run for each in told] == [run]
    assert told[0] == Notification(
        "run-slow",
        f"run {run} (sample) has been running for 100 s: more than the 60 s of the rule long",
        NOW + 100,
        run=run,
        task="sample",
    )
    clock.now += 1000
    assert late.running() == []


def test_run_that_ended_in_between_is_told_of_at_its_end(metadata: MetadataStore) -> None:
    """Unless it was told of while it ran; one that was quick never is."""
    clock = Clock()
    found = SlowRuns(metadata, [LONG], clock)
    slow = metadata.summary(ended(metadata, NOW, 61, "sample"))
    quick = metadata.summary(ended(metadata, NOW + 1, 59, "sample"))
    notes = [found.ended(each) for each in (quick, slow, slow)]
    assert [each and each.run for each in notes] == [None, slow.id, None]
    assert notes[1] is not None
    assert "took 61 s" in notes[1].message


def test_usual_is_what_most_of_the_latest_needed(metadata: MetadataStore) -> None:
    """Three times of it is slow; of a name without enough runs nobody knows, nor of others."""
    clock = Clock(NOW + 500)
    for number in range(ENOUGH - 1):
        ended(metadata, NOW + number * 10, 2.0, "face_finding")
    assert SlowRuns(metadata, [USUAL], clock).limit("face_finding") is None
    ended(metadata, NOW + 200, 4.0, "face_finding")
    found = SlowRuns(metadata, [USUAL], clock)
    limit = found.limit("face_finding")
    assert limit is not None
    assert limit.seconds == pytest.approx(12.0)
    assert found.limit("sample") is None
    run = begun(metadata, NOW + 488.5, "face_finding")
    begun(metadata, NOW + 1, "sample")
    assert looks(found, clock, 500, 506) == [[], [run]]


def test_backlog_is_gone_through_page_by_page(
    metadata: MetadataStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look reads one page; the next goes on behind it, and then from the front again."""
    monkeypatch.setattr(slow_runs, "PAGE", 2)
    clock = Clock()
    found = SlowRuns(metadata, [LONG], clock)
    runs = [begun(metadata, NOW + number) for number in range(3)]
    moments = [100 + number * LOOK_SECONDS for number in range(4)]
    assert looks(found, clock, *moments) == [[runs[2], runs[1]], [runs[0]], [], []]


def test_without_a_rule_nothing_is_read(metadata: MetadataStore) -> None:
    """Who does not use it pays nothing: the store may even be closed."""
    found = SlowRuns(metadata)
    metadata.close()
    assert found.running() == []
