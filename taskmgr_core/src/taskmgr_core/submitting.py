"""Submitting: what is asked for is looked up, checked, and made a run that can be recorded.

Runs that are submitted together share what is looked up and one record; each is refused by
itself.
"""

from __future__ import annotations

import contextlib
import contextvars
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from types import TracebackType
from typing import Any, Protocol

import attrs

from taskmgr_core.compiled import CompiledPipelines
from taskmgr_core.errors import NotFoundError
from taskmgr_core.inputs import InputReader
from taskmgr_core.orchestrator.compatibility import type_name
from taskmgr_core.orchestrator.routing import share_of
from taskmgr_core.orchestrator.starting import first_steps
from taskmgr_core.overrides import TaskOverride, overridden
from taskmgr_core.run_ids import new_run_id
from taskmgr_core.spans import Tracer
from taskmgr_core.specs import Graph, NewRun, PipelineSpec, Run, TaskVersion
from taskmgr_core.stores.creating import Seen
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.values import recorded


@attrs.frozen
class Wanted:
    """A run that is asked for.

    Attributes:
        what: the name of a pipeline or task, or a pipeline.
        inputs: name -> value; see ``InputReader.read``.
        version: of a task; the one that new runs get when None.
        graph: what ``graph_of`` has given for ``what`` and ``version``, where it was asked.
        run_id: a new UUID for the run, as ``new_run_id`` makes them.
        context: in which it was asked for: its span is a child of the one that is open there.
    """

    what: str | PipelineSpec
    inputs: Mapping[str, Any]
    version: str | None = None
    graph: Graph | None = None
    run_id: str = attrs.field(factory=new_run_id)
    context: contextvars.Context = attrs.field(
        factory=contextvars.copy_context, repr=False, eq=False
    )

    @property
    def name(self) -> str:
        """What the run is called."""
        return self.what if isinstance(self.what, str) else self.what.pipeline


class Catalog(Protocol):
    """Knows pipelines and the versions of tasks; a ``MetadataStore`` does."""

    def version(
        self, task: str, version: str | None = None, share: float | None = None
    ) -> TaskVersion:
        """One version of a task."""

    def pipeline(self, name: str) -> PipelineSpec:
        """A pipeline."""

    def pipelines(self) -> list[PipelineSpec]:
        """Every pipeline."""

    def latest_versions(self) -> list[TaskVersion]:
        """Every task."""


@attrs.define
class Moment:
    """Implements ``Catalog``: what a store says now, asked once for all who ask at this moment.

    Attributes:
        store: asked.
        divided: whether of some task that was asked for not all runs get the same version.
    """

    store: MetadataStore
    divided: bool = False
    _pipelines: dict[str, PipelineSpec] = attrs.field(factory=dict, init=False)
    _versions: dict[tuple[str, str | None, float | None], TaskVersion] = attrs.field(
        factory=dict, init=False
    )
    _divided: dict[str, bool] = attrs.field(factory=dict, init=False)

    def version(
        self, task: str, version: str | None = None, share: float | None = None
    ) -> TaskVersion:
        """One version of a task; where one is rolled out to a part of the runs, that of the run."""
        if version is not None or not self._is_divided(task):
            share = None
        key = task, version, share
        if key not in self._versions:
            self._versions[key] = self.store.version(task, version, share)
        return self._versions[key]

    def pipeline(self, name: str) -> PipelineSpec:
        """A pipeline."""
        if name not in self._pipelines:
            self._pipelines[name] = self.store.pipeline(name)
        return self._pipelines[name]

    def pipelines(self) -> list[PipelineSpec]:
        """Every pipeline, for a message."""
        return self.store.pipelines()

    def latest_versions(self) -> list[TaskVersion]:
        """Every task, for a message."""
        return self.store.latest_versions()

    def _is_divided(self, task: str) -> bool:
        if task not in self._divided:
            self._divided[task] = self.store.route(task).choice.percent > 0
            self.divided = self.divided or self._divided[task]
        return self._divided[task]


def graph_of(
    compiled: CompiledPipelines,
    catalog: Catalog,
    what: str | PipelineSpec,
    version: str | None,
    run_id: str | None,
) -> Graph:
    """The compiled graph of a pipeline or of a single task; see ``Client.graph``."""
    versions = partial(catalog.version, share=None if run_id is None else share_of(run_id))
    if isinstance(what, PipelineSpec):
        return compiled.graph(what, versions, catalog.pipeline)
    with contextlib.suppress(NotFoundError):
        return graph_of(compiled, catalog, catalog.pipeline(what), None, run_id)
    try:
        return compiled.graph_of_task(versions(what, version))
    except NotFoundError:
        pipelines = [each.pipeline for each in catalog.pipelines()]
        tasks = [each.name for each in catalog.latest_versions()]
        if what in tasks:
            raise
        raise NotFoundError.named("task or pipeline", what, [*tasks, *pipelines]) from None


@attrs.define
class Graphs:
    """The graphs of runs that are submitted together, as operators want them.

    Attributes:
        store: asked for pipelines and versions.
        compiled: what was compiled lately.
        overrides: what operators say of tasks.
        many: whether several runs are: then what they share is worth remembering.
    """

    store: MetadataStore
    compiled: CompiledPipelines
    overrides: Mapping[str, TaskOverride]
    many: bool
    _moment: Moment = attrs.field(
        default=attrs.Factory(lambda self: Moment(self.store), takes_self=True), init=False
    )
    _known: dict[tuple[str, str | None], Graph] = attrs.field(factory=dict, init=False)

    def of(self, wanted: Wanted) -> Graph:
        """The graph of one of them.

        Raises:
            NotFoundError, InvalidPipelineError: there is none.
        """
        if wanted.graph is not None:
            return overridden(wanted.graph, self.overrides)
        if isinstance(wanted.what, PipelineSpec) or not self.many:
            return self._found(self.store, wanted)
        key = wanted.what, wanted.version
        if (known := self._known.get(key)) is not None:
            return known
        graph = self._found(self._moment, wanted)
        if not self._moment.divided:  # else another run of the same may get another version
            self._known[key] = graph
        return graph

    def _found(self, catalog: Catalog, wanted: Wanted) -> Graph:
        found = graph_of(self.compiled, catalog, wanted.what, wanted.version, wanted.run_id)
        return overridden(found, self.overrides)


def new_run(wanted: Wanted, graph: Graph, reader: InputReader, traceparent: str) -> NewRun:
    """A run as it is to be recorded; files among its inputs are stored.

    Raises:
        InvalidInputsError: with every fault of the inputs.
    """
    documents = reader.read(graph, wanted.inputs)
    is_task = (
        isinstance(wanted.what, str)
        and len(graph.steps) == 1
        and graph.steps[0].task == wanted.what
    )
    now = time.time()
    run = Run(
        id=wanted.run_id,
        name=graph.name,
        kind="task" if is_task else "pipeline",
        graph=graph,
        status="running",
        created_at=now,
        traceparent=traceparent,
    )
    values = [
        recorded(name, document, type_name(graph.schemas[name]), "")
        for name, document in documents.items()
    ]
    return NewRun(run, first_steps(run, now), values)


def submitted(
    wanted: Sequence[Wanted],
    graphs: Graphs,
    reader: InputReader,
    tracer: Tracer,
    begun: Callable[[NewRun], NewRun],
    tell: Seen,
) -> list[Run | Exception]:
    """Submit runs: what is wrong with one keeps no other from being recorded.

    Arguments:
        wanted: what is asked for.
        graphs: gives their graphs, and has the store that they are recorded in.
        reader: reads their inputs.
        tracer: makes their spans.
        begun: gives a run as it is to be recorded.
        tell: called for each one that is recorded, once others see it.

    Returns:
        Of each, in their order, the run that is recorded, or why there is none.
    """
    outcomes: list[Run | Exception | None] = [None] * len(wanted)
    spans = [_Span(each, tracer) for each in wanted]
    ready: list[tuple[int, NewRun]] = []
    for place, (each, span) in enumerate(zip(wanted, spans, strict=True)):
        try:
            ready.append((place, new_run(each, graphs.of(each), reader, span.begin())))
        except Exception as error:  # noqa: BLE001 - whoever asked for that run is told
            outcomes[place] = error
    faults = graphs.store.create_runs([begun(new) for _, new in ready], tell) if ready else []
    for (place, new), fault in zip(ready, faults, strict=True):
        outcomes[place] = fault or new.run
    for span, outcome in zip(spans, outcomes, strict=True):
        span.end(outcome if isinstance(outcome, Exception) else None)
    return [each for each in outcomes if each is not None]


@attrs.define
class _Span:
    """The span in which a run is submitted, open while others are."""

    wanted: Wanted
    tracer: Tracer
    _open: AbstractContextManager[str] | None = None

    def begin(self) -> str:
        self._open = self.tracer.submitting(self.wanted.name, self.wanted.run_id)
        return self.wanted.context.run(self._open.__enter__)

    def end(self, error: Exception | None) -> None:
        if self._open is not None:  # it notes what went wrong in it, and raises nothing
            said = (None, None, None) if error is None else _raised(error)
            self.wanted.context.run(self._open.__exit__, *said)


def _raised(error: Exception) -> tuple[type[Exception], Exception, TracebackType | None]:
    return type(error), error, error.__traceback__
