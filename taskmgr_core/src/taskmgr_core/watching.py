"""What a screen that is kept open asks of the platform, and how it hears of changes.

Every question costs the same with a long history as with a short one. A screen may ask
from any thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, Protocol

import attrs

from taskmgr_core.attending import tasks, workers
from taskmgr_core.attending.runs import again, with_input
from taskmgr_core.attending.tasks import Submitted, TaskBook
from taskmgr_core.client import Client
from taskmgr_core.errors import Problem
from taskmgr_core.health import ServiceHealth
from taskmgr_core.monitoring import Picture, take
from taskmgr_core.specs import (
    FINAL_STEP_STATUSES,
    LogLine,
    RunDetail,
    RunStatus,
    RunSummary,
    StepTimes,
    TaskVersion,
    Worker,
)
from taskmgr_core.stores.metadata import RunFilter
from taskmgr_core.stores.searching import Found
from taskmgr_core.tracing import Page, Trace

# The steps of so many runs are what rates and percentiles are made from.
LATEST_RUNS = 100
LOG_PAGE = 1000
TRACE_PAGE = 20


class Watcher(Protocol):
    """Looks at a platform again and again, and does what a user asks for while looking.

    It is on this machine (``LocalWatcher``), or behind the REST API.
    """

    def clock(self) -> float:
        """UTC seconds."""

    def services(self) -> list[ServiceHealth]:
        """How each service is; it may take seconds."""

    # changes

    def changes(self, run_id: str | None = None) -> int:
        """A number that grows with the changes of a run, or with those that workers hear of."""

    def wait(self, seen: int, timeout: float, run_id: str | None = None) -> int:
        """Wait until ``changes`` is above ``seen``, or for so many seconds."""

    def wake(self) -> None:
        """End every wait."""

    # looking

    def picture(self) -> Picture:
        """Workers, queues and counts as they are now."""

    def latest_times(self) -> list[StepTimes]:
        """When the steps of the newest runs became ready, began and ended."""

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

    def with_input(
        self,
        text: str,
        *,
        status: RunStatus | None = None,
        name: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> Found:
        """A page of runs with a text in an input; ``LOOKED`` runs are looked at, at most.

        Arguments:
            text: as it is written in a text, a number or the name of a file.
            others: as of ``runs``.
        """

    def run(self, run_id: str) -> RunDetail:
        """Everything that is recorded of a run but its log.

        Raises:
            NotFoundError: no such run, or several.
        """

    def log(self, run_id: str, after: int = 0) -> list[LogLine]:
        """The next lines of a run's log, at most ``LOG_PAGE``.

        Arguments:
            run_id: the run's full id.
            after: the number of the last line that is known.
        """

    def file(self, digest: str) -> Path:
        """The file with the content of a digest, on this machine; it may have to be fetched.

        Raises:
            ArtifactError: it is absent or damaged.
        """

    def workers(self) -> list[tuple[Worker, bool]]:
        """Every worker that has not said that it stopped, with whether it is alive."""

    def tasks(self) -> list[TaskVersion]:
        """Every published task in the version that new runs get."""

    def task(self, name: str) -> TaskBook:
        """A task: its versions and who gets them, its latest runs.

        Raises:
            NotFoundError: with the nearest name.
        """

    def version(self, task: str, version: str | None = None) -> TaskVersion:
        """A version of a task; the one that new runs get when None."""

    def names(self) -> list[str]:
        """What runs can be of: every published pipeline and task."""

    def trace(self, digest: str) -> Trace:
        """What a value came from and led to, over all runs; see ``Client.trace``."""

    def trace_further(self, cursor: str) -> Page:
        """The next page of a trace; see ``Client.trace_further``."""

    @property
    def working(self) -> Path:
        """The folder that the paths among inputs start from."""

    def faults(self, schema: Mapping[str, Any], value: Any, name: str) -> tuple[Problem, ...]:
        """What is wrong with a JSON value for a field; nothing is stored, no store is asked."""

    # doing

    def cancel(self, run_id: str) -> RunSummary:
        """Ask for a run to be cancelled; see ``Client.cancel``."""

    def again(self, run_id: str) -> str:
        """Submit a new run of the same pipeline or task with the inputs of a run; its id.

        It gets the versions that new runs get now; the old run stays as it is.

        Raises:
            NotFoundError: the run, its pipeline or its task is not known.
            InvalidInputsError: the inputs do not fit any more.
        """

    def submit(self, task: str, version: str, inputs: Mapping[str, Any]) -> Submitted:
        """Begin a run of one version of a task, for workers: nothing runs in this process.

        Arguments:
            task, version: what is run.
            inputs: name -> value, files as paths.

        Raises:
            InvalidInputsError: with every fault; nothing is recorded.
        """

    def tell(self, worker: str, how: Literal["drain", "now"]) -> None:
        """Tell a worker to leave, and do not wait for it.

        Arguments:
            worker: its id.
            how: ``drain``: it finishes what runs; ``now``: it gives that back.

        Raises:
            NotFoundError: there is no such worker, or it is lost.
            ConflictError: it serves one program alone, which ends it.
        """


@attrs.define
class LatestTimes:
    """The times of the newest runs' steps; those of a run that has ended are read once.

    Threads may look at the same time: each takes what is known as it finds it.
    """

    _ended: Mapping[str, tuple[StepTimes, ...]] = attrs.field(factory=dict, init=False)

    def look(self, read: Callable[[int, Collection[str]], Iterable[StepTimes]]) -> list[StepTimes]:
        """The steps of the newest runs, the newest run first.

        Arguments:
            read: as ``MetadataStore.latest_times``.
        """
        ended = self._ended
        runs = dict(ended)
        for run, steps in groupby(read(LATEST_RUNS, ended), lambda each: each.run):
            runs[run] = tuple(steps)
        newest = sorted(runs, reverse=True)[:LATEST_RUNS]
        self._ended = {
            run: runs[run]
            for run in newest
            if run in ended or all(step.status in FINAL_STEP_STATUSES for step in runs[run])
        }
        return [step for run in newest for step in runs[run]]


@attrs.frozen
class LocalWatcher:
    """Implements ``Watcher`` with the stores and the queue of a platform.

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
        return self._latest.look(self.client.metadata.latest_times)

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

    def with_input(
        self,
        text: str,
        *,
        status: RunStatus | None = None,
        name: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> Found:
        """Runs with a text in an input; see ``attending.runs``."""
        return with_input(self.client, text, status=status, name=name, before=before, limit=limit)

    def workers(self) -> list[tuple[Worker, bool]]:
        """Every worker that has not said that it stopped, with whether it is alive."""
        since = self.clock() - self.client.lost_after
        return [(each, each.heartbeat >= since) for each in self.client.workers()]

    def task(self, name: str) -> TaskBook:
        """A task: its versions and who gets them, its latest runs."""
        return tasks.look(self.client, name)

    def version(self, task: str, version: str | None = None) -> TaskVersion:
        """A version of a task; the one that new runs get when None."""
        return self.client.metadata.version(task, version)

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

    @property
    def working(self) -> Path:
        """The folder that the paths among inputs start from."""
        return self.client.reader.working

    def faults(self, schema: Mapping[str, Any], value: Any, name: str) -> tuple[Problem, ...]:
        """What is wrong with a value for a field; no store is asked."""
        return tasks.faults(self.client, schema, value, name)

    # doing

    def submit(self, task: str, version: str, inputs: Mapping[str, Any]) -> Submitted:
        """Begin a run of one version of a task; see ``attending.tasks``."""
        return tasks.submit(self.client, task, version, inputs)

    def tell(self, worker: str, how: Literal["drain", "now"]) -> None:
        """Tell a worker to leave; see ``attending.workers``."""
        workers.tell(self.client, worker, how)

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
        return again(self.client, run_id)
