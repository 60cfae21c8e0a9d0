"""What a screen that is kept open asks of the platform, and how it hears of changes.

Every question costs the same with a long history as with a short one. A screen may ask
from any thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import attrs

from taskmgr_core.client import Client
from taskmgr_core.errors import InvalidValueError
from taskmgr_core.health import ServiceHealth
from taskmgr_core.monitoring import Picture, take
from taskmgr_core.run_ids import new_run_id
from taskmgr_core.specs import (
    FINAL_STEP_STATUSES,
    LogLine,
    Run,
    RunDetail,
    RunStatus,
    RunSummary,
    StepTimes,
    TaskVersion,
)
from taskmgr_core.stores.metadata import MetadataStore, RunFilter
from taskmgr_core.tracing import Page, Trace
from taskmgr_core.values import fetched

# The steps of so many runs are what rates and percentiles are made from.
LATEST_RUNS = 100
LOG_PAGE = 1000
TRACE_PAGE = 20


@attrs.define
class LatestTimes:
    """The times of the newest runs' steps; those of a run that has ended are read once.

    Threads may look at the same time: each takes what is known as it finds it.
    """

    _ended: Mapping[str, tuple[StepTimes, ...]] = attrs.field(factory=dict, init=False)

    def look(self, metadata: MetadataStore) -> list[StepTimes]:
        """The steps of the newest runs, the newest run first."""
        ended = self._ended
        runs = dict(ended)
        for run, steps in groupby(metadata.latest_times(LATEST_RUNS, ended), lambda each: each.run):
            runs[run] = tuple(steps)
        newest = sorted(runs, reverse=True)[:LATEST_RUNS]
        self._ended = {
            run: runs[run]
            for run in newest
            if run in ended or all(step.status in FINAL_STEP_STATUSES for step in runs[run])
        }
        return [step for run in newest for step in runs[run]]


@attrs.frozen
class Watcher:
    """Looks at a platform again and again, and does what a user asks for while looking.

    Attributes:
        client: whose platform it is.
        services: asks each service how it is; it may take seconds.
        clock: UTC seconds.
    """

    client: Client
    services: Callable[[], list[ServiceHealth]]
    clock: Callable[[], float] = time.time
    _latest: LatestTimes = attrs.field(factory=LatestTimes, init=False, repr=False)

    # changes

    def changes(self, run_id: str | None = None) -> int:
        """A number that grows with the changes of a run, or with those that workers hear of."""
        return self.client.queue.changes(run_id)

    def wait(self, seen: int, timeout: float, run_id: str | None = None) -> int:
        """Wait until ``changes`` is above ``seen``, or for so many seconds."""
        return self.client.queue.wait(seen, timeout, run_id)

    def wake(self) -> None:
        """End every wait."""
        self.client.queue.wake()

    # looking

    def picture(self) -> Picture:
        """Workers, queues and counts as they are now."""
        client = self.client
        return take(client.metadata, client.queue, client.lost_after, self.clock())

    def latest_times(self) -> list[StepTimes]:
        """When the steps of the newest runs became ready, began and ended."""
        return self._latest.look(self.client.metadata)

    def runs(
        self,
        *,
        status: RunStatus | None = None,
        name: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> list[RunSummary]:
        """A page of runs, newest first.

        Arguments:
            status: only these; None for all.
            name: only runs of this pipeline or task.
            before: only runs with smaller ids.
            limit: how many at most.
        """
        return self.client.runs(RunFilter(status, name, before, limit))

    def run(self, run_id: str) -> RunDetail:
        """Everything that is recorded of a run but its log.

        Raises:
            NotFoundError: no such run, or several.
        """
        return self.client.detail(run_id)

    def log(self, run_id: str, after: int = 0) -> list[LogLine]:
        """The next lines of a run's log, at most ``LOG_PAGE``.

        Arguments:
            run_id: the run's full id.
            after: the number of the last line that is known.
        """
        return self.client.metadata.log(run_id, after, LOG_PAGE)

    def file(self, digest: str) -> Path:
        """The file with the content of a digest, on this machine; it may have to be fetched.

        Raises:
            ArtifactError: it is absent or damaged.
        """
        return self.client.artifacts.local_path(digest)

    def tasks(self) -> list[TaskVersion]:
        """Every published task in the version that new runs get."""
        return self.client.tasks()

    def names(self) -> list[str]:
        """What runs can be of: every published pipeline and task."""
        pipelines = [each.pipeline for each in self.client.pipelines()]
        return [*pipelines, *(each.name for each in self.client.tasks())]

    def trace(self, digest: str) -> Trace:
        """What a value came from and led to, over all runs; see ``Client.trace``."""
        return self.client.trace(digest, TRACE_PAGE)

    def trace_further(self, cursor: str) -> Page:
        """The next page of a trace; see ``Client.trace_further``."""
        return self.client.trace_further(cursor, TRACE_PAGE)

    # doing

    def cancel(self, run_id: str) -> RunSummary:
        """Ask for a run to be cancelled; see ``Client.cancel``."""
        return self.client.cancel(run_id)

    def again(self, run_id: str) -> str:
        """Submit a new run of the same pipeline or task with the inputs of a run.

        It gets the versions that new runs get now; the old run stays as it is.

        Returns:
            The new run's id.

        Raises:
            NotFoundError: the run, its pipeline or its task is not known.
            InvalidInputsError: the inputs do not fit any more.
        """
        client = self.client
        run = client.metadata.run(run_id)
        return client.submit(run.name, self._inputs(run), run_id=new_run_id())

    def _inputs(self, run: Run) -> Mapping[str, Any]:
        given = {
            value.port: fetched(value.document, self.client.artifacts)
            for value in self.client.metadata.values(run.id, [*run.graph.inputs])
        }
        missing = set(run.graph.inputs) - set(run.graph.optional) - set(given)
        if missing:
            raise InvalidValueError(
                f"run {run.id} has no recorded {', '.join(sorted(missing))}; "
                f"give it: taskmgr run {run.name} ..."
            )
        return given
