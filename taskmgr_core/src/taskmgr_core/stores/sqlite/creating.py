"""New runs, any number of them at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from taskmgr_core import documents
from taskmgr_core.specs import NewRun, Run
from taskmgr_core.specs.resources import as_text
from taskmgr_core.stores.metadata import deadline_of, first_look
from taskmgr_core.stores.plans import Plans, StepPlan
from taskmgr_core.stores.sqlite import lineage
from taskmgr_core.stores.sqlite.runs import SHORT

_Row = tuple[object, ...]


def create(connection: sqlite3.Connection, plans: Plans, runs: Sequence[NewRun]) -> None:
    """See ``MetadataStore.create_runs``: all of them, or none."""
    planned = [(each, plans.of(each.run.graph)) for each in runs]
    connection.executemany(
        "INSERT INTO runs (id, short, name, kind, status, created_at, graph, deadline, retry_of,"
        " traceparent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [_run(each.run, plan.text) for each, plan in planned],
    )
    connection.executemany(
        "INSERT INTO steps (run, id, position, after, graph_step, task, version, queue, priority,"
        " status, ready_at, look_at, resources, rule, origin, attempt, worker, started_at,"
        " finished_at, seconds, takers, cached_from)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [row for each, plan in planned for row in _steps(each, plan.steps)],
    )
    for each in runs:
        lineage.record(connection, each.run.id, each.values, each.edges)


def _run(run: Run, graph: str) -> _Row:
    return (
        run.id,
        run.id[-SHORT:],
        run.name,
        run.kind,
        run.status,
        run.created_at,
        graph,
        deadline_of(run),
        run.retry_of,
        run.traceparent,
    )


def _steps(new: NewRun, plan: Mapping[str, StepPlan]) -> list[_Row]:
    return [
        (
            step.run,
            step.id,
            position,
            plan[step.id].after,
            plan[step.id].text,
            step.task,
            step.version,
            step.queue,
            step.priority,
            step.status,
            step.ready_at,
            first_look(step.ready_at or new.run.created_at) if step.status == "ready" else None,
            as_text(step.resources),
            plan[step.id].rule,
            step.origin,
            step.attempt,
            step.worker,
            step.started_at,
            step.finished_at,
            documents.text_of(step.seconds),
            plan[step.id].takers,
            step.cached_from,
        )
        for position, step in enumerate(new.steps)
    ]
