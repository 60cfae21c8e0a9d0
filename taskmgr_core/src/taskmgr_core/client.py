"""The Python client: what commands, screens and programs do, they do through it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import attrs

from taskmgr_core.batches.items import Item, items_of
from taskmgr_core.batches.running import WINDOW, BatchResult, run_items
from taskmgr_core.compiled import CompiledPipelines
from taskmgr_core.details import has_ended, recorded_detail
from taskmgr_core.errors import ConflictError, NotFoundError, StoreError, TaskmgrError
from taskmgr_core.handing import Handing
from taskmgr_core.inputs import InputReader
from taskmgr_core.model_registry import ModelRegistry
from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.orchestrator.graph import compile_pipeline
from taskmgr_core.overrides import TaskOverride
from taskmgr_core.queue.base import Queue
from taskmgr_core.reruns import rerun
from taskmgr_core.rollouts import Rollouts
from taskmgr_core.run_ids import is_run_id, new_run_id
from taskmgr_core.serving import OwnRuns, RunningWorker
from taskmgr_core.spans import NoTracer, Tracer
from taskmgr_core.specs import (
    FINAL_RUN_STATUSES,
    Graph,
    GraphStep,
    LogLine,
    NewRun,
    PipelineSpec,
    Run,
    RunDetail,
    RunSummary,
    Step,
    TaskVersion,
    Worker,
    as_ended,
    as_ready,
)
from taskmgr_core.specs.resources import fit
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.stores.metadata import MetadataStore, RunFilter
from taskmgr_core.submitting import Graphs, Wanted, graph_of, submitted
from taskmgr_core.telling import Teller

if TYPE_CHECKING:
    from taskmgr_core.publishing import Published, Publisher
    from taskmgr_core.tracing import Page, Trace

LOG_PAGE = 1000
TRACE_PAGE = 20
LOOK_SECONDS = 0.25
PAUSE_SHARE, MAXIMUM_PAUSE_SECONDS = 0.02, 0.02  # for which the end of a run may go unnoticed
SHOW_SECONDS = 0.05
Heard = Callable[[int | None], None]


class RunTimeoutError(TaskmgrError):
    """A run did not end in the time that was waited for it; it goes on."""


def _ignored(changes: int | None) -> None:
    """Nobody waits for what follows."""


@attrs.define
class Client:
    """Publishes, submits, waits, looks up. Made by ``wiring.connect``.

    With no worker alive that serves a run, waiting for it starts one in this
    process. It serves the runs that are waited for here or were submitted here, no
    others, and stays, its models loaded, until the client is closed. Threads may
    share a client.

    Attributes:
        metadata: the truth.
        artifacts: the bytes.
        queue: wakes workers and waiters.
        reader: turns what users hand in into documents.
        make_publisher: makes what publishes plugins; most programs need none.
        models: looks up weights.
        make_worker: makes a worker of this process that serves the given runs.
        teller: tells hook plugins of runs.
        lost_after: seconds without a beat until a worker counts as lost.
        overrides: what operators say of tasks, for the runs that are submitted here.
        own_resources: what the worker of this process offers.
    """

    metadata: MetadataStore
    artifacts: ArtifactStore
    queue: Queue
    reader: InputReader
    make_publisher: Callable[[], Publisher]
    models: ModelRegistry
    make_worker: Callable[[Callable[[], Collection[str]]], RunningWorker]
    lost_after: float
    teller: Teller
    overrides: Mapping[str, TaskOverride] = attrs.field(factory=dict)
    own_resources: Mapping[str, int] = attrs.field(factory=dict)
    tracer: Tracer = attrs.field(factory=NoTracer)
    close_seconds: float = 10.0
    _compiled: CompiledPipelines = attrs.field(factory=CompiledPipelines, init=False, repr=False)
    _worker: RunningWorker | None = attrs.field(default=None, init=False)
    _own: OwnRuns = attrs.field(
        default=attrs.Factory(lambda self: OwnRuns(partial(has_ended, self.metadata)), True),
        init=False,
    )
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self, *, grace: float | None = 0) -> None:
        """Stop the worker of this process, if there is one, and let go of the stores.

        Arguments:
            grace: seconds that running steps get to end; None for as long as they take.
                What has not ended by then is given back, for another worker.
        """
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop(grace=grace)
        self.teller.hooks.close()
        with contextlib.suppress(StoreError):  # what is counted is no reason to fail
            self.teller.meter.report(last=True)
        self.tracer.close(self.close_seconds)
        self.queue.close()
        self.metadata.close()

    # publishing and looking up

    def publish(
        self,
        path: Path,
        progress: Callable[[str], None] = lambda _: None,
        *,
        breaking: bool = False,
        vendor: bool = False,
    ) -> Published:
        """Publish a plugin; see ``Publisher.publish``."""
        return self.make_publisher().publish(path, progress, breaking=breaking, vendor=vendor)

    def publish_pipeline(self, path: Path) -> tuple[PipelineSpec, bool]:
        """Check a pipeline file against the published tasks and record it.

        Returns:
            The pipeline, and whether anything changed.

        Raises:
            InvalidPipelineError, InvalidDocumentError: with every problem.
            ConflictError: a task has the same name.
        """
        # The YAML parser is slow to import, and only publishing a pipeline needs it.
        from taskmgr_core.pipelines import load_pipeline

        spec = load_pipeline(path, self.metadata.version, self.metadata.pipeline)
        compile_pipeline(spec, self.metadata.version, self.metadata.pipeline)
        if any(each.name == spec.pipeline for each in self.metadata.latest_versions()):
            raise ConflictError(
                f"{spec.pipeline!r} is the name of a task already; name the pipeline differently"
            )
        return spec, self.metadata.put_pipeline(spec)

    def tasks(self) -> list[TaskVersion]:
        """Every published task in the version that new runs get."""
        return self.metadata.latest_versions()

    @property
    def rollouts(self) -> Rollouts:
        """Which versions new runs get, and how to change that."""
        return Rollouts(self.metadata)

    def pipelines(self) -> list[PipelineSpec]:
        """Every published pipeline."""
        return self.metadata.pipelines()

    def graph(
        self, what: str | PipelineSpec, version: str | None = None, run_id: str | None = None
    ) -> Graph:
        """The compiled graph of a pipeline or of a single task.

        Arguments:
            what: a name, or a pipeline that need not be published.
            version: of a task; the one that new runs get when None.
            run_id: of the run that it is for; it may be among those that get a version
                which is being rolled out. None for what most runs get.

        Raises:
            NotFoundError: with the nearest name.
            InvalidPipelineError: with every problem.
        """
        return graph_of(self._compiled, self.metadata, what, version, run_id)

    # runs

    def submit(
        self,
        what: str | PipelineSpec,
        inputs: Mapping[str, Any],
        version: str | None = None,
        graph: Graph | None = None,
        run_id: str | None = None,
    ) -> str:
        """Check the inputs, record a run and wake the workers.

        Arguments:
            what: the name of a pipeline or task, or a pipeline.
            inputs: name -> value; see ``InputReader.read``.
            version: of a task; the one that new runs get when None.
            graph: what ``graph`` has given for ``what`` and ``version``, where it was asked.
            run_id: a new UUID for the run, as ``new_run_id`` makes them; made when None.

        Returns:
            The run's id.

        Raises:
            NotFoundError, InvalidPipelineError, InvalidInputsError: nothing is recorded.
        """
        asked = Wanted(what, inputs, version, graph, run_id or new_run_id())
        return self._submit(asked).id

    def submit_together(self, wanted: Sequence[Wanted]) -> list[str | Exception]:
        """Submit runs as ``submit`` does, all with one record, which is synced to the disk once.

        Returns:
            Of each, in their order, the run's id, or what ``submit`` would have raised.
        """
        told = self._submitted(wanted)
        return [each if isinstance(each, Exception) else each.id for each in told]

    def _submit(self, wanted: Wanted, heard: Heard = _ignored) -> Run:
        """Submit a run; ``heard`` gets what ``queue.changes`` was when it was told of."""
        (told,) = self._submitted([wanted], heard)
        if isinstance(told, Exception):
            raise told
        return told

    def _submitted(
        self, wanted: Sequence[Wanted], heard: Heard = _ignored
    ) -> list[Run | Exception]:
        graphs = Graphs(self.metadata, self._compiled, self.overrides, many=len(wanted) > 1)
        handing = Handing(self.metadata, self.queue, self._own.takes)
        with self.artifacts.files.using(), handing:  # files are put before the run is recorded
            told = partial(self._tell, heard=heard, give=handing.give)
            return submitted(wanted, graphs, self.reader, self.tracer, handing.begun, told)

    def _tell(
        self, new: NewRun, heard: Heard = _ignored, give: Callable[[str], None] = lambda _: None
    ) -> None:
        self.teller.run_started(new.run)
        self._own.submitted(new.run.id)
        give(new.run.id)
        ready = [as_ready(each, new.run.created_at) for each in new.steps if each.status == "ready"]
        heard(self.queue.announce(new.run.id, ready))

    def retry(self, run_id: str, first: str | None = None, new_id: str | None = None) -> str:
        """Do a run again from where it failed; see ``reruns.rerun``. Gives its id, ``new_id``."""
        new = rerun(self.metadata, run_id, first, new_id or new_run_id(), time.time())
        with self.tracer.submitting(new.run.name, new.run.id) as traceparent:
            new = attrs.evolve(new, run=attrs.evolve(new.run, traceparent=traceparent))
            self.metadata.create_run(new.run, new.steps, new.values, new.edges)
            self._tell(new)
        return new.run.id

    def run(
        self,
        what: str | PipelineSpec,
        inputs: Mapping[str, Any],
        *,
        version: str | None = None,
        timeout: float | None = None,
    ) -> RunDetail:
        """Submit, wait, and give everything that is recorded of the run.

        Raises:
            RunTimeoutError: it did not end in time.
        """
        run_id = new_run_id()
        self._own.wait_for(run_id)  # the worker of this process, if there is one, hears of it once
        try:
            heard: list[int | None] = []
            run = self._submit(Wanted(what, inputs, version, None, run_id), heard.append)
            self._ended(run, timeout, seen=heard[0])
        finally:
            self._own.leave(run_id)
        return self.detail(run_id)

    def batch(
        self,
        what: str | PipelineSpec,
        inputs: Iterable[Mapping[str, Any] | Item],
        *,
        window: int = WINDOW,
        version: str | None = None,
        no_cache: bool = False,
    ) -> Generator[BatchResult, None, None]:
        """Run any number of inputs, a window of them at a time; see ``run_items``."""
        return run_items(self, what, items_of(inputs), window, version, no_cache=no_cache)

    def wait(
        self,
        run_id: str,
        timeout: float | None = None,
        on_change: Callable[[Run, list[Step]], None] | None = None,
    ) -> Run:
        """Wait for a run to end.

        Arguments:
            run_id: the run.
            timeout: seconds; None for as long as it takes.
            on_change: gets the run as it was when the wait began, and its steps as they
                are, when something may have changed, some times a second.

        Raises:
            RunTimeoutError: it did not end in time.
        """
        if is_run_id(run_id):  # a worker here begins while the run, which may be large, is read
            self._serve(run_id)
        try:
            run = self.metadata.run(run_id)
        except NotFoundError:
            self._own.leave(run_id)
            raise
        self._serve(run.id)
        return self._ended(run, timeout, on_change)

    def _ended(
        self,
        run: Run,
        timeout: float | None,
        on_change: Callable[[Run, list[Step]], None] | None = None,
        seen: int | None = None,
    ) -> Run:
        deadline = None if timeout is None else time.monotonic() + timeout
        began, looked, next_look = time.monotonic(), time.monotonic(), 0.0
        while True:
            ended = False
            if seen is None:  # else it was submitted just now, and nothing was heard since
                seen = self.queue.changes(run.id)
                ended = self.metadata.status(run.id) in FINAL_RUN_STATUSES
            if ended:  # its graph, which may be large, is the same
                run = as_ended(run, self.metadata.summary(run.id))
            if on_change is not None and (ended or time.monotonic() >= next_look):
                on_change(run, self.metadata.steps(run.id))
                next_look = time.monotonic() + SHOW_SECONDS
            if ended:
                self._own.leave(run.id)
                return run
            if deadline is not None and time.monotonic() >= deadline:
                raise RunTimeoutError(
                    f"run {run.id} has not ended within {timeout:g} s; it goes on: "
                    f"`taskmgr show {run.id}`"
                )
            self._ensure_worker(run.graph)
            if self._worker is not None and self._own.look():
                self.queue.wake()  # they were told of when they were not to be served
            self.queue.wait(seen, LOOK_SECONDS, run.id)
            seen = None
            # A long run rings often; to look at each time would slow down what it waits for.
            pause = min(PAUSE_SHARE * (time.monotonic() - began), MAXIMUM_PAUSE_SECONDS)
            time.sleep(max(looked + pause - time.monotonic(), 0))
            looked = time.monotonic()

    def runs(self, wanted: RunFilter) -> list[RunSummary]:
        """Runs, newest first."""
        return self.metadata.runs(wanted)

    def detail(self, run_id: str) -> RunDetail:
        """Everything that is recorded of a run, its result put together.

        Raises:
            NotFoundError: no such run.
        """
        return recorded_detail(self.metadata, self.artifacts, run_id)

    def cancel(self, run_id: str) -> RunSummary:
        """Ask for a run to be cancelled; durable when it returns. A run that has ended stays.

        Raises:
            NotFoundError: no such run.
        """
        run = self.metadata.summary(run_id)
        progress = self.metadata.request_cancel(run.id, decide, time.time())
        self.queue.alert(run.id)
        self.teller.run_ended(run.id, progress)
        return self.metadata.summary(run.id)

    def logs(self, run_id: str, *, follow: bool = False) -> Iterator[LogLine]:
        """The lines of a run's log; with ``follow`` until it ends.

        Raises:
            NotFoundError: no such run.
        """
        run = self.metadata.summary(run_id)
        last = 0
        while True:
            ended = run.status in FINAL_RUN_STATUSES
            while page := self.metadata.log(run.id, last, LOG_PAGE):
                yield from page
                last = page[-1].number
            if ended or not follow:
                return
            self.queue.wait(self.queue.changes(run.id), LOOK_SECONDS, run.id)
            run = self.metadata.summary(run.id)

    # lineage and workers

    def trace(self, file_or_digest: str | Path, limit: int = TRACE_PAGE) -> Trace:
        """What a file, or the value of a digest, came from and led to, over all runs.

        Arguments:
            file_or_digest: a file, of which only the content matters, or a digest, or
                the beginning of one.
            limit: how many runs at most, in each direction; ``trace_further`` gives more.

        Raises:
            NotFoundError: it is neither a file nor (the beginning of) a digest, or
                turned up nowhere.
        """
        from taskmgr_core.tracing import digest_named, trace  # most programs trace nothing

        records = self.models.lineage()
        digest = digest_named(str(file_or_digest), self.reader.working, records.digest)
        found = trace(records, digest, limit)
        if not found.led_to.parts:
            raise NotFoundError(f"no recorded value is, or contains, {file_or_digest} ({digest})")
        return found

    def trace_further(self, cursor: str, limit: int = TRACE_PAGE) -> Page:
        """The next page of one direction of a trace.

        Arguments:
            cursor: the ``next`` of the page before.
            limit: how many runs at most.

        Raises:
            InvalidValueError: it is no cursor.
        """
        from taskmgr_core.tracing import Walk

        return Walk.resumed(cursor).page(self.models.lineage(), limit)

    def workers(self) -> list[Worker]:
        """Every worker that has not said that it stopped, lost ones included."""
        return self.metadata.workers()

    def alive(self, worker: Worker) -> bool:
        """Whether a worker's last beat is recent."""
        return worker.heartbeat >= time.time() - self.lost_after

    def unserved(self, graph: Graph) -> list[GraphStep]:
        """The steps that wait until somebody starts a worker which offers what they need.

        No worker that is alive takes them, and none that this process could start.
        """
        left = self._unserved(graph)
        return [each for each in left if not fit(each.resources, self.own_resources)]

    def _ensure_worker(self, graph: Graph) -> None:
        """Start a worker here when it would serve a step that none alive serves."""
        with self._lock:
            if self._worker is not None:
                return
            left = self._unserved(graph)
            if any(fit(each.resources, self.own_resources) for each in left):
                self._worker = self.make_worker(self._own.served)
                self._worker.start()

    def _serve(self, run_id: str) -> None:
        """Have the worker of this process, if there is one, serve a run."""
        if self._own.wait_for(run_id) and self._worker is not None:
            self.queue.wake()  # it may have heard of the run when it was not to serve it

    def _unserved(self, graph: Graph) -> list[GraphStep]:
        """The steps of a graph that no worker takes which is alive and stays."""
        workers = [
            each
            for each in self.workers()
            if self.alive(each) and not each.private and not each.draining
        ]
        return [step for step in graph.steps if not any(each.serves(step) for each in workers)]
