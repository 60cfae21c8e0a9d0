"""Claiming steps, recording outcomes under the fencing token, taking back what was lost."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import attrs

from taskmgr_core import documents
from taskmgr_core.errors import DamagedRecordError
from taskmgr_core.orchestrator.engine import Decide
from taskmgr_core.specs import (
    SPLIT_STATUSES,
    Claim,
    GraphStep,
    Hold,
    Outcome,
    ReadyStep,
    Step,
    as_claimed,
    element_step,
    iteration_step,
)
from taskmgr_core.specs.resources import NO_RESOURCES, as_text, fit, from_text, is_text
from taskmgr_core.stores.loss import loss_of
from taskmgr_core.stores.metadata import first_look
from taskmgr_core.stores.progress import Progress, Taking
from taskmgr_core.stores.records import SUBMIT_AGAIN, remembered, rule_from
from taskmgr_core.stores.sqlite import cache, elements, following, limits, lineage, runs

_LOGGER = logging.getLogger(__name__)

_DUE = "SELECT * FROM steps WHERE status = 'ready' AND not_before <= ?"
_IN_ORDER = " ORDER BY priority DESC, ready_at LIMIT"
_ANY_NEEDS = "SELECT max(resources) FROM steps WHERE status = 'ready'"
# Each kind of needs once, by one look into the index each, however many steps have it.
_KINDS = """
WITH RECURSIVE kinds (needs) AS (
    SELECT min(resources) FROM steps WHERE status = 'ready'
    UNION ALL
    SELECT (SELECT min(resources) FROM steps WHERE status = 'ready' AND resources > needs)
    FROM kinds WHERE needs IS NOT NULL
)
SELECT needs FROM kinds WHERE needs IS NOT NULL
"""


@attrs.frozen
class Candidate:
    """A step that can be claimed.

    Attributes:
        row: as it is recorded.
        only: whether there was no other; False where nobody asked.
    """

    row: sqlite3.Row
    only: bool


def candidate(
    connection: sqlite3.Connection,
    queues: Collection[str],
    now: float,
    of_runs: Collection[str] | None = None,
    tasks: Collection[str] = (),
    free: Mapping[str, int] | None = NO_RESOURCES,
    without: Collection[tuple[str, str]] = (),
    *,
    alone: bool = True,
) -> Candidate | None:
    """The step that ``MetadataStore.claim`` takes next, of no task and version left out.

    Arguments:
        free: None for a step that needs nothing; then those are not looked at that do.
        alone: whether to see if there is another.
    """
    # One look at each run's or queue's index; a backlog elsewhere costs nothing.
    if of_runs is not None:
        looks: list[tuple[Literal["run", "queue", ""], str]] = [("run", run) for run in of_runs]
    elif queues:
        looks = [("queue", name) for name in queues]
    else:
        looks = [("", "")]
    kinds = [""]
    if free is not None and connection.execute(_ANY_NEEDS).fetchone()[0]:
        kinds = _kinds(connection, free)
    found = [
        row
        for look in looks
        for kind in kinds
        for row in _first(connection, now, kind, tasks, without, *look, most=1 + alone)
        if not queues or row["queue"] in queues
    ]
    first = min(found, key=lambda row: (-row["priority"], row["ready_at"]), default=None)
    return None if first is None else Candidate(first, only=alone and len(found) == 1)


def claim_found(
    connection: sqlite3.Connection, found: Candidate, worker: str, now: float
) -> Claim | None:
    """Claim a step that was found, if it still is as it was."""
    claim = _claim(connection, found.row, worker, now)
    return None if claim is None else attrs.evolve(claim, only=found.only)


def with_next(
    connection: sqlite3.Connection, progress: Progress, wanted: Taking, now: float
) -> Progress:
    """What an outcome led to, with the next step, claimed in the same transaction."""
    try:
        if wanted.step is not None:
            claim = claim_step(connection, *wanted.step, wanted.worker, now)
        elif wanted.follows:
            claim = _following(connection, progress.ready, wanted, now)
        else:
            claim = _next(connection, wanted, now)
    except Exception:
        # Nothing is claimed yet, and what was recorded must not be lost with the look.
        _LOGGER.exception("the next step could not be looked for")
        return progress
    also = None
    if wanted.also and claim is not None:
        try:
            also = _another(connection, progress.ready, claim, wanted, now)
        except Exception:
            # It is ready, and is told of as such; the first one is claimed and must be run.
            _LOGGER.exception("a second step could not be looked for")
    return attrs.evolve(progress, looked=True, claim=claim, also=also)


def _another(
    connection: sqlite3.Connection,
    ready: Sequence[ReadyStep],
    claim: Claim,
    wanted: Taking,
    now: float,
) -> Claim | None:
    """One of those that have become ready, but for the one that is claimed already."""
    taken = claim.step.run, claim.step.id
    others = [each for each in ready if (each.run, each.id) != taken]
    return _following(connection, others, wanted, now)


def _next(connection: sqlite3.Connection, wanted: Taking, now: float) -> Claim | None:
    without: set[tuple[str, str]] = set()
    while True:
        found = candidate(
            connection, wanted.queues, now, wanted.runs, wanted.tasks, None, without, alone=False
        )
        if found is None:
            return None
        version = found.row["task"], found.row["version"]
        if wanted.covers(*version):
            return claim_found(connection, found, wanted.worker, now)
        without.add(version)


def _following(
    connection: sqlite3.Connection, ready: Sequence[ReadyStep], wanted: Taking, now: float
) -> Claim | None:
    """One of the steps that have just become ready, the most urgent that the worker may run."""
    for step in sorted(ready, key=lambda each: -each.priority):
        if (
            (wanted.runs is not None and step.run not in wanted.runs)
            or (wanted.queues and step.queue not in wanted.queues)
            or (wanted.tasks and step.task not in wanted.tasks)
        ):
            continue
        row = _due(connection, (step.run, step.id, ""), now)
        if row is not None and wanted.covers(row["task"], row["version"]):
            return _claim(connection, row, wanted.worker, now)
    return None


def claim_step(
    connection: sqlite3.Connection,
    run_id: str,
    step_id: str,
    worker: str,
    now: float,
    needs: Mapping[str, int] = NO_RESOURCES,
) -> Claim | None:
    """See ``MetadataStore.claim_step``."""
    row = _due(connection, (run_id, step_id, as_text(needs)), now)
    return None if row is None else _claim(connection, row, worker, now)


def _due(
    connection: sqlite3.Connection, key: tuple[str, str, str], now: float
) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute(
        f"{_DUE} AND run = ? AND id = ? AND resources = ?", (now, *key)
    ).fetchone()
    return row


def _claim(
    connection: sqlite3.Connection, row: sqlite3.Row, worker: str, now: float
) -> Claim | None:
    try:
        return _claimed(connection, row, worker, now)
    except DamagedRecordError as error:
        runs.set_aside(connection, row, error, now)
        return None


def held(connection: sqlite3.Connection, run_id: str, step_id: str, worker: str) -> Claim | None:
    """The claim that a worker holds on a step, as it was given; None when it holds none."""
    row = connection.execute(
        "SELECT * FROM steps WHERE run = ? AND id = ? AND status = 'running' AND worker = ?",
        (run_id, step_id, worker),
    ).fetchone()
    return None if row is None else _claim_from(connection, row, runs.step_from(row))


def unclaimed(connection: sqlite3.Connection, now: float, limit: int) -> list[sqlite3.Row]:
    """The steps that somebody has to look after, the longest waiting first."""
    return connection.execute(
        "SELECT * FROM steps WHERE status = 'ready' AND look_at <= ? ORDER BY look_at LIMIT ?",
        (now, limit),
    ).fetchall()


def take_unclaimed(
    connection: sqlite3.Connection, now: float, next_look: Callable[[ReadyStep], float], limit: int
) -> list[ReadyStep]:
    """See ``MetadataStore.take_unclaimed``."""
    found = [runs.ready_step(row, row["ready_at"]) for row in unclaimed(connection, now, limit)]
    connection.executemany(
        "UPDATE steps SET look_at = ? WHERE run = ? AND id = ?",
        [(next_look(each), each.run, each.id) for each in found],
    )
    return found


def finish(
    connection: sqlite3.Connection, held: Claim, outcome: Outcome, decide: Decide, now: float
) -> Progress:
    """See ``MetadataStore.finish``."""
    step = held.step
    again, split = outcome.status == "ready", outcome.status in SPLIT_STATUSES
    failures = (*step.failures, outcome.failure) if again and outcome.failure else step.failures
    failure = documents.dumps(outcome.failure) if outcome.failure and not again else None
    changed = connection.execute(
        "UPDATE steps SET status = ?, seconds = ?, failure = ?, failures = ?, not_before = ?,"
        " cached_from = ?, ready_at = CASE WHEN ? THEN ? ELSE ready_at END, look_at = ?,"
        " finished_at = ?"
        " WHERE run = ? AND id = ? AND status = 'running' AND attempt = ? AND worker = ?",
        (
            outcome.status,
            documents.text_of(dict(outcome.seconds)),
            failure,
            documents.dumps(failures) if failures else "[]",
            outcome.not_before,
            outcome.cached_from,
            again,
            max(now, outcome.not_before),
            first_look(now, outcome.not_before) if again else None,
            None if again or split else now,
            step.run,
            step.id,
            step.attempt,
            step.worker,
        ),
    ).rowcount
    if changed == 0:
        return Progress(recorded=False)
    lineage.record(connection, step.run, outcome.values, outcome.edges)
    if outcome.entry is not None:
        cache.put(connection, outcome.entry, now)
    if split:
        elements.begin(connection, held, outcome)
    others = limits.given_back(connection, held.limits, now)
    if held.element is not None and outcome.more:
        elements.add(connection, held)
    elif held.element is not None and outcome.status == "succeeded":
        more = elements.fill(connection, step.run, held.graph_step.id, now, freed=1)
        if more:  # nothing of the run can have changed but that
            return Progress(recorded=True, ready=(*more, *others))
    progress: Progress | None = None
    if held.element is None and outcome.status == "succeeded":
        progress = following.follow(connection, step.run, step.id, decide, now)
    progress = progress or runs.advance(connection, step.run, decide, now)
    return attrs.evolve(progress, ready=(*progress.ready, *others)) if others else progress


def check(row: sqlite3.Row) -> None:
    """Read all of a recorded step.

    Raises:
        DamagedRecordError: it cannot be read.
    """
    runs.step_from(row)
    runs.after_from(row)
    rule_from(row["rule"], runs.step_name(row))
    if not row["parent"]:
        _graph_step_from(row)


def next_due(connection: sqlite3.Connection, queues: Collection[str], now: float) -> float | None:
    """See ``MetadataStore.next_due``."""
    served = f" AND queue IN ({', '.join('?' * len(queues))})" if queues else ""
    row = connection.execute(
        "SELECT not_before FROM steps"  # noqa: S608 - only question marks are added
        " WHERE status = 'ready' AND not_before > 0"
        f" AND not_before > ?{served} ORDER BY not_before LIMIT 1",
        (now, *queues),
    ).fetchone()
    return None if row is None else row["not_before"] - now


def release_lost(
    connection: sqlite3.Connection,
    silent: Mapping[str, float],
    attempts: int,
    decide: Decide,
    now: float,
) -> list[Step]:
    """See ``MetadataStore.release_lost``."""
    rows = [row for worker, beat in silent.items() for row in _held(connection, worker, beat)]
    released = []
    for row in rows:
        try:
            released.append(runs.step_from(row))
        except DamagedRecordError as error:
            runs.set_aside(connection, row, error, now)
    for step in released:
        _release(connection, step, attempts, now)
    limits.given_back(connection, [label for row in rows for label in limits.labels_of(row)], now)
    unfinished = [*(row["run"] for row in rows), *_stalled(connection)]
    for run_id in dict.fromkeys(unfinished):
        runs.advance(connection, run_id, decide, now)
    return released


def anything_lost(connection: sqlite3.Connection, silent: Mapping[str, float]) -> bool:
    """Whether ``release_lost`` would find something, asked without writing."""
    lost = any(_held(connection, worker, beat) for worker, beat in silent.items())
    return lost or bool(_stalled(connection))


def holders(connection: sqlite3.Connection) -> list[str]:
    """See ``MetadataStore.holders``."""
    rows = connection.execute("SELECT DISTINCT worker FROM steps WHERE status = 'running'")
    return [row["worker"] for row in rows]


def holds(connection: sqlite3.Connection, worker: str) -> list[Hold]:
    """See ``MetadataStore.holds``."""
    rows = connection.execute(
        f"SELECT run, id, attempt, rule, {runs.is_to_cancel('steps.run')} AS cancelled,"  # noqa: S608
        f" {runs.is_expired('steps.run')} AS expired FROM steps"
        " WHERE steps.status = 'running' AND steps.worker = ?",
        (worker,),
    )
    return [Hold(row["run"], row["id"], row["attempt"], _is_stopped(row)) for row in rows]


def _is_stopped(row: sqlite3.Row) -> bool:
    """Whether a step that runs is to be cancelled; what handles a failure has time."""
    expired = row["expired"] and not runs.rule_in(row).handles_failure
    return bool(row["cancelled"] or expired)


def _held(connection: sqlite3.Connection, worker: str, beat: float) -> list[sqlite3.Row]:
    """The steps of a worker that has not beaten since."""
    known = connection.execute("SELECT heartbeat FROM workers WHERE id = ?", (worker,)).fetchone()
    if known is not None and known["heartbeat"] != beat:
        return []
    return connection.execute(
        "SELECT * FROM steps WHERE status = 'running' AND worker = ?", (worker,)
    ).fetchall()


def _stalled(connection: sqlite3.Connection) -> list[str]:
    """Runs that have not ended although nothing of them is ready or runs."""
    rows = connection.execute(
        "SELECT id FROM runs WHERE status = 'running' AND NOT EXISTS"
        " (SELECT 1 FROM steps WHERE run = runs.id AND status IN ('ready', 'running'))"
    )
    return [row["id"] for row in rows]


def _kinds(connection: sqlite3.Connection, free: Mapping[str, int]) -> list[str]:
    """The needs, as text, of ready steps that fit what is free; damaged ones are to be found."""
    found = [row["needs"] for row in connection.execute(_KINDS)]
    return [needs for needs in found if not is_text(needs) or fit(from_text(needs), free)]


def _first(
    connection: sqlite3.Connection,
    now: float,
    needs: str,
    tasks: Collection[str],
    without: Collection[tuple[str, str]],
    column: Literal["run", "queue", ""],
    value: str,
    most: int,
) -> list[sqlite3.Row]:
    where = f" AND {column} = ?" if column else ""
    served = f" AND task IN ({', '.join('?' * len(tasks))})" if tasks else ""
    left_out = " AND NOT (task = ? AND version = ?)" * len(without)
    versions = [text for version in without for text in version]
    return connection.execute(
        f"{_DUE} AND resources = ?{where}{served}{left_out}{_IN_ORDER} {most}",
        (now, needs, *([value] if column else []), *tasks, *versions),
    ).fetchall()


def _claimed(
    connection: sqlite3.Connection, row: sqlite3.Row, worker: str, now: float
) -> Claim | None:
    """Claim a step as it was read; None where it has changed since."""
    claim = _claim_from(connection, row, as_claimed(runs.step_from(row), worker, now))
    changed = connection.execute(
        "UPDATE steps SET status = 'running', attempt = attempt + 1, worker = ?,"
        " started_at = CASE WHEN elements IS NULL THEN ? ELSE started_at END"
        " WHERE run = ? AND id = ? AND status = 'ready' AND attempt = ? AND ready_at = ?"
        " AND not_before = ? AND waits_since IS ?",
        (
            worker,
            now,
            row["run"],
            row["id"],
            row["attempt"],
            row["ready_at"],
            row["not_before"],
            row["waits_since"],
        ),
    ).rowcount
    return claim if changed else None


def _claim_from(connection: sqlite3.Connection, row: sqlite3.Row, step: Step) -> Claim:
    graph_step, index = _graph_step_of(connection, row)
    ports = graph_step.sources
    values = {value.port: value for value in lineage.values(connection, row["run"], ports)}
    return Claim(step=step, graph_step=graph_step, values=values, element=index)


def _graph_step_of(
    connection: sqlite3.Connection, row: sqlite3.Row
) -> tuple[GraphStep, int | None]:
    """What a row runs, and the index of the element or iteration that it is for."""
    if not row["parent"]:
        return _graph_step_from(row), None
    whole = connection.execute(
        "SELECT run, id, graph_step FROM steps WHERE run = ? AND id = ?",
        (row["run"], row["parent"]),
    ).fetchone()
    step, index = _graph_step_from(whole), row["position"]
    if step.repeat is not None:
        last = elements.last_before(connection, row["run"], whole["id"], index)
        return iteration_step(step, index, last), index
    return element_step(step, index), index


def _graph_step_from(row: sqlite3.Row) -> GraphStep:
    return remembered(row["graph_step"], GraphStep, runs.step_name(row), SUBMIT_AGAIN)


def _release(connection: sqlite3.Connection, step: Step, attempts: int, now: float) -> None:
    loss = loss_of(step, attempts)
    quarantined = loss.failure is not None
    connection.execute(
        "UPDATE steps SET status = ?, lost = ?, failure = ?, failures = ?, ready_at = ?,"
        " look_at = ?, finished_at = ?"
        " WHERE run = ? AND id = ? AND status = 'running' AND attempt = ?",
        (
            "failed" if quarantined else "ready",
            step.lost + 1,
            documents.dumps(loss.failure) if quarantined else None,
            documents.dumps(loss.failures),
            now,
            None if quarantined else first_look(now),
            now if quarantined else None,
            step.run,
            step.id,
            step.attempt,
        ),
    )
