"""How much is to do and was done lately: for screens, and for workers that scale."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

from taskmgr_core.specs import FINAL_RUN_STATUSES, Overview, StepTimes, Waiting
from taskmgr_core.specs.resources import from_text
from taskmgr_core.stores.metadata import COUNTED


def overview(connection: sqlite3.Connection, since: float) -> Overview:
    """See ``MetadataStore.overview``."""
    running = _count(connection, "status = ?", "running")
    ended = {
        status: _count(connection, "status = ? AND finished_at >= ?", status, since)
        for status in sorted(FINAL_RUN_STATUSES)
    }
    return Overview(running, ended)


def waiting(connection: sqlite3.Connection, now: float) -> tuple[Waiting, ...]:
    """See ``MetadataStore.waiting``."""
    rows = connection.execute(
        "SELECT queue, resources, sum(due) AS ready, sum(1 - due) AS delayed,"
        " min(CASE WHEN due THEN ready_at END) AS oldest FROM"
        " (SELECT queue, resources, ready_at, ready_at <= ? AS due FROM steps"
        " INDEXED BY steps_due_in_queue WHERE status = 'ready' LIMIT ?)"
        " GROUP BY queue, resources ORDER BY queue, resources",
        (now, COUNTED),
    )
    return tuple(
        Waiting(
            row["queue"], from_text(row["resources"]), row["ready"], row["delayed"], row["oldest"]
        )
        for row in rows
    )


def latest_times(
    connection: sqlite3.Connection, runs: int, known: Collection[str]
) -> list[StepTimes]:
    """See ``MetadataStore.latest_times``."""
    rows = connection.execute(
        "SELECT run, task, queue, status, ready_at, finished_at,"
        " finished_at - started_at AS seconds FROM steps WHERE run IN"
        " (SELECT id FROM (SELECT id FROM runs WHERE id < '~' ORDER BY id DESC LIMIT ?)"
        " WHERE id NOT IN (SELECT value FROM json_each(?)))"
        " AND parent = '' ORDER BY run DESC, position",
        (runs, json.dumps([*known])),
    )
    return [StepTimes(*row) for row in rows]


def _count(connection: sqlite3.Connection, condition: str, *parameters: object) -> int:
    (found,) = connection.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM runs WHERE {condition} LIMIT ?)",  # noqa: S608 - from here
        (*parameters, COUNTED),
    ).fetchone()
    return int(found)
