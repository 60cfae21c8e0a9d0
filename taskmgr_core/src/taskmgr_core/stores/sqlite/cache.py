"""What steps have made of their inputs, kept to be taken again."""

from __future__ import annotations

import sqlite3

import attrs

from taskmgr_core import documents
from taskmgr_core.specs import CacheEntry, CacheUse
from taskmgr_core.stores.cache import expiry_of, outputs_from
from taskmgr_core.stores.sqlite.database import Database

_USES = (
    "SELECT task, count(*) AS entries, sum(size) AS size, sum(hits) AS hits,"
    " sum(hits * seconds) AS saved FROM cache WHERE (expires_at IS NULL OR expires_at > ?)"
)


@attrs.frozen
class SqliteCache:
    """Implements ``CacheStore``; what each method promises stands there.

    Attributes:
        database: where they are.
    """

    database: Database

    def take(self, key: str, now: float, keep: float) -> CacheEntry | None:
        """The entry of a key; looking for one takes no write lock."""
        with self.database.glancing() as connection:
            row = connection.execute(
                "SELECT * FROM cache WHERE key = ? AND (expires_at IS NULL OR expires_at > ?)",
                (key, now),
            ).fetchone()
        if row is None:
            return None
        entry = _entry_from(row)
        until = expiry_of(now, keep)

        def taken(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE cache SET hits = hits + 1, expires_at = ? WHERE key = ?", (until, key)
            )

        self.database.quick(taken)
        return attrs.evolve(entry, expires_at=until)

    def drop(self, key: str) -> None:
        """Remove the entry of a key."""

        def drop(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM cache WHERE key = ?", (key,))

        self.database.quick(drop)

    def uses(self, now: float) -> list[CacheUse]:
        """What is kept of each task."""
        with self.database.reading() as connection:
            return _uses(connection, None, now)

    def clear(self, task: str | None, now: float) -> list[CacheUse]:
        """Remove what is kept of a task, or of all."""

        def clear(connection: sqlite3.Connection) -> list[CacheUse]:
            found = _uses(connection, task, now)
            if task is None:
                connection.execute("DELETE FROM cache")
            else:
                connection.execute("DELETE FROM cache WHERE task = ?", (task,))
            return found

        return self.database.durable(clear)


def put(connection: sqlite3.Connection, entry: CacheEntry, now: float) -> None:
    """Record an entry in place of an earlier one; what nobody has taken for long goes."""
    connection.execute("DELETE FROM cache WHERE expires_at <= ?", (now,))
    connection.execute(
        "INSERT OR REPLACE INTO cache"
        " (key, task, version, source, outputs, size, seconds, hits, expires_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)",
        (
            entry.key,
            entry.task,
            entry.version,
            entry.source,
            documents.dumps(entry.outputs),
            entry.size,
            entry.seconds,
            entry.expires_at,
        ),
    )


def _uses(connection: sqlite3.Connection, task: str | None, now: float) -> list[CacheUse]:
    of_task, wanted = ("", ()) if task is None else (" AND task = ?", (task,))
    rows = connection.execute(f"{_USES}{of_task} GROUP BY task ORDER BY task", (now, *wanted))
    return [CacheUse(**row) for row in rows]


def _entry_from(row: sqlite3.Row) -> CacheEntry:
    return CacheEntry(
        key=row["key"],
        task=row["task"],
        version=row["version"],
        source=row["source"],
        outputs=outputs_from(row["key"], row["outputs"]),
        seconds=row["seconds"],
        expires_at=row["expires_at"],
    )
