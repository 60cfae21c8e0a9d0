"""Counters of what processes have done: what every metadata store promises."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

# What a process has reported is added to the past when it has been silent for so long. No process
# reports under one name after a quarter of this (see ``metering``), however clocks differ.
SILENT_SECONDS = 7200.0


class CounterStore(Protocol):
    """Counters that only grow, over all processes and their restarts."""

    def report(
        self, owner: str, counts: Mapping[str, float], now: float, *, last: bool = False
    ) -> None:
        """Record what an owner has counted in all: one write, which may be repeated.

        Arguments:
            owner: a name that no other process has.
            counts: name -> count since the owner began; none is smaller than it was.
            now: UTC seconds.
            last: whether it reports nothing more.
        """

    def totals(self) -> dict[str, float]:
        """The sums over all owners, those of the past included. None ever gets smaller."""


def added(*counted: Mapping[str, float]) -> dict[str, float]:
    """The sums of counts."""
    sums: Counter[str] = Counter()
    for each in counted:
        sums.update(each)
    return dict(sums)


def to_text(counts: Mapping[str, float]) -> str:
    """Counts as they are stored."""
    return json.dumps(counts, allow_nan=False, sort_keys=True)


def from_texts(texts: Iterable[str]) -> dict[str, float]:
    """The sums of counts as they are stored; what cannot be read counts for nothing."""
    return added(*(_read(each) for each in texts))


def _read(text: str) -> dict[str, float]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
