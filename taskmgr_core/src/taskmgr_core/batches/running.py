"""Runs a batch: a window of runs under way, results as they come."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Protocol

import attrs

from taskmgr_core.batches.items import Item
from taskmgr_core.errors import InvalidValueError, TaskmgrError
from taskmgr_core.results import present
from taskmgr_core.run_ids import new_run_id
from taskmgr_core.specs import (
    SUMMARY_ENTRY,
    Graph,
    PipelineSpec,
    Run,
    RunDetail,
    RunSummary,
    refreshed,
)
from taskmgr_plugins.errors import InvalidInputError

WINDOW = 16
REFUSED = "invalid-value"
NO_RESULT = "no-result"


class Runs(Protocol):
    """What submits and waits; a ``Client`` is one. Many threads use it."""

    def submit(
        self,
        what: str | PipelineSpec,
        inputs: Mapping[str, Any],
        version: str | None = None,
        graph: Graph | None = None,
        run_id: str | None = None,
    ) -> str:
        """Record a run."""

    def graph(
        self, what: str | PipelineSpec, version: str | None = None, run_id: str | None = None
    ) -> Graph:
        """What such a run runs."""

    def wait(self, run_id: str) -> Run:
        """Wait for its end."""

    def detail(self, run_id: str) -> RunDetail:
        """All that is recorded of it."""

    def cancel(self, run_id: str) -> RunSummary:
        """Have it end."""


@attrs.frozen
class BatchResult:
    """What came of an item.

    Attributes:
        item: the item.
        run: the id of its run; empty where the inputs were refused.
        status: the run's, or ``failed``.
        result: the declared result, arrays as numbers; None unless it succeeded.
        code, message: why there is none, as in a ``Failure``; ``invalid-value`` where the inputs
            were refused, ``no-result`` where the result cannot be put together.
    """

    item: Item
    run: str
    status: str
    result: Mapping[str, Any] | None = None
    code: str = ""
    message: str = ""


def run_items(
    client: Runs,
    what: str | PipelineSpec,
    items: Iterable[Item],
    window: int,
    version: str | None = None,
    *,
    no_cache: bool = False,
) -> Generator[BatchResult, None, None]:
    """Run each item, a window of them at a time; give what came of each as it ends.

    Items are asked for as there is room, so there may be any number. When the caller stops
    (closes the iterator, or is interrupted), the runs that are under way are cancelled.

    Arguments:
        client: what runs them.
        what: the name of a pipeline or task, or a pipeline.
        items: the items.
        window: how many runs are under way at once.
        version: of a task; the one that new runs get when None.
        no_cache: compute every step, and replace what is cached of them.

    Raises:
        TaskmgrError: nothing can be run any more: no such pipeline, a store is away.
    """

    def submit(item: Item, run_id: str) -> str:
        graph = refreshed(client.graph(what, version, run_id)) if no_cache else None
        return client.submit(what, item.inputs, version, graph, run_id)

    batch = _Batch(client, submit)
    with ThreadPoolExecutor(window, "taskmgr-batch") as pool:
        under_way: set[Future[BatchResult | None]] = set()
        try:
            for item in items:
                under_way.add(pool.submit(batch.work, item))
                # The next item may be long in coming: what has ended is given before.
                patience = None if len(under_way) >= window else 0
                ended, under_way = wait(under_way, patience, FIRST_COMPLETED)
                yield from _results(ended)
            while under_way:
                ended, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield from _results(ended)
        finally:
            batch.stop()


def _results(ended: set[Future[BatchResult | None]]) -> Iterator[BatchResult]:
    for each in ended:
        result = each.result()
        if result is not None:
            yield result


class _Batch:
    """The runs that are under way, and what becomes of them when the batch ends early."""

    def __init__(self, client: Runs, submit: Callable[[Item, str], str]) -> None:
        self._client = client
        self._submit = submit
        self._lock = threading.Lock()
        self._under_way: set[str] = set()
        self._stopped = False

    def work(self, item: Item) -> BatchResult | None:
        """Run an item to its end; None where the batch has ended meanwhile."""
        if item.problem:
            return _refused(item, item.problem)
        run_id = new_run_id()
        with self._lock:
            if self._stopped:
                return None
            self._under_way.add(run_id)
        try:
            self._submit(item, run_id)
            if self._stopped:  # it was recorded too late to be found by who stopped
                self._client.cancel(run_id)
            self._client.wait(run_id)
            return _result_of(item, self._client.detail(run_id))
        except (InvalidValueError, InvalidInputError) as error:
            return _refused(item, str(error))
        finally:
            with self._lock:
                self._under_way.discard(run_id)

    def stop(self) -> None:
        """Let nothing begin any more, and cancel what is under way."""
        with self._lock:
            self._stopped = True
            left = tuple(self._under_way)
        for run_id in left:
            with contextlib.suppress(TaskmgrError):  # it may not be recorded yet, or have ended
                self._client.cancel(run_id)


def _result_of(item: Item, detail: RunDetail) -> BatchResult:
    run = detail.run
    if detail.result is not None:
        declared = {k: v for k, v in detail.result.items() if k != SUMMARY_ENTRY}
        return BatchResult(item, run.id, run.status, present(declared))
    if detail.problem:
        return BatchResult(item, run.id, "failed", None, NO_RESULT, detail.problem)
    failed = (step.failure for step in detail.steps if step.failure is not None)
    failure = run.failure or next(failed, None)
    if failure is None:
        return BatchResult(item, run.id, run.status, None, run.status, f"the run is {run.status}")
    return BatchResult(item, run.id, run.status, None, failure.code, failure.message)


def _refused(item: Item, message: str) -> BatchResult:
    return BatchResult(item, "", "failed", None, REFUSED, message)
