"""Steps that are run for each element of a list: a row for each element, found by an index.

Of a step that is run again and again each iteration has such a row, made when it is known that
there is one.

What the engine has to know of them is whether there are any that wait, run or have failed:
one look into the index each, however many there are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from taskmgr_core.orchestrator.engine import MapState
from taskmgr_core.specs import (
    NONE_FAILED,
    SPLIT_STATUSES,
    Claim,
    Element,
    FailedElement,
    FailedElements,
    Failure,
    GraphStep,
    Outcome,
    ReadyStep,
    Step,
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
# The index is named, because SQLite would plan such a statement anew each time it is run: with
# ``parent = ?`` it has to look at the value to know whether the indexes on ``parent = ''`` do.
_OF_STEP = "FROM steps INDEXED BY elements_of_step WHERE run = ? AND parent = ? AND parent <> ''"
_ACTIVE = f"SELECT 1 {_OF_STEP} AND status IN ('ready', 'running') LIMIT ?"
_ANY = f"SELECT 1 {_OF_STEP} AND status = ? LIMIT 1"
_FAILED = f"{_OF_STEP} AND status = 'failed'"


def begin(connection: sqlite3.Connection, held: Claim, outcome: Outcome) -> None:
    """Record the elements that a step is to be run for; none of them is ready yet."""
    count = 1 if outcome.status == "looping" else len(outcome.elements)
    _insert(connection, held.step, held.step.id, range(count))
    lineage.record(connection, held.step.run, outcome.elements, ())


def add(connection: sqlite3.Connection, held: Claim) -> None:
    """Record the iteration that follows on the one of a claim; it is not ready yet."""
    following = (held.element or 0) + 1
    _insert(connection, held.step, held.graph_step.id, range(following, following + 1))


def last_before(
    connection: sqlite3.Connection, run_id: str, step_id: str, index: int
) -> int | None:
    """The last iteration before one that gave outputs; None for none."""
    row = connection.execute(
        f"SELECT position {_OF_STEP} AND status = 'succeeded' AND position < ?"
        " ORDER BY position DESC LIMIT 1",
        (run_id, step_id, index),
    ).fetchone()
    return None if row is None else row["position"]


def _insert(connection: sqlite3.Connection, like: Step, parent: str, indexes: range) -> None:
    """Add rows to those of a step, and say of it how many there are."""
    needs = as_text(like.resources)
    common = (like.task, like.version, like.queue, like.priority, needs, parent)
    connection.executemany(
        _INSERT,
        [(like.run, element_port(parent, index), index, *common) for index in indexes],
    )
    connection.execute(
        "UPDATE steps SET elements = ? WHERE run = ? AND id = ?",
        (indexes.stop, like.run, parent),
    )


def fill(
    connection: sqlite3.Connection,
    run_id: str,
    step_id: str,
    now: float,
    freed: int | None = None,
) -> list[ReadyStep]:
    """Make as many elements ready as may be at the same time.

    Arguments:
        connection: in a transaction.
        run_id, step_id: the step.
        now: UTC seconds.
        freed: how many have just ended; None where those that have not are to be counted.
    """
    parent = connection.execute(
        "SELECT status, rule FROM steps WHERE run = ? AND id = ?", (run_id, step_id)
    ).fetchone()
    if parent["status"] not in SPLIT_STATUSES:
        return []
    free = freed or _free(connection, run_id, step_id, parent["rule"])
    if free <= 0:
        return []
    rows = connection.execute(
        f"SELECT run, id, task, queue, priority, resources {_OF_STEP} AND status = 'pending'"
        " ORDER BY position LIMIT ?",
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


def failed(connection: sqlite3.Connection, run_id: str, step_id: str, limit: int) -> FailedElements:
    """See ``MetadataStore.failed_elements``."""
    step = (run_id, step_id)
    count = connection.execute(f"SELECT count(*) {_FAILED}", step).fetchone()[0]
    if not count:
        return NONE_FAILED
    rows = connection.execute(
        f"SELECT run, id, position, failure {_FAILED} ORDER BY position LIMIT ?", (*step, limit)
    )
    return FailedElements(
        count, tuple(FailedElement(row["position"], _failure(row)) for row in rows)
    )


def _failure(row: sqlite3.Row) -> Failure | None:
    what = f"the stored element {row['id']} of run {row['run']}"
    failure = row["failure"]
    return None if failure is None else stored(failure, Failure, what, SUBMIT_AGAIN)


def _element(connection: sqlite3.Connection, row: sqlite3.Row, outputs: Sequence[str]) -> Element:
    found = lineage.values(
        connection, row["run"], [element_port(port, row["position"]) for port in outputs]
    )
    return Element(
        index=row["position"],
        status=row["status"],
        failure=_failure(row),
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


def _free(connection: sqlite3.Connection, run_id: str, step_id: str, rule: str) -> int:
    most = rule_from(rule, f"the stored step {step_id} of run {run_id}").parallel
    return most - len(connection.execute(_ACTIVE, (run_id, step_id, most)).fetchall())
