"""What follows on a step that succeeded, found beside it.

To decide on all of a run for each of its steps costs the square of their number: of a thousand
steps each would read a thousand. On one that succeeded nothing can follow but what takes its
outputs, so the engine is asked about that and what it waits for. Whatever else may follow, or is
not known, is decided on the whole run.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from taskmgr_core.errors import DamagedRecordError
from taskmgr_core.orchestrator.engine import Decide, MoveStep, RunState
from taskmgr_core.specs import SPLIT_STATUSES, ReadyStep
from taskmgr_core.stores.progress import Progress
from taskmgr_core.stores.sqlite import runs

# Stands for the steps that are not looked at: while it runs, the engine does not end the run.
_ALL_OTHERS = ""
_OPEN = "('pending', 'ready', 'running', 'mapping', 'looping')"  # as their index has it
_ACTIVE = "('ready', 'running', 'mapping', 'looping')"
_ENDED = "('succeeded', 'failed', 'skipped', 'cancelled')"


def follow(
    connection: sqlite3.Connection, run_id: str, step_id: str, decide: Decide, now: float
) -> Progress | None:
    """Make ready what can run now that a step has succeeded.

    Arguments:
        connection: in the transaction that records the success.
        run_id, step_id: the step; not one that is run for an element.
        decide: the engine.
        now: UTC seconds.

    Returns:
        What came of it; None, with nothing done, where all of the run has to be looked at.
    """
    if not runs.goes_on(connection, run_id):
        return None
    taking = connection.execute(
        "SELECT takers FROM steps WHERE run = ? AND id = ?", (run_id, step_id)
    ).fetchone()["takers"]
    if not taking:  # recorded by an earlier taskmgr
        return None
    try:
        moves = _moves(connection, run_id, json.loads(taking), decide)
    except (DamagedRecordError, ValueError):
        return None
    if moves is None or not (moves or _active(connection, run_id)):
        return None
    return Progress(recorded=True, ready=tuple(_carried_out(connection, run_id, moves, now)))


def _moves(
    connection: sqlite3.Connection, run_id: str, taking: Sequence[str], decide: Decide
) -> list[MoveStep] | None:
    """What becomes ready; None where something else would become of a step."""
    found: list[MoveStep] = []
    for row in _rows(connection, run_id, taking):
        if row["status"] in SPLIT_STATUSES:  # it may have waited for this to end
            return None
        if row["status"] != "pending":
            continue
        waits_for = runs.after_from(row)
        if _waits(connection, run_id, waits_for):
            continue
        earlier = _rows(connection, run_id, waits_for)
        state = RunState(
            after={row["id"]: waits_for},
            steps={
                **{each["id"]: each["status"] for each in earlier},
                row["id"]: "pending",
                _ALL_OTHERS: "running",
            },
            rules={each["id"]: runs.rule_in(each) for each in (*earlier, row) if each["rule"]},
        )
        for command in decide(state):
            if not isinstance(command, MoveStep) or command.status != "ready":
                return None
            found.append(command)
    return found


def _carried_out(
    connection: sqlite3.Connection, run_id: str, moves: Sequence[MoveStep], now: float
) -> list[ReadyStep]:
    for move in moves:
        runs.move(connection, run_id, move, now)
    rows = _rows(connection, run_id, [move.step for move in moves])
    return [runs.ready_step(row, now) for row in rows]


def _rows(connection: sqlite3.Connection, run_id: str, ids: Sequence[str]) -> list[sqlite3.Row]:
    if not ids:
        return []
    return connection.execute(
        "SELECT run, id, status, after, task, queue, priority, resources, rule FROM steps"  # noqa: S608
        f" WHERE run = ? AND id IN ({', '.join('?' * len(ids))})",
        (run_id, *ids),
    ).fetchall()


def _waits(connection: sqlite3.Connection, run_id: str, ids: Sequence[str]) -> bool:
    """Whether one of many has not ended, without reading them all."""
    row = connection.execute(
        f"SELECT 1 FROM steps WHERE run = ? AND id IN ({', '.join('?' * len(ids))})"  # noqa: S608
        f" AND status NOT IN {_ENDED} LIMIT 1",
        (run_id, *ids),
    ).fetchone()
    return row is not None


def _active(connection: sqlite3.Connection, run_id: str) -> bool:
    row = connection.execute(
        # Named, because SQLite would rather look through all steps of the run.
        "SELECT 1 FROM steps INDEXED BY steps_open WHERE run = ?"  # noqa: S608 - two own lists
        f" AND parent = '' AND status IN {_ACTIVE} AND status IN {_OPEN} LIMIT 1",
        (run_id,),
    ).fetchone()
    return row is not None
