"""What goes on now: who works at what, what waits where, what came of it lately."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

import attrs

from taskmgr_core.errors import QueueError
from taskmgr_core.queue.base import Queue
from taskmgr_core.specs import Overview, Waiting, Worker
from taskmgr_core.specs.resources import as_text, fit
from taskmgr_core.stores.metadata import COUNTED, MetadataStore

WINDOW_SECONDS = 60.0


@attrs.frozen
class Line:
    """A queue, or the steps of one that need the same resources.

    Attributes:
        needs: what they need, as text.
        waiting: its ready steps; None when there are none.
        depth: how many messages wait at the broker; None where there is none.
        workers: how many living workers serve it.
    """

    queue: str
    needs: str
    waiting: Waiting | None
    depth: int | None
    workers: int


@attrs.frozen
class Picture:
    """The platform at one moment.

    Attributes:
        at: UTC seconds.
        workers: each with whether it is alive.
        overview: runs that run, and those that ended within the last minute.
        lines: the queues.
        problem: why the broker could not be asked; empty when it could.
    """

    at: float
    workers: tuple[tuple[Worker, bool], ...]
    overview: Overview
    lines: tuple[Line, ...]
    problem: str = ""

    @property
    def oldest(self) -> float | None:
        """UTC seconds since when the step that has waited longest is due."""
        moments = [each.waiting.oldest for each in self.lines if each.waiting is not None]
        return min((each for each in moments if each is not None), default=None)

    @property
    def counted_all(self) -> bool:
        """Whether the counts are whole, not cut off."""
        counts = [self.overview.running, *self.overview.ended.values()]
        steps = sum(e.waiting.ready + e.waiting.delayed for e in self.lines if e.waiting)
        return max([*counts, steps]) < COUNTED


def take(
    metadata: MetadataStore, queue: Queue, lost_after: float, now: float | None = None
) -> Picture:
    """Look once: a few queries, each bounded and served by an index.

    Arguments:
        metadata: asked for workers, runs and steps.
        queue: asked how many messages wait.
        lost_after: seconds without a beat until a worker counts as lost.
        now: UTC seconds of the look; the clock's when None.
    """
    now = time.time() if now is None else now
    workers = tuple((each, each.heartbeat >= now - lost_after) for each in metadata.workers())
    found = {(each.queue, as_text(each.resources)): each for each in metadata.waiting(now)}
    living = [each for each, alive in workers if alive and not each.private]
    keys = sorted({*found, *((name, "") for each in living for name in each.queues)})
    depths, problem = _depths(queue, keys)
    lines = tuple(
        Line(*key, found.get(key), depths.get(key), _serving(*key, found.get(key), living))
        for key in keys
    )
    return Picture(now, workers, metadata.overview(now - WINDOW_SECONDS), lines, problem)


def _depths(
    queue: Queue, keys: Collection[tuple[str, str]]
) -> tuple[Mapping[tuple[str, str], int], str]:
    try:
        return queue.depths(keys) or {}, ""
    except QueueError as error:
        return {}, str(error)


def _serving(name: str, _: str, waiting: Waiting | None, workers: Collection[Worker]) -> int:
    needs = {} if waiting is None else waiting.resources
    return sum(
        (not each.queues or name in each.queues) and fit(needs, each.resources) for each in workers
    )
