"""Finds the runs that take longer than a rule allows; each is told of once, whoever looks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence

import attrs
import uuid_utils

from taskmgr_core.notification_rules import SlowRule
from taskmgr_core.run_ids import earliest_id
from taskmgr_core.specs import RunSummary
from taskmgr_core.stores.metadata import MetadataStore, RunFilter
from taskmgr_core.stores.requests import KEPT_SECONDS, Answered
from taskmgr_plugins.events import Notification

# What is looked at, at once: a backlog is gone through page by page, one with each look.
PAGE = 200
LOOK_SECONDS = 5.0
# What usual is, is found from the latest runs that succeeded, and for a while.
HISTORY, ENOUGH, HISTORY_SECONDS = 100, 10, 60.0
# Those that were told of; the store knows them all, and is asked less often so.
_REMEMBERED = 10_000
# A key of a client has its workspace and a slash before it.
_KEY = "run-slow {}"


@attrs.frozen
class Limit:
    """How long runs may take.

    Attributes:
        seconds: that long.
        why: what says so.
    """

    seconds: float
    why: str


@attrs.define
class SlowRuns:
    """Looks for the runs of one store.

    Attributes:
        metadata: where they are.
        rules: what slow is; without any nothing is ever read.
        clock: UTC seconds.
    """

    metadata: MetadataStore
    rules: Sequence[SlowRule] = ()
    clock: Callable[[], float] = time.time
    _next_look: float = attrs.field(default=0.0, init=False)
    _before: str | None = attrs.field(default=None, init=False)
    _told: dict[str, None] = attrs.field(factory=dict, init=False)
    _usual: dict[str, tuple[float, float | None]] = attrs.field(factory=dict, init=False)

    def running(self) -> list[Notification]:
        """The runs that have become slow while they run; looked for once in five seconds.

        Raises:
            StoreError: the store cannot be asked.
        """
        now = self.clock()
        if not self.rules or now < self._next_look:
            return []
        self._next_look = now + LOOK_SECONDS
        # No run that began later can be slow by any rule.
        least = min(each.seconds if not each.times_p95 else 0.0 for each in self.rules)
        before = self._before or earliest_id(now - least)
        page = self.metadata.runs(RunFilter("running", before=before, limit=PAGE))
        self._before = page[-1].id if len(page) == PAGE else None
        return [found for run in page if (found := self._found(run, now)) is not None]

    def ended(self, run: RunSummary) -> Notification | None:
        """Whether a run that has ended was slow, and nobody was told while it ran.

        Raises:
            StoreError: the store cannot be asked.
        """
        if run.finished_at is None or run.status == "cancelled":
            return None
        return self._found(run, run.finished_at)

    def limit(self, name: str) -> Limit | None:
        """How long runs of a pipeline or task may take; None where no rule says so."""
        return min(self._limits(name), key=lambda each: each.seconds, default=None)

    def _limits(self, name: str) -> Iterator[Limit]:
        for rule in self.rules:
            if not rule.concerns(name):
                continue
            if rule.seconds:
                yield Limit(
                    rule.seconds, f"more than the {rule.seconds:g} s of the rule {rule.name}"
                )
            usual = self._p95(name) if rule.times_p95 else None
            if usual is not None:
                seconds = rule.times_p95 * usual
                yield Limit(
                    seconds,
                    f"more than {rule.times_p95:g} times the {usual:.3g} s that 95% of the latest "
                    f"needed, as the rule {rule.name} has it",
                )

    def _p95(self, name: str) -> float | None:
        """What 95% of the latest runs needed, in seconds; None while there are too few."""
        now = self.clock()
        kept_until, found = self._usual.get(name, (0.0, None))
        if now >= kept_until:
            runs = self.metadata.runs(RunFilter("succeeded", name, limit=HISTORY))
            found = p95([e.finished_at - e.created_at for e in runs if e.finished_at is not None])
            self._usual[name] = (now + HISTORY_SECONDS, found)
        return found

    def _found(self, run: RunSummary, now: float) -> Notification | None:
        """The notification of a run that is slow, unless somebody was told of it before."""
        seconds = now - run.created_at
        if run.id in self._told:
            return None
        limit = self.limit(run.name)
        if limit is None or seconds <= limit.seconds or not self._is_first(run.id):
            return None
        took = "has been running for" if run.finished_at is None else "took"
        return Notification(
            "run-slow",
            f"run {run.id} ({run.name}) {took} {seconds:.3g} s: {limit.why}",
            now,
            run=run.id,
            task=run.name,
        )

    def _is_first(self, run_id: str) -> bool:
        """Whether nobody has told of it: of several that find out at once one may."""
        mine = Answered(_KEY.format(run_id), str(uuid_utils.uuid4()), run_id, self.clock())
        first = self.metadata.requests.begin(mine, KEPT_SECONDS).fingerprint == mine.fingerprint
        self._told[run_id] = None
        while len(self._told) > _REMEMBERED:
            self._told.pop(next(iter(self._told)))
        return first


def p95(seconds: Sequence[float]) -> float | None:
    """The 95th percentile, one of the given numbers (nearest rank); None of fewer than ten."""
    if len(seconds) < ENOUGH:
        return None
    return sorted(seconds)[math.ceil(len(seconds) * 0.95) - 1]
