"""The JSON that ``--json`` prints. Every key is always there; moments are ISO 8601 in UTC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from taskmgr_core import documents
from taskmgr_core.orchestrator.compatibility import type_name
from taskmgr_core.results import present
from taskmgr_core.specs import (
    Edge,
    Element,
    FailedElement,
    Failure,
    FieldSpec,
    FieldValue,
    Graph,
    GraphStep,
    LogLine,
    Release,
    RunDetail,
    RunSummary,
    Step,
    TaskVersion,
    Worker,
    input_port,
    output_port,
)
from taskmgr_core.summary import timing_of

if TYPE_CHECKING:
    from taskmgr_core.tracing import Page, Part


def moment(seconds: float | None) -> str | None:
    """UTC seconds since 1970 as ISO 8601."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def utc_time(seconds: float) -> str:
    """A moment to the second, in UTC, for a table."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def task_view(version: TaskVersion, versions: Iterable[TaskVersion] = ()) -> dict[str, Any]:
    """A task: what it takes, what it gives, what it asks for."""
    task = version.task
    return {
        "kind": "task",
        "name": task.name,
        "version": version.version,
        "versions": [each.version for each in versions] or [version.version],
        "description": task.description,
        "inputs": [field_view(each) for each in task.inputs],
        "outputs": [field_view(each) for each in task.outputs],
        "queue": task.queue,
        "timeout": task.timeout,
        "priority": task.priority,
        "memory_mb": task.memory_mb,
        "retries": task.retries,
        "resources": dict(task.resources),
        "network": task.network,
        "max_batch_size": task.max_batch_size,
        "max_batch_wait_ms": task.max_batch_wait_ms,
        "cache": task.cache or None,
        "max_concurrent": task.max_concurrent or None,
        "rate": task.rate or None,
        "load_timeout": task.load_timeout,
        "models": [documents.unstructure(each) for each in task.models],
        "release": release_view(version.release),
    }


def field_view(field: FieldSpec) -> dict[str, Any]:
    """An input or output of a task."""
    return {
        "name": field.name,
        "type": type_name(field.schema),
        "required": field.required,
        "default": field.default,
        "schema": field.schema,
    }


def release_view(release: Release) -> dict[str, Any]:
    """What a version was published as."""
    return {
        "distribution": release.distribution,
        "version": release.version,
        "wheel": release.wheel.name,
        "wheel_digest": release.wheel.digest,
        "wheel_size": release.wheel.size,
        "lock_digest": release.lock.digest,
        "python": release.python,
        "platform": release.platform,
        "published_at": release.published_at,
    }


def graph_view(graph: Graph, description: str = "") -> dict[str, Any]:
    """A pipeline: inputs, steps, which port takes its value from where, the result."""
    return {
        "kind": "pipeline",
        "name": graph.name,
        "description": description,
        "inputs": [
            {"name": name, "type": type_name(schema), "required": name not in graph.optional}
            for name, schema in graph.inputs.items()
        ],
        "steps": [_graph_step_view(each) for each in graph.steps],
        "result": documents.unstructure(graph.result),
    }


def _graph_step_view(step: GraphStep) -> dict[str, Any]:
    return {
        "id": step.id,
        "task": step.task,
        "version": step.version,
        "queue": step.queue,
        "resources": dict(step.resources),
        "after": list(step.after),
        "inputs": {
            input_port(step.id, field): source.port or {"value": source.constant}
            for field, source in step.inputs.items()
        },
        "outputs": [output_port(step.id, field) for field in step.outputs],
    }


def summary_view(run: RunSummary) -> dict[str, Any]:
    """A run in a list."""
    return {
        "run_id": run.id,
        "name": run.name,
        "kind": run.kind,
        "status": run.status,
        "created_at": moment(run.created_at),
        "finished_at": moment(run.finished_at),
        "cancel_requested": run.cancel_requested,
        "steps": dict(run.steps),
        "error": failure_view(run.failure),
    }


def run_view(detail: RunDetail) -> dict[str, Any]:
    """What came of a run."""
    run, timing = detail.run, timing_of(detail.run, detail.steps)
    return {
        "run_id": run.id,
        "name": run.name,
        "kind": run.kind,
        "status": run.status,
        "created_at": moment(run.created_at),
        "finished_at": moment(run.finished_at),
        "cancel_requested": run.cancel_requested,
        "seconds": {
            "total": timing.total,
            "sequential": timing.sequential,
            "parallel": timing.parallel,
        },
        "result": present(detail.result),
        "problem": detail.problem or None,
        "retry_of": run.retry_of or None,
        "error": _error_view(detail),
    }


def detail_view(detail: RunDetail) -> dict[str, Any]:
    """Everything that is recorded of a run."""
    return {
        **run_view(detail),
        "inputs": {
            value.port: present(value.document)
            for value in detail.values
            if value.port in detail.run.graph.inputs
        },
        "steps": [step_view(each) for each in detail.steps],
        "values": [value_view(each) for each in detail.values],
        "edges": [edge_view(each) for each in detail.edges],
    }


def step_view(step: Step) -> dict[str, Any]:
    """A step of a run."""
    return {
        "id": step.id,
        "task": step.task,
        "version": step.version,
        "queue": step.queue,
        "resources": dict(step.resources),
        "status": step.status,
        "attempts": step.attempt,
        "lost": step.lost,
        "worker": step.worker,
        "ready_at": moment(step.ready_at),
        "started_at": moment(step.started_at),
        "finished_at": moment(step.finished_at),
        "seconds": dict(step.seconds),
        "error": failure_view(step.failure),
        "earlier_errors": [failure_view(each) for each in step.failures],
        "taken_from": step.origin or None,
        "cached_from": step.cached_from or None,
        "waits_for": step.waits_for or None,
        "elements": step.elements,
        "elements_failed": None if step.elements is None else step.failed.count,
        "element_errors": [element_error_view(each) for each in step.failed.first],
    }


def element_error_view(failed: FailedElement) -> dict[str, Any]:
    """Why an element or an iteration failed."""
    return {"index": failed.index, "error": failure_view(failed.failure)}


def value_view(value: FieldValue) -> dict[str, Any]:
    """A recorded value; ``value`` is null where ``source`` has it."""
    return {
        "port": value.port,
        "type": value.type,
        "digest": value.digest,
        "size": value.size,
        "producer": value.producer or None,
        "source": value.source or None,
        "artifacts": list(value.artifacts),
        "value": None if value.source else present(value.document),
    }


def edge_view(edge: Edge) -> dict[str, str]:
    """``target`` was made from ``source``."""
    return {"source": edge.source, "target": edge.target}


def _error_view(detail: RunDetail) -> dict[str, Any] | None:
    """Why a run failed, with the step that did: it has the task's own traceback."""
    step = failed_step(detail)
    found = failure_view(step.failure if step else detail.run.failure)
    return None if found is None else {"step": step.id if step else None, **found}


def failed_step(detail: RunDetail) -> Step | None:
    """The first step that failed and says why."""
    failed = (each for each in detail.steps if each.status == "failed" and each.failure)
    return next(failed, None)


def failure_view(failure: Failure | None) -> dict[str, Any] | None:
    """Why something failed."""
    if failure is None:
        return None
    return {
        "code": failure.code,
        "message": failure.message,
        "traceback": failure.traceback,
        "details": dict(failure.details),
    }


def log_view(line: LogLine) -> dict[str, Any]:
    """A line of a log."""
    return {
        "number": line.number,
        "time": moment(line.time),
        "step": line.step,
        "attempt": line.attempt,
        "stream": line.stream,
        "text": line.text,
    }


def lineage_view(detail: RunDetail) -> dict[str, Any]:
    """The values of a run and which was made from which."""
    return {
        "run_id": detail.run.id,
        "name": detail.run.name,
        "status": detail.run.status,
        "values": [_lineage_value(each) for each in detail.values],
        "edges": [edge_view(each) for each in detail.edges],
    }


def element_view(name: str, state: Element | None) -> dict[str, Any]:
    """What came of an element or an iteration, such as ``002[3]``."""
    return {
        "name": name,
        "status": state.status if state else "pending",
        "error": failure_view(state.failure) if state else None,
    }


def page_view(page: Page, names: Mapping[str, str]) -> dict[str, Any]:
    """Parts of a lineage over many runs, in one direction.

    Arguments:
        page: the parts.
        names: the name of each run.
    """
    return {
        "parts": [_part_view(each, names[each.run]) for each in page.parts],
        "next": page.next or None,
    }


def _part_view(part: Part, name: str) -> dict[str, Any]:
    return {
        "run_id": part.run,
        "name": name,
        "through": list(part.through),
        "entered": [_lineage_value(each) for each in part.entered],
        "reached": [_lineage_value(each) for each in part.reached],
        "edges": [edge_view(each) for each in part.edges],
        "not_followed": list(part.not_followed),
    }


def _lineage_value(value: FieldValue) -> dict[str, Any]:
    return {name: part for name, part in value_view(value).items() if name != "value"}


def worker_status(worker: Worker, alive: bool) -> str:
    """How a worker is."""
    if not alive:
        return "lost"
    if worker.draining:
        return "draining"
    return "preparing" if worker.preparing else "alive"


def worker_view(worker: Worker, alive: bool) -> dict[str, Any]:
    """A worker."""
    return {
        "id": worker.id,
        "host": worker.host,
        "pid": worker.pid,
        "status": worker_status(worker, alive),
        "slots": worker.slots,
        "autoscale": list(worker.autoscale) if worker.autoscale else None,
        "resources": dict(worker.resources),
        "queues": list(worker.queues),
        "tasks": list(worker.tasks),
        "refused": list(worker.refused),
        "running": list(worker.running),
        "started_at": moment(worker.started_at),
        "heartbeat": moment(worker.heartbeat),
    }
