"""Counts what a process does, and reports it to the store with the beat of its worker.

Counting is an addition in memory. What is reported is the whole count since the process
began, so that a report which is repeated counts nothing twice; the store adds up the
processes. A process that is killed takes what it has counted since its last report with it.
"""

from __future__ import annotations

import bisect
import os
import threading
import time
from collections.abc import Mapping, Sequence

import attrs
import uuid_utils

from taskmgr_core.specs import SPLIT_STATUSES, Claim, Outcome, RunStatus, Step
from taskmgr_core.stores.counters import SILENT_SECONDS, CounterStore

# Series of one process; beyond, their labels are ``OTHER``, so that nothing grows without end.
MOST_SERIES = 20_000
OTHER = "other"
# A process that was silent for so long reports under a new name.
_ANEW_SECONDS = SILENT_SECONDS / 4
_BETWEEN = "\t"


def key_of(parts: Sequence[str]) -> str:
    """What a series is called in the store, from its name and labels."""
    return _BETWEEN.join([each.replace(_BETWEEN, " ") for each in parts])


@attrs.frozen
class Family:
    """Counters of one name.

    Attributes:
        name: as Prometheus has it, without ``_total``.
        help: what it counts.
        labels: the names of its labels.
        bounds: the upper bounds of the buckets of a histogram, in seconds; empty for a counter.
        sums: what the sums of a histogram are called.
        marks: the bounds as texts, the one above all included.
    """

    name: str
    help: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...] = ()

    sums: str = attrs.field(init=False)
    marks: tuple[str, ...] = attrs.field(init=False)

    @sums.default
    def _sums(self) -> str:
        return f"{self.name}_sum"

    @marks.default
    def _marks(self) -> tuple[str, ...]:
        return (*(f"{each:g}" for each in self.bounds), "+Inf")

    def key(self, labels: Sequence[str], part: str = "") -> str:
        """What a series is called in the store."""
        return key_of([self.name + part, *labels])


_STEP_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_BUILD_BOUNDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)

STEPS = Family(
    "taskmgr_steps",
    "Steps that ended, by task and by how; a step that is tried again has not ended.",
    ("task", "status"),
)
STEP_SECONDS = Family(
    "taskmgr_step_seconds",
    "Seconds of each attempt at a step, from its claim until its outcome.",
    ("task",),
    _STEP_BOUNDS,
)
WAIT_SECONDS = Family(
    "taskmgr_step_wait_seconds",
    "Seconds that a step was due before a worker claimed it.",
    ("queue",),
    _STEP_BOUNDS,
)
STAGE_SECONDS = Family(
    "taskmgr_stage_seconds",
    "Seconds spent in the stages of attempts: environment, start, load, inputs, compute, outputs.",
    ("task", "stage"),
)
FAILURES = Family(
    "taskmgr_attempt_failures",
    "Attempts that failed, by task and code; those that are tried again are among them.",
    ("task", "code"),
)
RETRIES = Family("taskmgr_step_retries", "Attempts that failed and are tried again.", ("task",))
RECOVERIES = Family(
    "taskmgr_step_recoveries", "Steps that were taken back from a worker that is lost.", ("task",)
)
RUNS = Family("taskmgr_runs", "Runs that ended, by how.", ("status",))
BUILDS = Family(
    "taskmgr_environment_build_seconds",
    "Seconds of each building of a virtualenv, by whether it was built.",
    ("result",),
    _BUILD_BOUNDS,
)
# What is counted besides, as the hits of a cache, is a family here and a call of ``Meter.add``.
FAMILIES = (
    STEPS, STEP_SECONDS, WAIT_SECONDS, STAGE_SECONDS, FAILURES, RETRIES, RECOVERIES, RUNS, BUILDS,
)  # fmt: skip


class Meter:
    """The counters of one process. Safe to use from many threads.

    Arguments:
        store: where they are reported; None to count for nobody.
    """

    def __init__(self, store: CounterStore | None = None) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._reporting = threading.Lock()
        self._counts: dict[tuple[str, ...], float] = {}
        self._reported: dict[str, float] = {}
        self._begun: dict[str, float] = {}
        self._owner = ""
        self._last = 0.0
        self._pid = os.getpid()

    # what happens

    def step_ended(self, claim: Claim, outcome: Outcome) -> None:
        """What came of an attempt is recorded."""
        step = claim.step
        if outcome.status in SPLIT_STATUSES:
            return
        if outcome.status == "ready":
            self.add(RETRIES, step.task)
        else:
            self.add(STEPS, step.task, outcome.status)
        if outcome.failure is not None and outcome.status != "cancelled":
            self.add(FAILURES, step.task, outcome.failure.code)
        if "total" in outcome.seconds and outcome.status != "skipped":
            self.observe(STEP_SECONDS, outcome.seconds["total"], step.task)
        for stage, seconds in outcome.seconds.items():
            if stage != "total":
                self.add(STAGE_SECONDS, step.task, stage, value=max(seconds, 0.0))
        if step.started_at is not None and step.ready_at is not None:
            due = max(step.ready_at, step.not_before)
            self.observe(WAIT_SECONDS, max(step.started_at - due, 0.0), step.queue)

    def recovered(self, steps: Sequence[Step]) -> None:
        """Steps were taken back from workers that are lost."""
        for each in steps:
            self.add(RECOVERIES, each.task)

    def quarantined(self, step: Step) -> None:
        """A step was given up, because too many workers were lost over it."""
        self.add(STEPS, step.task, "failed")
        self.add(FAILURES, step.task, "quarantined")

    def run_ended(self, status: RunStatus) -> None:
        """The end of a run is recorded."""
        self.add(RUNS, status)

    def environment_built(self, seconds: float, *, built: bool) -> None:
        """A virtualenv was built, or could not be."""
        self.observe(BUILDS, seconds, "built" if built else "failed")

    def add(self, family: Family, *labels: str, value: float = 1.0) -> None:
        """Count one more."""
        with self._lock:
            self._add((family.name, *labels), value)

    def observe(self, family: Family, seconds: float, *labels: str) -> None:
        """Count a duration: in the first bucket that it fits into, and in the sum."""
        bound = family.marks[bisect.bisect_left(family.bounds, seconds)]
        with self._lock:
            self._add((family.name, *labels, bound), 1.0, kept=1)
            self._add((family.sums, *labels), seconds)

    def _add(self, key: tuple[str, ...], value: float, kept: int = 0) -> None:
        """Add to a series; where there are too many, to one for all others (some labels kept)."""
        if key not in self._counts and len(self._counts) >= MOST_SERIES:
            end = len(key) - kept
            key = (key[0], *[OTHER] * (end - 1), *key[end:])
        self._counts[key] = self._counts.get(key, 0.0) + value

    # the store

    def report(self, now: float | None = None, *, last: bool = False) -> None:
        """Report what was counted, if anything was since the last time.

        Arguments:
            now: UTC seconds.
            last: whether the process ends, as far as is known.

        Raises:
            StoreError: it is reported with the next one.
        """
        if self._store is None:
            return
        with self._reporting:
            with self._lock:
                counts = {key_of(key): value for key, value in self._counts.items()}
            if counts == self._reported:
                return
            now = time.time() if now is None else now
            if not self._owner or now - self._last > _ANEW_SECONDS or self._pid != os.getpid():
                self._owner, self._begun = str(uuid_utils.uuid7()), self._reported
                self._pid = os.getpid()
            self._store.report(self._owner, less(counts, self._begun), now, last=last)
            self._last, self._reported = now, counts
            if last:
                self._owner = ""


def less(counts: Mapping[str, float], begun: Mapping[str, float]) -> dict[str, float]:
    """What was counted since some counts were taken."""
    return {
        key: value - begun.get(key, 0.0)
        for key, value in counts.items()
        if value != begun.get(key, 0.0)
    }
