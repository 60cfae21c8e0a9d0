"""Workers and log lines."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from taskmgr_core import documents
from taskmgr_core.specs import LogLine, Orders, Worker
from taskmgr_core.stores.records import intact, stored_by_any

FORGET_SECONDS = 3600.0


def beat(connection: sqlite3.Connection, worker: Worker) -> Orders:
    """See ``MetadataStore.beat``; workers silent for an hour are forgotten."""
    row = connection.execute(
        "INSERT INTO workers (id, heartbeat, document) VALUES (?, ?, ?) ON CONFLICT (id)"
        " DO UPDATE SET heartbeat = excluded.heartbeat, document = excluded.document"
        " RETURNING leave, ping",
        (worker.id, worker.heartbeat, documents.dumps(worker)),
    ).fetchone()
    connection.execute(
        "DELETE FROM workers WHERE heartbeat < ?", (worker.heartbeat - FORGET_SECONDS,)
    )
    return Orders(row["leave"], row["ping"])


def order(connection: sqlite3.Connection, worker_id: str, orders: Orders) -> bool:
    """See ``MetadataStore.order``."""
    changed = connection.execute(
        "UPDATE workers SET leave = iif(? = '' OR leave = 'now', leave, ?),"
        " ping = iif(? = '', ping, ?) WHERE id = ?",
        (orders.leave, orders.leave, orders.ping, orders.ping, worker_id),
    ).rowcount
    return changed == 1


def orders(connection: sqlite3.Connection, worker_id: str) -> Orders:
    """See ``MetadataStore.orders``."""
    row = connection.execute(
        "SELECT leave, ping FROM workers WHERE id = ?", (worker_id,)
    ).fetchone()
    return Orders() if row is None else Orders(row["leave"], row["ping"])


def remove(connection: sqlite3.Connection, worker_id: str) -> None:
    """See ``MetadataStore.remove_worker``."""
    connection.execute("DELETE FROM workers WHERE id = ?", (worker_id,))


def listing(connection: sqlite3.Connection) -> list[Worker]:
    """See ``MetadataStore.workers``."""
    rows = connection.execute("SELECT id, document FROM workers ORDER BY id")
    return intact(
        rows,
        lambda row: stored_by_any(
            row["document"], Worker, f"the stored worker {row['id']}", "its next beat puts it right"
        ),
    )


def append_log(connection: sqlite3.Connection, lines: Sequence[LogLine]) -> None:
    """See ``MetadataStore.append_log``."""
    connection.executemany(
        "INSERT INTO log (run, step, attempt, time, stream, text) VALUES (?, ?, ?, ?, ?, ?)",
        [(line.run, line.step, line.attempt, line.time, line.stream, line.text) for line in lines],
    )


def log(connection: sqlite3.Connection, run_id: str, after: int, limit: int) -> list[LogLine]:
    """See ``MetadataStore.log``."""
    rows = connection.execute(
        "SELECT * FROM log WHERE run = ? AND number > ? ORDER BY number LIMIT ?",
        (run_id, after, limit),
    )
    return [LogLine(**dict(row)) for row in rows]
