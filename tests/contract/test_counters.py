"""Counters as every metadata store keeps them: they never fall, whoever comes and goes."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from samples import NOW

from taskmgr_core.metering import RECOVERIES, Meter
from taskmgr_core.stores.counters import SILENT_SECONDS
from taskmgr_core.stores.metadata import MetadataStore

LATER = NOW + SILENT_SECONDS + 1


def test_totals_are_the_sums_over_all_owners(metadata: MetadataStore) -> None:
    """What an owner reports replaces what it reported before, and owners are added up."""
    assert metadata.counters.totals() == {}
    metadata.counters.report("a", {"x": 1, "y": 2}, NOW)
    metadata.counters.report("a", {"x": 3.5, "y": 2}, NOW + 1)
    metadata.counters.report("a", {"x": 3.5, "y": 2}, NOW + 1)
    metadata.counters.report("b", {"x": 10}, NOW)
    assert metadata.counters.totals() == {"x": 13.5, "y": 2}


@pytest.mark.parametrize("last", [True, False])
def test_totals_stay_when_owners_are_gone(metadata: MetadataStore, last: bool) -> None:
    """Who has ended, or was silent for long, still counts, and once."""
    for number in range(5):
        metadata.counters.report(f"old {number}", {"x": 1}, NOW, last=last)
    assert metadata.counters.totals() == {"x": 5}
    for number in range(3):
        metadata.counters.report(f"new {number}", {"x": 1}, LATER)
        assert metadata.counters.totals() == {"x": 6 + number}
    metadata.counters.report("newer", {"x": 1}, LATER + SILENT_SECONDS + 1)
    assert metadata.counters.totals() == {"x": 9}


def test_totals_never_fall_while_owners_come_and_go(
    metadata: MetadataStore, open_metadata: Callable[[], MetadataStore]
) -> None:
    """Who reads while others report, and the past is added up, sees no total get smaller."""
    seen: list[float] = []
    ended = threading.Event()
    reader = open_metadata()

    def read() -> None:
        while not ended.is_set():
            seen.append(reader.counters.totals().get("x", 0))

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(15):
        metadata.counters.report(f"{number}", {"x": 1}, NOW + number * SILENT_SECONDS * 0.6)
    ended.set()
    thread.join()
    assert seen == sorted(seen)
    assert metadata.counters.totals() == {"x": 15}


def test_meter_that_was_silent_for_long_counts_nothing_twice(metadata: MetadataStore) -> None:
    """It goes on under another name, for what it reported before is added to the past."""
    meter, other = Meter(metadata.counters), Meter(metadata.counters)
    meter.add(RECOVERIES, "echo")
    meter.report(NOW)
    other.add(RECOVERIES, "echo")
    other.report(LATER)
    meter.add(RECOVERIES, "echo")
    meter.report(LATER + 1)
    meter.add(RECOVERIES, "echo")
    meter.report(LATER + 2, last=True)
    meter.add(RECOVERIES, "echo")
    meter.report(LATER + 3)
    assert metadata.counters.totals() == {"taskmgr_step_recoveries\techo": 5}
