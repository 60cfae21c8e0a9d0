"""What a process counts, and when it reports it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core import metering
from taskmgr_core.errors import StoreError
from taskmgr_core.metering import (
    BUILDS,
    FAILURES,
    FAMILIES,
    OTHER,
    RETRIES,
    STEPS,
    WAIT_SECONDS,
    Meter,
)
from taskmgr_core.specs import Claim, Failure, GraphStep, Outcome, Step
from taskmgr_core.stores.counters import added

STEP = GraphStep("001", "echo", "1.0", "default", 5, 60.0, 512, 0, {}, ("said",), ())


@attrs.define
class Kept:
    """A store that keeps what it is told, and is away when it is told to be."""

    counts: dict[str, dict[str, float]] = attrs.field(factory=dict)
    writes: int = 0
    away: bool = False

    def report(
        self, owner: str, counts: Mapping[str, float], now: float, *, last: bool = False
    ) -> None:
        """Keep it."""
        if self.away:
            raise StoreError("away")
        self.writes += 1
        self.counts[owner] = dict(counts)

    def totals(self) -> dict[str, float]:
        """The sums."""
        return added(*self.counts.values())


def claimed(**more: Any) -> Claim:
    """A claim of a step that waited for two seconds."""
    step = Step("r", "001", "echo", "1.0", "default", 5, "running", ready_at=10.0, started_at=12.0)
    return Claim(attrs.evolve(step, **more), STEP, {})


def counted(*outcomes: Outcome) -> dict[str, float]:
    """What is counted of some attempts."""
    store = Kept()
    meter = Meter(store)
    for each in outcomes:
        meter.step_ended(claimed(), each)
    meter.report(1.0)
    return store.totals()


def test_attempt_is_counted_by_what_came_of_it() -> None:
    """One that is tried again is a failure and a retry; the step ends with its last attempt."""
    again = Outcome("ready", seconds={"total": 0.3}, failure=Failure("timeout", "slow"))
    found = counted(again, Outcome("succeeded", seconds={"compute": 0.2, "total": 0.25}))
    assert found[RETRIES.key(["echo"])] == 1
    assert found[FAILURES.key(["echo", "timeout"])] == 1
    assert found[STEPS.key(["echo", "succeeded"])] == 1
    assert STEPS.key(["echo", "ready"]) not in found
    assert found["taskmgr_step_seconds\techo\t0.5"] == 1
    assert found["taskmgr_step_seconds\techo\t0.25"] == 1
    assert found["taskmgr_step_seconds_sum\techo"] == pytest.approx(0.55)
    assert found["taskmgr_stage_seconds\techo\tcompute"] == pytest.approx(0.2)
    assert found["taskmgr_step_wait_seconds_sum\tdefault"] == 4


def test_beginning_of_a_map_and_a_cancellation_are_no_failures() -> None:
    """A step that begins with its elements has not ended; a cancelled one has not failed."""
    cancelled = Outcome("cancelled", failure=Failure("cancelled", "cancelled"))
    found = counted(Outcome("mapping", seconds={"total": 1.0}), cancelled)
    assert found[STEPS.key(["echo", "cancelled"])] == 1
    assert not any(key.startswith((FAILURES.name, "taskmgr_step_seconds")) for key in found)


def test_wait_begins_when_a_retry_is_due() -> None:
    """The delay of a retry is no waiting for a worker."""
    store = Kept()
    meter = Meter(store)
    meter.step_ended(claimed(not_before=11.5), Outcome("succeeded"))
    meter.report(1.0)
    assert store.totals()[WAIT_SECONDS.key(["default"], "_sum")] == 0.5


def test_nothing_is_written_when_nothing_has_happened() -> None:
    """A worker that is idle costs the store no write."""
    store = Kept()
    meter = Meter(store)
    meter.report(1.0)
    assert store.writes == 0
    meter.run_ended("failed")
    meter.report(2.0)
    meter.report(3.0)
    assert store.writes == 1


def test_what_could_not_be_reported_is_reported_later() -> None:
    """A store that is away for a while loses no count."""
    store = Kept(away=True)
    meter = Meter(store)
    meter.run_ended("failed")
    with pytest.raises(StoreError):
        meter.report(1.0)
    store.away = False
    meter.run_ended("failed")
    meter.report(2.0)
    assert store.totals() == {"taskmgr_runs\tfailed": 2}


def test_series_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where names grow without end the later ones are counted together."""
    monkeypatch.setattr(metering, "MOST_SERIES", 3)
    store = Kept()
    meter = Meter(store)
    for number in range(10):
        meter.add(RETRIES, f"task {number}")
    meter.report(1.0)
    assert store.totals()[RETRIES.key([OTHER])] == 7
    assert len(store.totals()) == 4


def test_families_have_names_of_their_own() -> None:
    """No family is named like a part of another."""
    names = [each.name for each in FAMILIES] + [f"{each.name}_sum" for each in FAMILIES]
    assert len(set(names)) == len(names)


@given(st.lists(st.floats(0, 10_000), min_size=1))
def test_every_duration_is_in_one_bucket(seconds: list[float]) -> None:
    """The first whose bound it does not pass."""
    store = Kept()
    meter = Meter(store)
    for each in seconds:
        meter.observe(BUILDS, each, "built")
    meter.report(1.0)
    buckets = {key: it for key, it in store.totals().items() if key.count("\t") == 2}
    assert sum(buckets.values()) == len(seconds)
    below = sum(it for key, it in buckets.items() if float(key.rpartition("\t")[2]) <= 5)
    assert below == sum(each <= 5 for each in seconds)
