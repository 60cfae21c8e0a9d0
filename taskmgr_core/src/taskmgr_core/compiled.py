"""Graphs that were compiled lately: what is submitted again and again is checked once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

import attrs

from taskmgr_core.documents import dumps
from taskmgr_core.errors import NotFoundError, TaskmgrError
from taskmgr_core.orchestrator.graph import compile_pipeline, compile_task
from taskmgr_core.specs import Graph, PipelineSpec, TaskVersion

CAPACITY = 64

_Key = tuple[tuple[str, tuple[str, ...]], ...]
Versions = Callable[[str, str | None], TaskVersion]
Pipelines = Callable[[str], PipelineSpec]


def no_pipeline(name: str) -> PipelineSpec:
    """Where no pipelines are known, no step may name one.

    Raises:
        NotFoundError: always.
    """
    raise NotFoundError.named("pipeline", name, ())


@attrs.define
class CompiledPipelines:
    """Compiles pipelines and tasks, and keeps the graphs of those that were asked for last.

    A graph is of a pipeline, word for word, and of exact versions, which never change; so each
    time these are looked up, and nothing else is. Threads may share it.

    Attributes:
        capacity: how many graphs are kept.
    """

    capacity: int = CAPACITY
    _graphs: OrderedDict[_Key, Graph] = attrs.field(factory=OrderedDict, init=False, repr=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def graph(
        self, spec: PipelineSpec, versions: Versions, pipelines: Pipelines = no_pipeline
    ) -> Graph:
        """The graph of a pipeline; see ``compile_pipeline``.

        Raises:
            InvalidPipelineError: with every problem and its place.
        """
        return self._found(
            _key(spec, versions, pipelines), lambda: compile_pipeline(spec, versions, pipelines)
        )

    def graph_of_task(self, version: TaskVersion) -> Graph:
        """The graph of a run of one task; see ``compile_task``.

        Raises:
            InvalidPipelineError: a field has the name of a port.
        """
        key = (("", (version.name, version.version)),)  # no pipeline is written so
        return self._found(key, lambda: compile_task(version))

    def _found(self, key: _Key | None, make: Callable[[], Graph]) -> Graph:
        if key is None:
            return make()
        with self._lock:
            if key in self._graphs:
                self._graphs.move_to_end(key)
                return self._graphs[key]
        graph = make()
        with self._lock:
            self._graphs[key] = graph
            while len(self._graphs) > self.capacity:
                self._graphs.popitem(last=False)
        return graph


def _key(spec: PipelineSpec, versions: Versions, pipelines: Pipelines) -> _Key | None:
    """What decides; None for a pipeline that cannot be compiled: let that say why."""
    parts: list[tuple[str, tuple[str, ...]]] = []
    waiting, seen = [spec], {spec.pipeline}
    try:
        while waiting:
            part = waiting.pop()
            asked = dict.fromkeys((step.task, step.version) for step in part.steps if step.task)
            parts.append((dumps(part), tuple(versions(*each).version for each in asked)))
            inner = {step.pipeline for step in part.steps if step.pipeline} - seen
            seen |= inner
            waiting += [pipelines(name) for name in sorted(inner)]
    except (TaskmgrError, TypeError, ValueError):
        return None
    return tuple(parts)
