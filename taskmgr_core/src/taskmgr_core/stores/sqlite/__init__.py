"""The metadata store in one SQLite file; its steps are also the embedded queue."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from sqlite3 import Connection

from taskmgr_core.errors import DamagedRecordError, StoreError
from taskmgr_core.orchestrator.engine import Decide
from taskmgr_core.specs import (
    Claim,
    Edge,
    Element,
    FailedElements,
    FieldValue,
    Hold,
    LogLine,
    NewRun,
    Orders,
    Outcome,
    Overview,
    PipelineSpec,
    ReadyStep,
    Route,
    Run,
    RunStatus,
    RunSummary,
    Step,
    StepTimes,
    TaskVersion,
    Waiting,
    Worker,
)
from taskmgr_core.specs.resources import NO_RESOURCES
from taskmgr_core.stores.creating import Seen, nobody
from taskmgr_core.stores.metadata import Fed, Role, RunFilter
from taskmgr_core.stores.plans import Plans
from taskmgr_core.stores.progress import Covers, Progress, Taking, every
from taskmgr_core.stores.searching import LOOKED, Found
from taskmgr_core.stores.sqlite import (
    catalog,
    checking,
    claims,
    creating,
    elements,
    lineage,
    load,
    runs,
    searching,
    streams,
    workers,
)
from taskmgr_core.stores.sqlite.accounts import SqliteAccounts
from taskmgr_core.stores.sqlite.cache import SqliteCache
from taskmgr_core.stores.sqlite.counters import SqliteCounters
from taskmgr_core.stores.sqlite.database import Database
from taskmgr_core.stores.sqlite.limits import SqliteLimits
from taskmgr_core.stores.sqlite.requests import SqliteRequests
from taskmgr_core.stores.sqlite.schedules import SqliteSchedules

WORTH_A_SYNC_SECONDS = 0.5
_LOGGER = logging.getLogger(__name__)


class SqliteMetadata:
    """Implements ``MetadataStore``; what each method promises stands there.

    Arguments:
        path: the database file.

    Raises:
        StoreError: from every method: damaged, full, locked for too long.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database(path)
        self._plans = Plans()
        self.schedules = SqliteSchedules(self._database)
        self.counters = SqliteCounters(self._database)
        self.requests = SqliteRequests(self._database)
        self.accounts = SqliteAccounts(self._database)
        self.cache = SqliteCache(self._database)
        self.limits = SqliteLimits(self._database)

    def initialize(self) -> None:
        """Create tables and indexes."""
        self._database.initialize()

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def faults(self) -> list[str]:
        """What SQLite finds wrong with the file; nothing when it is intact."""
        with self._database.reading() as connection:
            found = connection.execute("PRAGMA quick_check").fetchall()
        return [line for (line,) in found if line != "ok"]

    def damaged(self) -> Iterator[DamagedRecordError]:
        """Every task version, pipeline, run, step and value that cannot be read; it reads all."""
        return checking.damaged(self._database)

    def server_version(self) -> str:
        """SQLite's version, from a look into the file."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT sqlite_version(), count(*) FROM workers").fetchone()
        return str(row[0])

    def add_versions(self, versions: Sequence[TaskVersion]) -> bool:
        """Record the task versions of one release."""
        return self._database.durable(lambda connection: catalog.add_versions(connection, versions))

    def version(
        self, task: str, version: str | None = None, share: float | None = None
    ) -> TaskVersion:
        """One version of a task, or the one that its route chooses."""
        with self._database.reading() as connection:
            return catalog.version(connection, task, version, share)

    def all_versions(self) -> list[TaskVersion]:
        """Every version of every task."""
        with self._database.reading() as connection:
            return catalog.all_versions(connection)

    def versions(self, task: str) -> list[TaskVersion]:
        """Every version of a task."""
        with self._database.reading() as connection:
            return catalog.versions(connection, task)

    def latest_versions(self) -> list[TaskVersion]:
        """The current version of every task."""
        with self._database.reading() as connection:
            return catalog.latest_versions(connection)

    def queues(self) -> list[str]:
        """Every queue that a published version names."""
        with self._database.reading() as connection:
            return catalog.queues(connection)

    def route(self, task: str) -> Route:
        """What operators have said of the versions of a task."""
        with self._database.reading() as connection:
            return catalog.route(connection, task)

    def put_route(self, route: Route) -> bool:
        """Record what is to hold of the versions of a task."""
        return self._database.durable(lambda connection: catalog.put_route(connection, route))

    def distributions(self) -> list[str]:
        """The name of every distribution that is published."""
        with self._database.reading() as connection:
            return catalog.distributions(connection)

    def versions_of(self, distribution: str | None = None) -> list[TaskVersion]:
        """Every version of the tasks of one distribution, or of all."""
        with self._database.reading() as connection:
            return catalog.versions_of(connection, distribution)

    def put_pipeline(self, pipeline: PipelineSpec) -> bool:
        """Record a pipeline."""
        return self._database.durable(lambda connection: catalog.put_pipeline(connection, pipeline))

    def pipeline(self, name: str) -> PipelineSpec:
        """A pipeline."""
        with self._database.reading() as connection:
            return catalog.pipeline(connection, name)

    def pipelines(self) -> list[PipelineSpec]:
        """Every pipeline."""
        with self._database.reading() as connection:
            return catalog.pipelines(connection)

    def create_run(
        self,
        run: Run,
        steps: Sequence[Step],
        values: Sequence[FieldValue],
        edges: Sequence[Edge] = (),
    ) -> None:
        """Record a run."""
        new = NewRun(run, steps, values, edges)
        self._database.durable(lambda connection: creating.create(connection, self._plans, [new]))

    def create_runs(self, runs: Sequence[NewRun], seen: Seen = nobody) -> list[Exception | None]:
        """Record runs in one transaction; where that fails, each in one of its own.

        Their steps may be taken while they are synced.
        """
        try:
            self._database.quick(lambda connection: creating.create(connection, self._plans, runs))
        except Exception as error:  # noqa: BLE001 - whoever asked for the run is told
            if len(runs) == 1:
                return [error]
            return [self.create_runs([each], seen)[0] for each in runs]
        for each in runs:
            seen(each)
        try:
            self._database.sync()
        except StoreError as error:
            return [error] * len(runs)
        return [None] * len(runs)

    def run(self, run_id: str) -> Run:
        """A run."""
        # Read as it is written: nobody has to wait while a large graph is put together.
        row = self._database.look(lambda connection: runs.found(connection, run_id))
        return runs.run_from(row, self._plans.graph(row["graph"]))

    def summary(self, run_id: str) -> RunSummary:
        """A run without its graph."""
        return self._database.look(lambda connection: runs.summary(connection, run_id))

    def runs(self, wanted: RunFilter) -> list[RunSummary]:
        """Runs, newest first."""
        with self._database.reading() as connection:
            return runs.listing(connection, wanted)

    def runs_with_input(self, wanted: RunFilter, text: str, looked: int = LOOKED) -> Found:
        """Runs with a text in an input."""
        with self._database.reading() as connection:
            return searching.with_input(connection, wanted, text, looked)

    def steps(self, run_id: str) -> list[Step]:
        """The steps of a run."""
        with self._database.reading() as connection:
            return runs.steps(connection, run_id)

    def request_cancel(self, run_id: str, decide: Decide, now: float) -> Progress:
        """Record that a run is to be cancelled."""
        return self._database.durable(
            lambda connection: runs.request_cancel(connection, run_id, decide, now)
        )

    def claim(
        self,
        worker: str,
        queues: Collection[str],
        now: float,
        runs: Collection[str] | None = None,
        tasks: Collection[str] = (),
        free: Mapping[str, int] = NO_RESOURCES,
        covers: Covers = every,
    ) -> Claim | None:
        """Claim the next step that is due; looking for one takes no write lock."""
        without: set[tuple[str, str]] = set()
        while True:
            found = self._database.look(
                partial(
                    claims.candidate,
                    queues=queues,
                    now=now,
                    of_runs=runs,
                    tasks=tasks,
                    free=free,
                    without=without,
                )
            )
            if found is None:
                return None
            version = found.row["task"], found.row["version"]
            if not covers(*version):
                without.add(version)
                continue
            claim = self._database.quick(
                partial(claims.claim_found, found=found, worker=worker, now=now)
            )
            if claim is not None:
                return claim

    def claim_step(
        self,
        run_id: str,
        step_id: str,
        worker: str,
        now: float,
        *,
        again: bool = False,
        needs: Mapping[str, int] = NO_RESOURCES,
    ) -> Claim | None:
        """Claim one step."""

        def claimed(connection: Connection) -> Claim | None:
            found = claims.claim_step(connection, run_id, step_id, worker, now, needs)
            if found is None and again:
                found = claims.held(connection, run_id, step_id, worker)
            return found

        return self._database.quick(claimed)

    def take_unclaimed(
        self, now: float, next_look: Callable[[ReadyStep], float], limit: int = 100
    ) -> list[ReadyStep]:
        """Steps that nobody has claimed for a while; looking for them takes no write lock."""
        with self._database.glancing() as connection:
            if not claims.unclaimed(connection, now, 1):
                return []
        return self._database.quick(
            lambda connection: claims.take_unclaimed(connection, now, next_look, limit)
        )

    def finish(
        self,
        claim: Claim,
        outcome: Outcome,
        decide: Decide,
        now: float,
        taking: Taking | None = None,
    ) -> Progress:
        """Record what came of an attempt; on the disk when it took long, or ends the run.

        A short step in the middle of a run is sooner done again, after a power cut, than the
        disk is waited for.
        """

        def finished(connection: Connection) -> Progress:
            progress = claims.finish(connection, claim, outcome, decide, now)
            if taking is None or not progress.recorded:
                return progress
            return claims.with_next(connection, progress, taking, now)

        long = outcome.seconds.get("total", 0.0) >= WORTH_A_SYNC_SECONDS
        progress, error = self._database.lasting(
            finished, lambda found: long or found.run_status != "running"
        )
        if error is not None:
            # It is recorded, and others see it: to refuse it now would lose what follows.
            _LOGGER.error("an outcome is not on the disk yet: %s", error)
        return progress

    def extend(self, claim: Claim, first: int, items: Sequence[FieldValue], now: float) -> Fed:
        """Record what a running step yields."""
        return self._database.quick(
            lambda connection: streams.extend(connection, claim, first, items, now)
        )

    def next_due(self, queues: Collection[str], now: float) -> float | None:
        """Seconds until a delayed step is due."""
        return self._database.look(lambda connection: claims.next_due(connection, queues, now))

    def release_lost(
        self, silent: Mapping[str, float], attempts: int, decide: Decide, now: float
    ) -> list[Step]:
        """Make the steps of silent workers ready again."""
        with self._database.reading() as connection:
            if not claims.anything_lost(connection, silent):
                return []
        return self._database.durable(
            lambda connection: claims.release_lost(connection, silent, attempts, decide, now)
        )

    def holders(self) -> list[str]:
        """The workers that hold steps."""
        return self._database.look(lambda connection: claims.holders(connection))

    def status(self, run_id: str) -> RunStatus:
        """A run's status."""
        return self._database.look(lambda connection: runs.status(connection, run_id))

    def reconcile(self, run_id: str, decide: Decide, now: float) -> Progress:
        """Carry out what the engine says for the recorded state."""
        return self._database.durable(
            lambda connection: runs.advance(connection, run_id, decide, now)
        )

    def expire(self, decide: Decide, now: float) -> dict[str, Progress]:
        """Stop the runs whose time is over; looking for them takes no write lock."""
        with self._database.glancing() as connection:
            if not runs.overdue(connection, now):
                return {}
        return self._database.durable(lambda connection: runs.expire(connection, decide, now))

    def elements(self, run_id: str, step_id: str, first: int, limit: int) -> list[Element]:
        """What came of a step for elements of a list."""
        with self._database.reading() as connection:
            return elements.listing(connection, run_id, step_id, first, limit)

    def failed_elements(self, run_id: str, step_id: str, limit: int) -> FailedElements:
        """How many elements of a step failed, and the first of them."""
        with self._database.reading() as connection:
            return elements.failed(connection, run_id, step_id, limit)

    def holds(self, worker_id: str) -> list[Hold]:
        """The steps that a worker holds."""
        return self._database.look(lambda connection: claims.holds(connection, worker_id))

    def values(self, run_id: str, ports: Collection[str] | None = None) -> list[FieldValue]:
        """The recorded values of a run."""
        with self._database.reading() as connection:
            return lineage.values(connection, run_id, ports)

    def edges(self, run_id: str) -> list[Edge]:
        """The lineage edges of a run."""
        with self._database.reading() as connection:
            return lineage.edges(connection, run_id)

    def digest(self, beginning: str) -> str:
        """The digest that begins so."""
        with self._database.reading() as connection:
            return lineage.digest(connection, beginning)

    def next_runs(
        self,
        digests: Collection[str],
        roles: Collection[Role],
        beyond: str | None,
        *,
        older: bool,
    ) -> dict[str, str]:
        """For each digest the next run in which it has one of the roles."""
        with self._database.reading() as connection:
            return lineage.next_runs(connection, digests, roles, beyond, older)

    def runs_using(
        self,
        versions: Collection[tuple[str, str]],
        beyond: str | None,
        *,
        older: bool,
        limit: int,
    ) -> list[str]:
        """The runs with a step of one of some versions of tasks."""
        with self._database.reading() as connection:
            return lineage.runs_using(connection, versions, beyond, older, limit)

    def mentioned(self) -> Iterator[str]:
        """Every digest that a record mentions."""
        with self._database.reading() as connection:
            yield from lineage.mentioned(connection)

    def beat(self, worker: Worker) -> Orders:
        """Record that a worker lives; what it is told to do."""
        return self._database.quick(lambda connection: workers.beat(connection, worker))

    def order(self, worker_id: str, orders: Orders) -> bool:
        """Tell a worker what to do."""
        return self._database.quick(lambda connection: workers.order(connection, worker_id, orders))

    def orders(self, worker_id: str) -> Orders:
        """What a worker is told to do."""
        return self._database.look(lambda connection: workers.orders(connection, worker_id))

    def overview(self, since: float) -> Overview:
        """How much is to do and was done lately."""
        with self._database.reading() as connection:
            return load.overview(connection, since)

    def waiting(self, now: float) -> tuple[Waiting, ...]:
        """What waits, by queue and needs."""
        with self._database.reading() as connection:
            return load.waiting(connection, now)

    def latest_times(self, runs: int, known: Collection[str] = ()) -> list[StepTimes]:
        """The times of the steps of the newest runs."""
        return self._database.look(lambda connection: load.latest_times(connection, runs, known))

    def remove_worker(self, worker_id: str) -> None:
        """Record that a worker has stopped."""
        self._database.quick(lambda connection: workers.remove(connection, worker_id))

    def workers(self) -> list[Worker]:
        """Every worker that has not said that it stopped."""
        return self._database.look(lambda connection: workers.listing(connection))

    def append_log(self, lines: Sequence[LogLine]) -> None:
        """Record lines."""
        self._database.quick(lambda connection: workers.append_log(connection, lines))

    def log(self, run_id: str, after: int = 0, limit: int = 1000) -> list[LogLine]:
        """Lines of a run."""
        with self._database.reading() as connection:
            return workers.log(connection, run_id, after, limit)
