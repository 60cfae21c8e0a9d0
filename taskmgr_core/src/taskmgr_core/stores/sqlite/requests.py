"""Requests that must not be answered twice."""

from __future__ import annotations

import sqlite3

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

        def begin(connection: sqlite3.Connection) -> Answered:
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

        return self.database.durable(begin)

    def forget(self, key: str) -> None:
        """Forget a request."""
        self.database.durable(
            lambda connection: connection.execute("DELETE FROM requests WHERE key = ?", (key,))
        )
