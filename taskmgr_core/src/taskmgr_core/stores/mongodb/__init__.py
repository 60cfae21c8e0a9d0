"""The metadata store in a MongoDB server, for many machines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import attrs

from taskmgr_core.errors import DamagedRecordError
from taskmgr_core.orchestrator.engine import Decide
from taskmgr_core.specs import (
    Claim,
    Edge,
    Element,
    FailedElement,
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
from taskmgr_core.stores.mongodb import creating, records, searching
from taskmgr_core.stores.mongodb.accounts import MongoAccounts
from taskmgr_core.stores.mongodb.cache import MongoCache
from taskmgr_core.stores.mongodb.catalog import Catalog
from taskmgr_core.stores.mongodb.claims import Claims
from taskmgr_core.stores.mongodb.counters import MongoCounters
from taskmgr_core.stores.mongodb.database import Database
from taskmgr_core.stores.mongodb.limits import MongoLimits
from taskmgr_core.stores.mongodb.lineage import Lineage
from taskmgr_core.stores.mongodb.requests import MongoRequests
from taskmgr_core.stores.mongodb.runs import Runs
from taskmgr_core.stores.mongodb.schedules import MongoSchedules
from taskmgr_core.stores.mongodb.streams import Streams
from taskmgr_core.stores.mongodb.workers import Log, Workers
from taskmgr_core.stores.plans import Plans
from taskmgr_core.stores.progress import Covers, Progress, Taking, every
from taskmgr_core.stores.searching import LOOKED, Found


class MongoMetadata:
    """Implements ``MetadataStore``; what each method promises stands there.

    Arguments:
        url: ``mongodb://user:password@host:port/database?options``.
        history_seconds: how long ended runs and their logs are kept; 0 for ever.

    Raises:
        SettingsError: the URL cannot be used.
        StoreError: from every method: the server is away, or refuses the operation.
    """

    def __init__(self, url: str, history_seconds: float = 0.0) -> None:
        self._database = Database(url)
        self._plans = Plans()
        self.schedules = MongoSchedules(self._database)
        self.counters = MongoCounters(self._database)
        self.requests = MongoRequests(self._database)
        self.accounts = MongoAccounts(self._database)
        self.cache = MongoCache(self._database)
        self.limits = MongoLimits(self._database)
        self._catalog = Catalog(self._database)
        self._runs = Runs(self._database, history_seconds)
        self._claims = Claims(self._database, self._runs)
        self._streams = Streams(self._database, self._runs.elements)
        self._lineage = Lineage(self._database)
        self._workers = Workers(self._database)
        self._log = Log(self._database, history_seconds)

    @property
    def place(self) -> str:
        """The server, without user and password."""
        return self._database.place

    def initialize(self) -> None:
        """Create the indexes that are not there yet."""
        with self._database.translated():
            if "runs.by_use" in self._database.missing_indexes():
                self._lineage.list_uses()
        self._database.initialize()

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def drop(self) -> None:
        """Remove the whole database, of a workspace that is removed."""
        self._database.drop()

    def server_version(self) -> str:
        """The server's version."""
        return self._database.version()

    def faults(self) -> list[str]:
        """What is wrong with the database: indexes that are missing."""
        return [
            f"the index {each} is missing; run: taskmgr init"
            for each in self._database.missing_indexes()
        ]

    def damaged(self) -> Iterator[DamagedRecordError]:
        """Every task version, pipeline, run, step and value that cannot be read."""
        with self._database.translated():
            yield from self._catalog.damaged()
            yield from self._runs.damaged()
            yield from self.schedules.damaged()

    def add_versions(self, versions: Sequence[TaskVersion]) -> bool:
        """Record the task versions of one release."""
        with self._database.translated():
            return self._catalog.add_versions(versions)

    def version(
        self, task: str, version: str | None = None, share: float | None = None
    ) -> TaskVersion:
        """One version of a task, or the one that its route chooses."""
        with self._database.translated():
            return self._catalog.version(task, version, share)

    def all_versions(self) -> list[TaskVersion]:
        """Every version of every task."""
        with self._database.translated():
            return self._catalog.all_versions()

    def versions(self, task: str) -> list[TaskVersion]:
        """Every version of a task."""
        with self._database.translated():
            return self._catalog.versions(task)

    def latest_versions(self) -> list[TaskVersion]:
        """The latest version of every task."""
        with self._database.translated():
            return self._catalog.latest_versions()

    def queues(self) -> list[str]:
        """Every queue that a published version names."""
        with self._database.translated():
            return self._catalog.queues()

    def route(self, task: str) -> Route:
        """What operators have said of the versions of a task."""
        with self._database.translated():
            return self._catalog.route(task)

    def put_route(self, route: Route) -> bool:
        """Record what is to hold of the versions of a task."""
        with self._database.translated():
            return self._catalog.put_route(route)

    def distributions(self) -> list[str]:
        """The name of every distribution that is published."""
        with self._database.translated():
            return self._catalog.distributions()

    def versions_of(self, distribution: str | None = None) -> list[TaskVersion]:
        """Every version of the tasks of one distribution, or of all."""
        with self._database.translated():
            return self._catalog.versions_of(distribution)

    def put_pipeline(self, pipeline: PipelineSpec) -> bool:
        """Record a pipeline."""
        with self._database.translated():
            return self._catalog.put_pipeline(pipeline)

    def pipeline(self, name: str) -> PipelineSpec:
        """A pipeline."""
        with self._database.translated():
            return self._catalog.pipeline(name)

    def pipelines(self) -> list[PipelineSpec]:
        """Every pipeline."""
        with self._database.translated():
            return self._catalog.pipelines()

    def create_run(
        self,
        run: Run,
        steps: Sequence[Step],
        values: Sequence[FieldValue],
        edges: Sequence[Edge] = (),
    ) -> None:
        """Record a run."""
        with self._database.translated():
            creating.create(self._database, self._plans, NewRun(run, steps, values, edges))

    def create_runs(self, runs: Sequence[NewRun], seen: Seen = nobody) -> list[Exception | None]:
        """Record runs with one command."""
        faults = creating.create_all(self._database, self._plans, runs)
        for new, fault in zip(runs, faults, strict=True):
            if fault is None:
                seen(new)
        return faults

    def run(self, run_id: str) -> Run:
        """A run."""
        with self._database.translated():
            return self._runs.get(run_id)

    def summary(self, run_id: str) -> RunSummary:
        """A run without its graph."""
        with self._database.translated():
            return self._runs.summary(run_id)

    def runs(self, wanted: RunFilter) -> list[RunSummary]:
        """Runs, newest first."""
        with self._database.translated():
            return self._runs.listing(wanted)

    def runs_with_input(self, wanted: RunFilter, text: str, looked: int = LOOKED) -> Found:
        """Runs with a text in an input."""
        with self._database.translated():
            return searching.with_input(self._database, wanted, text, looked)

    def steps(self, run_id: str) -> list[Step]:
        """The steps of a run."""
        with self._database.translated():
            return self._runs.steps(run_id)

    def request_cancel(self, run_id: str, decide: Decide, now: float) -> Progress:
        """Record that a run is to be cancelled."""
        with self._database.translated():
            return self._runs.request_cancel(run_id, decide, now)

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
        """Claim the next step that is due."""
        with self._database.translated():
            return self._claims.claim(worker, queues, now, runs, tasks, free, covers)

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
        with self._database.translated():
            claim = self._claims.claim_step(run_id, step_id, worker, now, needs)
            if claim is None and again:
                claim = self._claims.held(run_id, step_id, worker)
            return claim

    def take_unclaimed(
        self, now: float, next_look: Callable[[ReadyStep], float], limit: int = 100
    ) -> list[ReadyStep]:
        """Steps that nobody has claimed for a while."""
        with self._database.translated():
            return self._claims.take_unclaimed(now, next_look, limit)

    def finish(
        self,
        claim: Claim,
        outcome: Outcome,
        decide: Decide,
        now: float,
        taking: Taking | None = None,  # noqa: ARG002 - it is another document
    ) -> Progress:
        """Record what came of an attempt."""
        with self._database.translated():
            progress = self._claims.finish(claim, outcome, decide, now)
            others = self.limits.given_back(claim, now)
        if others:
            progress = attrs.evolve(progress, ready=(*progress.ready, *others))
        if progress.recorded and outcome.entry is not None:
            self.cache.put(outcome.entry)
        return progress

    def extend(self, claim: Claim, first: int, items: Sequence[FieldValue], now: float) -> Fed:
        """Record what a running step yields."""
        with self._database.translated():
            return self._streams.extend(claim, first, items, now)

    def next_due(self, queues: Collection[str], now: float) -> float | None:
        """Seconds until a delayed step is due."""
        with self._database.translated():
            return self._claims.next_due(queues, now)

    def release_lost(
        self, silent: Mapping[str, float], attempts: int, decide: Decide, now: float
    ) -> list[Step]:
        """Make the steps of silent workers ready again."""
        with self._database.translated():
            released = self._claims.release_lost(silent, attempts, decide, now)
            self.limits.lost(released, now)
            return released

    def holders(self) -> list[str]:
        """The workers that hold steps."""
        with self._database.translated():
            return self._claims.holders()

    def status(self, run_id: str) -> RunStatus:
        """A run's status."""
        with self._database.translated():
            return self._runs.status(run_id)

    def reconcile(self, run_id: str, decide: Decide, now: float) -> Progress:
        """Carry out what the engine says for the recorded state."""
        with self._database.translated():
            return self._runs.reconcile(run_id, decide, now)

    def expire(self, decide: Decide, now: float) -> dict[str, Progress]:
        """Stop the runs whose time is over."""
        with self._database.translated():
            return self._runs.expire(decide, now)

    def elements(self, run_id: str, step_id: str, first: int, limit: int) -> list[Element]:
        """What came of a step for elements of a list."""
        with self._database.translated():
            document = self._runs.find(run_id, {"state": 1})
            return self._runs.elements.listing(document, step_id, first, limit)

    def failed_elements(self, run_id: str, step_id: str, limit: int) -> FailedElements:
        """How many elements of a step failed, and the first of them."""
        with self._database.translated():
            document = self._runs.find(run_id, {records.in_state(step_id, "generation"): 1})
            count, first = self._runs.elements.failed(document, step_id, limit)
        return FailedElements(
            count, tuple(FailedElement(each.index, each.failure) for each in first)
        )

    def holds(self, worker_id: str) -> list[Hold]:
        """The steps that a worker holds."""
        with self._database.translated():
            return self._claims.holds(worker_id)

    def values(self, run_id: str, ports: Collection[str] | None = None) -> list[FieldValue]:
        """The recorded values of a run."""
        with self._database.translated():
            return self._lineage.values(run_id, ports)

    def edges(self, run_id: str) -> list[Edge]:
        """The lineage edges of a run."""
        with self._database.translated():
            return self._lineage.edges(run_id)

    def digest(self, beginning: str) -> str:
        """The digest that begins so."""
        with self._database.translated():
            return self._lineage.digest(beginning)

    def next_runs(
        self,
        digests: Collection[str],
        roles: Collection[Role],
        beyond: str | None,
        *,
        older: bool,
    ) -> dict[str, str]:
        """For each digest the next run in which it has one of the roles."""
        with self._database.translated():
            return self._lineage.next_runs(digests, roles, beyond, older=older)

    def runs_using(
        self,
        versions: Collection[tuple[str, str]],
        beyond: str | None,
        *,
        older: bool,
        limit: int,
    ) -> list[str]:
        """The runs with a step of one of some versions of tasks."""
        with self._database.translated():
            return self._lineage.runs_using(versions, beyond, older=older, limit=limit)

    def mentioned(self) -> Iterator[str]:
        """Every digest that a record mentions."""
        with self._database.translated():
            yield from self._lineage.mentioned()

    def beat(self, worker: Worker) -> Orders:
        """Record that a worker lives; what it is told to do."""
        with self._database.translated():
            return self._workers.beat(worker)

    def order(self, worker_id: str, orders: Orders) -> bool:
        """Tell a worker what to do."""
        with self._database.translated():
            return self._workers.order(worker_id, orders)

    def orders(self, worker_id: str) -> Orders:
        """What a worker is told to do."""
        with self._database.translated():
            return self._workers.orders(worker_id)

    def overview(self, since: float) -> Overview:
        """How much is to do and was done lately."""
        with self._database.translated():
            return self._runs.overview(since)

    def waiting(self, now: float) -> tuple[Waiting, ...]:
        """What waits, by queue and needs."""
        with self._database.translated():
            return self._claims.waiting(now)

    def latest_times(self, runs: int, known: Collection[str] = ()) -> list[StepTimes]:
        """The times of the steps of the newest runs."""
        with self._database.translated():
            return self._runs.latest_times(runs, known)

    def remove_worker(self, worker_id: str) -> None:
        """Record that a worker has stopped."""
        with self._database.translated():
            self._workers.remove(worker_id)

    def workers(self) -> list[Worker]:
        """Every worker that has not said that it stopped."""
        with self._database.translated():
            return self._workers.listing()

    def append_log(self, lines: Sequence[LogLine]) -> None:
        """Record lines."""
        with self._database.translated():
            self._log.append(lines)

    def log(self, run_id: str, after: int = 0, limit: int = 1000) -> list[LogLine]:
        """Lines of a run with greater numbers."""
        with self._database.translated():
            return self._log.read(run_id, after, limit)
