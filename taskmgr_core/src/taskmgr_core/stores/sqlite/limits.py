"""How many steps run at once and begin in a time; what runs is counted, not remembered."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence

import attrs

from taskmgr_core.orchestrator.limiting import is_others_turn, let_in, look_again, taken
from taskmgr_core.specs import (
    Admission,
    Bucket,
    Claim,
    Demand,
    Limit,
    LimitUse,
    Rate,
    ReadyStep,
)
from taskmgr_core.stores.metadata import first_look
from taskmgr_core.stores.sqlite import elements
from taskmgr_core.stores.sqlite.database import Database

# Between the labels of a step that runs, and around them; no label has one.
_BREAK = "\n"
# An hour after its last token was taken a bucket is full again, whatever its rate.
_FULL_SECONDS = 3_600.0


@attrs.frozen
class SqliteLimits:
    """Implements ``LimitStore``; what each method promises stands there.

    Attributes:
        database: where they are.
    """

    database: Database

    def rules(self) -> list[Limit]:
        """What operators say."""
        with self.database.glancing() as connection:
            rows = connection.execute("SELECT name, most, rate FROM limits ORDER BY name")
            return [Limit(row["name"], row["most"], row["rate"]) for row in rows]

    def put(self, limit: Limit, now: float) -> None:
        """Record a limit."""

        def put(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO limits (name, most, rate) VALUES (?, ?, ?)",
                (limit.name, limit.max, limit.rate),
            )
            _wake_all(connection, limit.name, now)

        self.database.durable(put)

    def remove(self, name: str, now: float) -> bool:
        """Remove a limit."""

        def remove(connection: sqlite3.Connection) -> bool:
            done = connection.execute("DELETE FROM limits WHERE name = ?", (name,)).rowcount == 1
            _wake_all(connection, name, now)
            return done

        return self.database.durable(remove)

    def admit(self, claim: Claim, demands: Sequence[Demand], now: float) -> Admission:
        """Let a claimed step run, or hold it back: one transaction."""
        return self.database.quick(lambda connection: _admit(connection, claim, demands, now))

    def uses(self, limit: int) -> list[LimitUse]:
        """What runs and waits."""
        with self.database.reading() as connection:
            rows = connection.execute("SELECT limits FROM steps WHERE status = 'running'")
            running = Counter(label for row in rows for label in labels_of(row))
            waiting = {
                str(row["limits"]): int(row["waiting"])
                for row in connection.execute(
                    "SELECT limits, count(*) AS waiting FROM (SELECT limits FROM steps"
                    " INDEXED BY steps_held_back"
                    " WHERE status = 'ready' AND waits_for <> '' AND limits <> '' LIMIT ?)"
                    " GROUP BY limits",
                    (limit,),
                )
            }
        labels = sorted(running.keys() | waiting.keys())
        return [LimitUse(each, running[each], waiting.get(each, 0)) for each in labels]


def labels_of(row: sqlite3.Row) -> tuple[str, ...]:
    """What a step counts for that runs."""
    return tuple(each for each in row["limits"].split(_BREAK) if each)


def wake(
    connection: sqlite3.Connection, label: str, now: float, due: float = 0.0
) -> ReadyStep | None:
    """Have the step try that comes next of those that a limit holds back; None for none.

    Arguments:
        connection: in a transaction.
        label: of the limit.
        now: UTC seconds.
        due: UTC seconds at which it is to try.
    """
    row = connection.execute(
        "SELECT * FROM steps WHERE status = 'ready' AND waits_for <> '' AND limits = ?"
        " ORDER BY priority DESC, waits_since LIMIT 1",
        (label,),
    ).fetchone()
    if row is None:
        return None
    ready_at = due if due > now else row["waits_since"]
    connection.execute(
        "UPDATE steps SET not_before = ?, ready_at = ?, look_at = ?, limits = ''"
        " WHERE run = ? AND id = ?",
        (due, ready_at, first_look(now, due), row["run"], row["id"]),
    )
    return elements.ready_step(row, ready_at)


def given_back(
    connection: sqlite3.Connection, labels: Sequence[str], now: float
) -> list[ReadyStep]:
    """Have those try that wait for what a step has given back."""
    found = (wake(connection, each, now) for each in labels)
    return [each for each in found if each is not None]


def _wake_all(connection: sqlite3.Connection, name: str, now: float) -> None:
    connection.executemany(
        "UPDATE steps SET not_before = 0, ready_at = waits_since, look_at = ?, limits = ''"
        " WHERE status = 'ready' AND waits_for <> '' AND limits = ?",
        [(now, name), (now, f"rate:{name}")],
    )
    connection.execute("DELETE FROM buckets WHERE label = ?", (f"rate:{name}",))


def _admit(
    connection: sqlite3.Connection, claim: Claim, demands: Sequence[Demand], now: float
) -> Admission:
    step = claim.step
    fence = (step.run, step.id, step.attempt, step.worker)
    row = connection.execute(
        "SELECT * FROM steps"
        " WHERE run = ? AND id = ? AND status = 'running' AND attempt = ? AND worker = ?",
        fence,
    ).fetchone()
    if row is None:
        return Admission(None)
    buckets: dict[str, tuple[Bucket, Rate]] = {}
    for demand in demands:
        if demand.rate is None:
            if _running(connection, demand.label, step.run, step.id) >= demand.max:
                return _hold_back(connection, row, claim, demand, now, 0.0)
            continue
        bucket, seconds = taken(_bucket(connection, demand.label), demand.rate, now)
        if seconds > 0:
            return _wait_for_token(connection, row, claim, demand, bucket, now, seconds)
        buckets[demand.label] = bucket, demand.rate
    labels = tuple(each.label for each in demands if each.rate is None)
    connection.execute(
        "UPDATE steps SET limits = ?, waits_for = '', waits_since = NULL,"
        " ready_at = ifnull(waits_since, ready_at) WHERE run = ? AND id = ?",
        (f"{_BREAK}{_BREAK.join(labels)}{_BREAK}" if labels else "", step.run, step.id),
    )
    ready = [_next_token(connection, label, *each, now) for label, each in buckets.items()]
    return Admission(let_in(claim, labels), tuple(each for each in ready if each is not None))


def _running(connection: sqlite3.Connection, label: str, run: str, step: str) -> int:
    """How many others run that count for a label: a look at what runs, which is not much."""
    (found,) = connection.execute(
        "SELECT count(*) FROM steps WHERE status = 'running' AND instr(limits, ?) > 0"
        " AND NOT (run = ? AND id = ?)",
        (f"{_BREAK}{label}{_BREAK}", run, step),
    ).fetchone()
    return int(found)


def _bucket(connection: sqlite3.Connection, label: str) -> Bucket | None:
    row = connection.execute(
        "SELECT tokens, at, wake_at FROM buckets WHERE label = ?", (label,)
    ).fetchone()
    return None if row is None else Bucket(row["tokens"], row["at"], row["wake_at"])


def _put_bucket(connection: sqlite3.Connection, label: str, bucket: Bucket) -> None:
    connection.execute("DELETE FROM buckets WHERE at < ?", (bucket.at - _FULL_SECONDS,))
    connection.execute(
        "INSERT OR REPLACE INTO buckets (label, tokens, at, wake_at) VALUES (?, ?, ?, ?)",
        (label, bucket.tokens, bucket.at, bucket.wake_at),
    )


def _next_token(
    connection: sqlite3.Connection, label: str, bucket: Bucket, rate: Rate, now: float
) -> ReadyStep | None:
    """Have the next one try when there is a token again: one at a time, by its priority."""
    if bucket.wake_at > now:  # somebody is to try already
        _put_bucket(connection, label, bucket)
        return None
    _, seconds = taken(bucket, rate, now)
    due = now + seconds
    step = wake(connection, label, now, due if seconds > 0 else 0.0)
    _put_bucket(connection, label, attrs.evolve(bucket, wake_at=0.0 if step is None else due))
    return step


def _wait_for_token(
    connection: sqlite3.Connection,
    row: sqlite3.Row,
    claim: Claim,
    demand: Demand,
    bucket: Bucket,
    now: float,
    seconds: float,
) -> Admission:
    """Hold a step back until there is a token; only the first one is told when that is."""
    if is_others_turn(bucket, now, woken=_is_woken(row)):
        return _hold_back(connection, row, claim, demand, now, 0.0)
    _put_bucket(connection, demand.label, attrs.evolve(bucket, wake_at=now + seconds))
    return _hold_back(connection, row, claim, demand, now, now + seconds)


def _is_woken(row: sqlite3.Row) -> bool:
    """Whether a step tries because it was told to."""
    return bool(row["waits_for"]) and not row["limits"]


def _is_to_stop(connection: sqlite3.Connection, claim: Claim) -> bool:
    run = connection.execute(
        "SELECT cancel_requested, expired_at FROM runs WHERE id = ?", (claim.step.run,)
    ).fetchone()
    expired = run["expired_at"] is not None and not claim.graph_step.handles_failure
    return bool(run["cancel_requested"]) or expired


def _hold_back(
    connection: sqlite3.Connection,
    row: sqlite3.Row,
    claim: Claim,
    demand: Demand,
    now: float,
    due: float,
) -> Admission:
    """Make a step ready again, for a time or until it is woken."""
    if _is_to_stop(connection, claim):  # ready again it would wait, and then be stopped
        return Admission(let_in(claim, ()))
    since = row["ready_at"] if row["waits_since"] is None else row["waits_since"]
    until = due or look_again(since, now)
    connection.execute(
        "UPDATE steps SET status = 'ready', attempt = attempt - 1, worker = '', started_at = NULL,"
        " not_before = ?, ready_at = ?, look_at = ?, limits = ?, waits_for = ?, waits_since = ?"
        " WHERE run = ? AND id = ?",
        (
            *(until, until, until),
            "" if due else demand.label,
            demand.reason,
            since,
            row["run"],
            row["id"],
        ),
    )
    return Admission(None, (elements.ready_step(row, due),) if due else ())
