"""Runs and their steps: recording, reading, carrying out what the engine says."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from taskmgr_core import documents
from taskmgr_core.errors import DamagedRecordError, NotFoundError
from taskmgr_core.orchestrator.engine import (
    PLAIN,
    Decide,
    DropElements,
    EndRun,
    MoveStep,
    Rule,
    RunState,
    is_fatal,
)
from taskmgr_core.specs import (
    SPLIT_STATUSES,
    Failure,
    Graph,
    ReadyStep,
    Run,
    RunStatus,
    RunSummary,
    Step,
)
from taskmgr_core.stores.metadata import RunFilter, first_look
from taskmgr_core.stores.progress import Progress
from taskmgr_core.stores.records import (
    SUBMIT_AGAIN,
    expiry,
    needs_from,
    remembered,
    rule_from,
    stored,
)
from taskmgr_core.stores.sqlite import elements

SHORT = 8
_COUNTED_AT_ONCE = 100

_SUMMARY = "id, name, kind, status, created_at, finished_at, cancel_requested, failure"
_LISTING = "SELECT {} FROM runs WHERE {} ORDER BY id DESC LIMIT ?"


def found(connection: sqlite3.Connection, run_id: str) -> sqlite3.Row:
    """The row of the run that ``MetadataStore.run`` gives."""
    return _find(connection, run_id, "*")


def run_from(row: sqlite3.Row, graph: Graph | None = None) -> Run:
    """A run as it is recorded.

    Arguments:
        row: of ``runs``.
        graph: what its graph is, where that is known.

    Raises:
        DamagedRecordError: the graph cannot be read.
    """
    what = f"the stored graph of run {row['id']}"
    return Run(
        id=row["id"],
        name=row["name"],
        kind=row["kind"],
        graph=graph or remembered(row["graph"], Graph, what, SUBMIT_AGAIN),
        status=row["status"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        cancel_requested=bool(row["cancel_requested"]),
        failure=_told(row["failure"], f"the stored run {row['id']}"),
        retry_of=row["retry_of"],
        traceparent=row["traceparent"],
    )


def summary(connection: sqlite3.Connection, run_id: str) -> RunSummary:
    """See ``MetadataStore.summary``."""
    return _summary(connection, _find(connection, run_id, _SUMMARY))


def listing(connection: sqlite3.Connection, wanted: RunFilter) -> list[RunSummary]:
    """See ``MetadataStore.runs``."""
    conditions, parameters = wanted_rows(wanted)
    query = _LISTING.format(_SUMMARY, conditions)
    rows = connection.execute(query, (*parameters, wanted.limit)).fetchall()
    counts = _counts(connection, [row["id"] for row in rows])
    return [_summary_from(row, counts.get(row["id"], {})) for row in rows]


def wanted_rows(wanted: RunFilter) -> tuple[str, list[str]]:
    """The conditions of a filter, and their parameters."""
    conditions, parameters = ["id < ?"], [wanted.before or "~"]
    for column, value in (("status", wanted.status), ("name", wanted.name)):
        if value is not None:
            conditions.append(f"{column} = ?")
            parameters.append(value)
    return " AND ".join(conditions), parameters


# A row of ``runs`` has the graph in it. To find one that spans many pages SQLite reads them all,
# so what is asked of a run at each of its steps is answered by indexes alone.
_STATUS = (
    "SELECT status FROM runs INDEXED BY runs_by_status"
    " WHERE status IN ('running', 'succeeded', 'failed', 'cancelled') AND id = ?"
)


def is_to_cancel(run: str) -> str:
    """The condition, in SQL, that a run is to be cancelled; ``run`` is what has its id there."""
    return (
        "EXISTS (SELECT 1 FROM runs AS found INDEXED BY runs_to_cancel"  # noqa: S608 - our own
        f" WHERE found.id = {run} AND found.cancel_requested = 1)"
    )


def is_expired(run: str) -> str:
    """The condition, in SQL, that the time of a run is over; see ``is_to_cancel``."""
    return (
        "EXISTS (SELECT 1 FROM runs AS found INDEXED BY runs_expired"  # noqa: S608 - our own
        f" WHERE found.id = {run} AND found.expired_at IS NOT NULL)"
    )


def goes_on(run: str) -> str:
    """The condition, in SQL, that a run has not ended, is not to be cancelled, and has time left.

    See ``is_to_cancel``.
    """
    return (
        "EXISTS (SELECT 1 FROM runs AS found INDEXED BY runs_by_status"  # noqa: S608 - our own
        f" WHERE found.status = 'running' AND found.id = {run})"
        f" AND NOT {is_to_cancel(run)} AND NOT {is_expired(run)}"
    )


def status(connection: sqlite3.Connection, run_id: str) -> RunStatus:
    """See ``MetadataStore.status``."""
    row = connection.execute(_STATUS, (run_id,)).fetchone()
    if row is None:
        raise NotFoundError(_unknown(run_id))
    found: RunStatus = row["status"]
    return found


def steps(connection: sqlite3.Connection, run_id: str) -> list[Step]:
    """See ``MetadataStore.steps``."""
    rows = connection.execute(
        "SELECT * FROM steps WHERE run = ? AND parent = '' ORDER BY position", (run_id,)
    )
    return [step_from(row) for row in rows]


def request_cancel(
    connection: sqlite3.Connection, run_id: str, decide: Decide, now: float
) -> Progress:
    """See ``MetadataStore.request_cancel``."""
    connection.execute(
        "UPDATE runs SET cancel_requested = 1 WHERE id = ? AND status = 'running'", (run_id,)
    )
    return advance(connection, run_id, decide, now)


def advance(connection: sqlite3.Connection, run_id: str, decide: Decide, now: float) -> Progress:
    """Carry out what the engine says for the recorded state."""
    row = connection.execute(
        "SELECT status, cancel_requested, expired_at FROM runs WHERE id = ?", (run_id,)
    ).fetchone()
    if row is None:
        raise NotFoundError(_unknown(run_id))
    found = connection.execute(
        "SELECT run, id, status, after, task, queue, priority, resources, rule FROM steps"
        " WHERE run = ? AND parent = '' ORDER BY position",
        (run_id,),
    ).fetchall()
    after = {each["id"]: _after(connection, each, now) for each in found}
    state = RunState(
        after={step: earlier or () for step, earlier in after.items()},
        steps={
            each["id"]: "failed" if after[each["id"]] is None else each["status"] for each in found
        },
        status=row["status"],
        cancel_requested=bool(row["cancel_requested"]),
        rules={each["id"]: rule_in(each) for each in found if each["rule"]},
        expired=row["expired_at"] is not None,
        maps={
            each["id"]: elements.state_of(connection, run_id, each["id"])
            for each in found
            if each["status"] in SPLIT_STATUSES
        },
    )
    rows = {each["id"]: each for each in found}
    status, ready, ended = state.status, [], False
    for command in decide(state):
        if isinstance(command, EndRun):
            _end(connection, run_id, command, now)
            status, ended = command.status, True
        elif isinstance(command, DropElements):
            elements.drop(connection, run_id, command.step, now)
        elif move(connection, run_id, command, now) and command.status == "ready":
            ready.append(ready_step(rows[command.step], now))
    for step in state.maps:
        ready += elements.fill(connection, run_id, step, now)
    return Progress(recorded=True, ready=tuple(ready), run_status=status, ended=ended)


def overdue(connection: sqlite3.Connection, now: float) -> list[str]:
    """The runs whose time is over and that have not been told so."""
    rows = connection.execute(
        "SELECT id FROM runs WHERE status = 'running' AND deadline IS NOT NULL"
        " AND expired_at IS NULL AND deadline <= ?",
        (now,),
    )
    return [row["id"] for row in rows]


def expire(connection: sqlite3.Connection, decide: Decide, now: float) -> dict[str, Progress]:
    """See ``MetadataStore.expire``."""
    found = overdue(connection, now)
    connection.executemany(
        "UPDATE runs SET expired_at = ? WHERE id = ?", [(now, each) for each in found]
    )
    return {each: advance(connection, each, decide, now) for each in found}


def rule_in(row: sqlite3.Row) -> Rule:
    """The rule of a step; one that cannot be read is the strictest, so that it holds up nothing."""
    try:
        return rule_from(row["rule"], step_name(row))
    except DamagedRecordError:
        return PLAIN


def check(row: sqlite3.Row) -> None:
    """Read all of a recorded run.

    Raises:
        DamagedRecordError: it cannot be read.
    """
    run_from(row)
    _failure(row["failure"], f"the stored run {row['id']}")


def after_from(row: sqlite3.Row) -> tuple[str, ...]:
    """The steps that a step waits for, as they are recorded."""
    return remembered(row["after"], tuple[str, ...], step_name(row), SUBMIT_AGAIN)


def step_from(row: sqlite3.Row) -> Step:
    """A step as it is recorded."""
    what = step_name(row)
    return Step(
        run=row["run"],
        id=row["id"],
        task=row["task"],
        version=row["version"],
        queue=row["queue"],
        priority=row["priority"],
        status=row["status"],
        attempt=row["attempt"],
        lost=row["lost"],
        worker=row["worker"],
        not_before=row["not_before"],
        ready_at=row["ready_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        seconds=_seconds_from(row["seconds"], what),
        failure=_failure(row["failure"], what),
        failures=remembered(row["failures"], tuple[Failure, ...], what, SUBMIT_AGAIN),
        resources=needs_from(row["resources"], what),
        origin=row["origin"],
        elements=row["elements"],
        cached_from=row["cached_from"],
        waits_for=row["waits_for"],
        waits_since=row["waits_since"],
    )


def _seconds_from(text: str, what: str) -> dict[str, float]:
    if text == "{}":  # as in every step that is claimed
        return {}
    return stored(text, dict[str, float], what, SUBMIT_AGAIN)


def ready_step(row: sqlite3.Row, ready_at: float) -> ReadyStep:
    """A row of ``steps`` as a queue has to know it."""
    return elements.ready_step(row, ready_at)


def step_name(row: sqlite3.Row) -> str:
    """What a row of ``steps`` is called in a message."""
    return f"the stored step {row['id']} of run {row['run']}"


def set_aside(
    connection: sqlite3.Connection, row: sqlite3.Row, error: DamagedRecordError, now: float
) -> None:
    """A damaged record fails its own step and holds up no other."""
    connection.execute(
        "UPDATE steps SET status = 'failed', failure = ?, failures = '[]', seconds = '{}',"
        " finished_at = ? WHERE run = ? AND id = ?",
        (documents.dumps(_damaged(error)), now, row["run"], row["id"]),
    )


def _after(connection: sqlite3.Connection, row: sqlite3.Row, now: float) -> tuple[str, ...] | None:
    """What a step waits for; None once it was set aside, because nobody can tell any more."""
    if row["status"] not in ("pending", "mapping"):
        return ()
    try:
        return after_from(row)
    except DamagedRecordError as error:
        set_aside(connection, row, error, now)
        return None


def _failure(text: str | None, what: str) -> Failure | None:
    return None if text is None else stored(text, Failure, what, SUBMIT_AGAIN)


def _told(text: str | None, what: str) -> Failure | None:
    """A failure as it can be told: when it is damaged, that it is."""
    try:
        return _failure(text, what)
    except DamagedRecordError as error:
        return _damaged(error)


def _damaged(error: DamagedRecordError) -> Failure:
    return Failure("damaged-record", str(error))


def _find(connection: sqlite3.Connection, run_id: str, columns: str) -> sqlite3.Row:
    """The row of the run that is named so."""
    beginning = run_id.lower()
    ways: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("id = ?", (run_id,)),
        ("short = ?", (beginning,)),
        ("id >= ? AND id < ? ORDER BY id", (beginning, beginning + "~")),
    )
    for condition, parameters in ways if run_id else ():
        rows = connection.execute(
            f"SELECT {columns} FROM runs WHERE {condition} LIMIT 2",  # noqa: S608 - all from here
            parameters,
        ).fetchall()
        if len(rows) > 1:
            raise NotFoundError(f"several runs begin or end with {run_id!r}; give more of the id")
        if rows:
            row: sqlite3.Row = rows[0]
            return row
    raise NotFoundError(_unknown(run_id))


def _unknown(run_id: str) -> str:
    return (
        f"no run {run_id!r}; `taskmgr runs` lists them, newest first (a run is named by its "
        f"id, the beginning of it, or its last {SHORT} characters)"
    )


def _summary(connection: sqlite3.Connection, row: sqlite3.Row) -> RunSummary:
    return _summary_from(row, _counts(connection, [row["id"]]).get(row["id"], {}))


def _counts(connection: sqlite3.Connection, run_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Run -> status -> how many of its steps have it, a hundred runs with each statement."""
    found: dict[str, dict[str, int]] = {}
    for first in range(0, len(run_ids), _COUNTED_AT_ONCE):
        asked = run_ids[first : first + _COUNTED_AT_ONCE]
        places = ", ".join("?" * len(asked))
        for row in connection.execute(
            "SELECT run, status, COUNT(*) AS count FROM steps"  # noqa: S608 - all from here
            f" WHERE run IN ({places}) AND parent = '' GROUP BY run, status",
            asked,
        ):
            found.setdefault(row["run"], {})[row["status"]] = row["count"]
    return found


def _summary_from(row: sqlite3.Row, counts: Mapping[str, int]) -> RunSummary:
    return RunSummary(
        id=row["id"],
        name=row["name"],
        kind=row["kind"],
        status=row["status"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        cancel_requested=bool(row["cancel_requested"]),
        failure=_told(row["failure"], f"the stored run {row['id']}"),
        steps=dict(counts),
    )


def move(connection: sqlite3.Connection, run_id: str, command: MoveStep, now: float) -> bool:
    """Give a step its new status, if it still has the one before; whether it had."""
    times = (now, first_look(now), None) if command.status == "ready" else (None, None, now)
    changed = connection.execute(
        "UPDATE steps SET status = ?, ready_at = ifnull(?, ready_at), look_at = ?, finished_at = ?"
        " WHERE run = ? AND id = ? AND status = ?",
        (command.status, *times, run_id, command.step, command.before),
    ).rowcount
    return changed == 1


def _end(connection: sqlite3.Connection, run_id: str, command: EndRun, now: float) -> None:
    failure = _why(connection, run_id) if command.status == "failed" else None
    connection.execute(
        "UPDATE runs SET status = ?, finished_at = ?, failure = ? WHERE id = ?"
        " AND status = 'running'",
        (command.status, now, documents.dumps(failure) if failure else None, run_id),
    )


def _why(connection: sqlite3.Connection, run_id: str) -> Failure | None:
    """Why a run failed: its time was over, or the reason of the step that failed it first."""
    run = connection.execute(
        "SELECT created_at, deadline, expired_at FROM runs WHERE id = ?", (run_id,)
    ).fetchone()
    if run["expired_at"] is not None:
        return expiry(run["deadline"] - run["created_at"])
    failed = connection.execute(
        "SELECT run, id, task, version, failure, rule FROM steps WHERE run = ?"
        " AND status = 'failed' AND parent = '' ORDER BY finished_at",
        (run_id,),
    )
    fatal = next((row for row in failed if is_fatal(rule_in(row), "failed")), None)
    return None if fatal is None else _run_failure(fatal)


def _run_failure(row: sqlite3.Row) -> Failure | None:
    failure = _told(row["failure"], step_name(row))
    if failure is None:
        return None
    message = f"step {row['id']} ({row['task']} {row['version']}): {failure.message}"
    return Failure(failure.code, message)
