"""How much goes through queues and tasks, from the times of the newest runs' steps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import attrs

from taskmgr_core.specs import StepTimes

WINDOW_SECONDS = 900.0
BUCKETS = 10


@attrs.frozen
class Window:
    """The span that rates are of: at most a quarter of an hour, less where much happens.

    Attributes:
        since, until: UTC seconds.
    """

    since: float
    until: float

    @classmethod
    def of(cls, times: Iterable[StepTimes], now: float, *, whole: bool) -> Window:
        """The window of which nothing is missing.

        Arguments:
            times: of the newest runs.
            now: UTC seconds.
            whole: whether there are no more runs than these.
        """
        longest = now - WINDOW_SECONDS
        if whole:
            return cls(longest, now)
        first = min((each.ready_at for each in times if each.ready_at is not None), default=now)
        return cls(min(max(longest, first), now - 1), now)

    @property
    def minutes(self) -> float:
        """How long it is."""
        return (self.until - self.since) / 60

    def holds(self, moment: float | None) -> bool:
        """Whether a moment lies in it."""
        return moment is not None and self.since <= moment <= self.until

    def buckets(self, moments: Iterable[float | None]) -> tuple[int, ...]:
        """How many moments lie in each of its equal parts, the oldest part first."""
        counts = [0] * BUCKETS
        for each in moments:
            if each is not None and self.holds(each):
                share = (each - self.since) / (self.until - self.since)
                counts[min(int(share * BUCKETS), BUCKETS - 1)] += 1
        return tuple(counts)


@attrs.frozen
class Flow:
    """What goes through a queue, each by the minute.

    Attributes:
        ended: how many steps ended in each part of the window.
    """

    came: float
    went: float
    failed: float
    ended: tuple[int, ...]


@attrs.frozen
class Figures:
    """How a task does.

    Attributes:
        per_minute: how many of its steps end in a minute.
        count, failed: steps that ended in the window, and those of them that failed.
        seconds: the 50th, 95th and 99th percentile; empty where none ended.
        ended: how many ended in each part of the window.
    """

    task: str
    per_minute: float
    count: int
    failed: int
    seconds: tuple[float, float, float] | None
    ended: tuple[int, ...]


def flow_of(times: Sequence[StepTimes], queue: str, window: Window) -> Flow:
    """What went through a queue."""
    own = [each for each in times if each.queue == queue]
    came = sum(window.holds(each.ready_at) for each in own)
    ended = [each for each in own if _worked(each) and window.holds(each.finished_at)]
    failed = sum(each.status == "failed" for each in ended)
    minutes = window.minutes
    return Flow(
        came / minutes,
        len(ended) / minutes,
        failed / minutes,
        window.buckets(each.finished_at for each in ended),
    )


def figures_of(times: Sequence[StepTimes], window: Window) -> list[Figures]:
    """How each task did, the busiest first."""
    ended: dict[str, list[StepTimes]] = {}
    for each in times:
        if _worked(each) and window.holds(each.finished_at):
            ended.setdefault(each.task, []).append(each)
    found = [
        Figures(
            task,
            len(own) / window.minutes,
            len(own),
            sum(each.status == "failed" for each in own),
            percentiles([each.seconds for each in own if each.seconds is not None]),
            window.buckets(each.finished_at for each in own),
        )
        for task, own in ended.items()
    ]
    return sorted(found, key=lambda each: (-each.count, each.task))


def percentiles(seconds: Sequence[float]) -> tuple[float, float, float] | None:
    """The 50th, 95th and 99th percentile, each one of the given numbers (nearest rank)."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    half, most, nearly_all = (
        ordered[max(math.ceil(len(ordered) * share) - 1, 0)] for share in (0.5, 0.95, 0.99)
    )
    return half, most, nearly_all


def _worked(step: StepTimes) -> bool:
    """Whether a worker ran it to its end: a step that was skipped says nothing of its task."""
    return step.seconds is not None and step.status in ("succeeded", "failed")
