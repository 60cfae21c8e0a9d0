"""Steps that are run for each element of a list: a row for each element, found by an index.

What the engine has to know of them is whether there are any that wait, run or have failed:
one look into the index each, however many there are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from taskmgr_core.orchestrator.engine import MapState
from taskmgr_core.specs import (
    Claim,
    Element,
    Failure,
    GraphStep,
    Outcome,
    ReadyStep,
    element_port,
    output_port,
)
from taskmgr_core.specs.resources import as_text, from_text
from taskmgr_core.stores.metadata import first_look
from taskmgr_core.stores.records import SUBMIT_AGAIN, remembered, rule_from, stored
from taskmgr_core.stores.sqlite import lineage

_INSERT = (
    "INSERT INTO steps (run, id, position, after, graph_step, task, version, queue, priority,"
    " status, resources, parent) VALUES (?, ?, ?, '[]', '', ?, ?, ?, ?, 'pending', ?, ?)"
)
_ANY = "SELECT 1 FROM steps WHERE run = ? AND parent = ? AND status = ? AND parent <> '' LIMIT 1"


def begin(connection: sqlite3.Connection, held: Claim, outcome: Outcome) -> None:
    """Record the elements that a step is to be run for; none of them is ready yet."""
    step = held.step
    needs = as_text(step.resources)
    connection.executemany(
        _INSERT,
        [
            (
                step.run,
                element_port(step.id, index),
                index,
                step.task,
                step.version,
                step.queue,
                step.priority,
                needs,
                step.id,
            )
            for index in range(len(outcome.elements))
        ],
    )
    lineage.record(connection, step.run, outcome.elements, ())
    connection.execute(
        "UPDATE steps SET elements = ? WHERE run = ? AND id = ?",
        (len(outcome.elements), step.run, step.id),
    )


def fill(connection: sqlite3.Connection, run_id: str, step_id: str, now: float) -> list[ReadyStep]:
    """Make as many elements ready as may be at the same time."""
    parent = connection.execute(
        "SELECT status, rule FROM steps WHERE run = ? AND id = ?", (run_id, step_id)
    ).fetchone()
    if parent["status"] != "mapping":
        return []
    most = rule_from(parent["rule"], f"the stored step {step_id} of run {run_id}").parallel
    free = most - _active(connection, run_id, step_id, most)
    if free <= 0:
        return []
    rows = connection.execute(
        "SELECT * FROM steps WHERE run = ? AND parent = ? AND status = 'pending'"
        " AND parent <> '' ORDER BY position LIMIT ?",
        (run_id, step_id, free),
    ).fetchall()
    connection.executemany(
        "UPDATE steps SET status = 'ready', ready_at = ?, look_at = ? WHERE run = ? AND id = ?",
        [(now, first_look(now), run_id, row["id"]) for row in rows],
    )
    return [ready_step(row, now) for row in rows]


def state_of(connection: sqlite3.Connection, run_id: str, step_id: str) -> MapState:
    """How far a step is."""

    def has(status: str) -> bool:
        return connection.execute(_ANY, (run_id, step_id, status)).fetchone() is not None

    return MapState(
        waiting=has("pending") or has("ready"), running=has("running"), failed=has("failed")
    )


def drop(connection: sqlite3.Connection, run_id: str, step_id: str, now: float) -> None:
    """Have what has not begun not begin."""
    connection.execute(
        "UPDATE steps SET status = 'skipped', look_at = NULL, finished_at = ?"
        " WHERE run = ? AND parent = ? AND parent <> '' AND status IN ('pending', 'ready')",
        (now, run_id, step_id),
    )


def listing(
    connection: sqlite3.Connection, run_id: str, step_id: str, first: int, limit: int
) -> list[Element]:
    """See ``MetadataStore.elements``."""
    found = (
        connection.execute(
            "SELECT run, id, position, status, failure FROM steps WHERE run = ? AND id = ?",
            (run_id, element_port(step_id, index)),
        ).fetchone()
        for index in range(first, first + limit)
    )
    rows = [row for row in found if row is not None]
    step = connection.execute(
        "SELECT graph_step FROM steps WHERE run = ? AND id = ?", (run_id, step_id)
    ).fetchone()
    what = f"the stored step {step_id} of run {run_id}"
    whole = remembered(step["graph_step"], GraphStep, what, SUBMIT_AGAIN)
    outputs = [output_port(step_id, field) for field in whole.outputs]
    return [_element(connection, row, outputs) for row in rows]


def _element(connection: sqlite3.Connection, row: sqlite3.Row, outputs: Sequence[str]) -> Element:
    what = f"the stored element {row['id']} of run {row['run']}"
    failure = row["failure"]
    found = lineage.values(
        connection, row["run"], [element_port(port, row["position"]) for port in outputs]
    )
    return Element(
        index=row["position"],
        status=row["status"],
        failure=None if failure is None else stored(failure, Failure, what, SUBMIT_AGAIN),
        outputs={value.port: value for value in found},
    )


def ready_step(row: sqlite3.Row, ready_at: float) -> ReadyStep:
    """A row of ``steps`` as a queue has to know it."""
    return ReadyStep(
        row["run"],
        row["id"],
        row["task"],
        row["queue"],
        row["priority"],
        ready_at,
        from_text(row["resources"]),
    )


def _active(connection: sqlite3.Connection, run_id: str, step_id: str, most: int) -> int:
    found = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM steps WHERE run = ? AND parent = ? AND parent <> ''"
        " AND status IN ('ready', 'running') LIMIT ?)",
        (run_id, step_id, most),
    ).fetchone()
    return int(found[0])
