"""What follows on a step that succeeded, found beside it.

To decide on all of a run for each of its steps costs the square of their number: of a thousand
steps each would read a thousand. On one that succeeded nothing can follow but what takes its
outputs, so the engine is asked about that and what it waits for. Whatever else may follow, or is
not known, is decided on the whole run.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from taskmgr_core.errors import DamagedRecordError
from taskmgr_core.json_text import plain
from taskmgr_core.orchestrator.engine import Decide, MoveStep, RunState
from taskmgr_core.specs import SPLIT_STATUSES
from taskmgr_core.stores.progress import Progress
from taskmgr_core.stores.sqlite import runs

# Stands for the steps that are not looked at: while it runs, the engine does not end the run.
_ALL_OTHERS = ""
_OPEN = "('pending', 'ready', 'running', 'mapping', 'looping')"  # as their index has it
_ACTIVE = "('ready', 'running', 'mapping', 'looping')"
_ENDED = "('succeeded', 'failed', 'skipped', 'cancelled')"
_GOES_ON = runs.goes_on("?1")
_TAKERS = f"SELECT takers FROM steps WHERE run = ?1 AND id = ?2 AND {_GOES_ON}"  # noqa: S608
# Whether one of what may be many has not ended is found without reading them all. What is no
# list of steps is found damaged when it is read, not here.
_WAITING = f"""
SELECT run, id, status, after, task, queue, priority, resources, rule,
    CASE WHEN status = 'pending' AND json_valid(after) THEN EXISTS (
        SELECT 1 FROM json_each(steps.after) AS earlier
        CROSS JOIN steps AS before ON before.run = steps.run AND before.id = earlier.value
        WHERE before.status NOT IN {_ENDED}
    ) ELSE 0 END AS waits
FROM steps WHERE run = ? AND id IN ({{}})
"""  # noqa: S608 - our own list


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
    recorded = connection.execute(_TAKERS, (run_id, step_id)).fetchone()
    if recorded is None or not recorded["takers"]:  # it ends, or an earlier taskmgr recorded it
        return None
    try:
        found = _takers(connection, run_id, plain(recorded["takers"]))
        moves = _moves(connection, run_id, found, decide)
    except (DamagedRecordError, ValueError):
        return None
    if moves is None or not (moves or _active(connection, run_id)):
        return None
    rows = {row["id"]: row for row in found}
    ready = [
        runs.ready_step(rows[move.step], now)
        for move in moves
        if runs.move(connection, run_id, move, now)
    ]
    return Progress(recorded=True, ready=tuple(ready))


def _moves(
    connection: sqlite3.Connection, run_id: str, taking: Sequence[sqlite3.Row], decide: Decide
) -> list[MoveStep] | None:
    """What becomes ready; None where something else would become of a step."""
    found: list[MoveStep] = []
    for row in taking:
        if row["status"] in SPLIT_STATUSES:  # it may have waited for this to end
            return None
        if row["status"] != "pending" or row["waits"]:
            continue
        waits_for = runs.after_from(row)
        earlier = _statuses(connection, run_id, waits_for)
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


def _takers(connection: sqlite3.Connection, run_id: str, ids: Sequence[str]) -> list[sqlite3.Row]:
    """Steps that take the outputs of one, each with whether it waits for another yet."""
    return (
        []
        if not ids
        else connection.execute(
            _WAITING.format(", ".join("?" * len(ids))), (run_id, *ids)
        ).fetchall()
    )


def _statuses(connection: sqlite3.Connection, run_id: str, ids: Sequence[str]) -> list[sqlite3.Row]:
    return connection.execute(
        "SELECT run, id, status, rule FROM steps"  # noqa: S608 - only question marks are added
        f" WHERE run = ? AND id IN ({', '.join('?' * len(ids))})",
        (run_id, *ids),
    ).fetchall()


def _active(connection: sqlite3.Connection, run_id: str) -> bool:
    row = connection.execute(
        # Named, because SQLite would rather look through all steps of the run.
        "SELECT 1 FROM steps INDEXED BY steps_open WHERE run = ?"  # noqa: S608 - two own lists
        f" AND parent = '' AND status IN {_ACTIVE} AND status IN {_OPEN} LIMIT 1",
        (run_id,),
    ).fetchone()
    return row is not None
