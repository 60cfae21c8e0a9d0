"""Requests that must not be answered twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import attrs

from taskmgr_core.stores.requests import Answered
from taskmgr_core.stores.sqlite.database import Database

# So that a request which comes after a quiet week does not pay for all of it.
_FORGOTTEN_AT_ONCE = 100


@attrs.frozen
class SqliteRequests:
    """Implements ``RequestStore``; what each method promises stands there.

    Attributes:
        database: where they are.
    """

    database: Database

    def begin(self, request: Answered, keep: float) -> Answered:
        """Record a request, unless it is there."""
        return self.begin_all([request], keep)[0]

    def begin_all(self, requests: Sequence[Answered], keep: float) -> list[Answered]:
        """Record requests in one transaction, each unless it is there."""
        return self.database.durable(
            lambda connection: [_begin(connection, each, keep) for each in requests]
        )

    def forget(self, key: str) -> None:
        """Forget a request."""
        self.database.durable(
            lambda connection: connection.execute("DELETE FROM requests WHERE key = ?", (key,))
        )


def _begin(connection: sqlite3.Connection, request: Answered, keep: float) -> Answered:
    connection.execute(
        "DELETE FROM requests WHERE key IN (SELECT key FROM requests WHERE at <= ?"
        " ORDER BY at LIMIT ?)",
        (request.at - keep, _FORGOTTEN_AT_ONCE),
    )
    connection.execute(
        "INSERT INTO requests (key, fingerprint, run, at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint,"
        " run = excluded.run, at = excluded.at WHERE at <= ?",
        (*attrs.astuple(request), request.at - keep),
    )
    row = connection.execute(
        "SELECT key, fingerprint, run, at FROM requests WHERE key = ?", (request.key,)
    ).fetchone()
    return Answered(*row)
