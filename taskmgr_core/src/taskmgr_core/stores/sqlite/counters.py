"""What processes have counted."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import attrs

from taskmgr_core.stores.counters import SILENT_SECONDS, from_texts, to_text
from taskmgr_core.stores.sqlite.database import Database

# The row of those that count no more.
_PAST = ""
_PUT = (
    "INSERT INTO counters (owner, seen_at, document) VALUES (?, ?, ?) ON CONFLICT (owner)"
    " DO UPDATE SET seen_at = excluded.seen_at, document = excluded.document"
)


@attrs.frozen
class SqliteCounters:
    """Implements ``CounterStore``; what each method promises stands there.

    Attributes:
        database: where they are.
    """

    database: Database

    def report(
        self, owner: str, counts: Mapping[str, float], now: float, *, last: bool = False
    ) -> None:
        """Record what an owner has counted in all."""

        def report(connection: sqlite3.Connection) -> None:
            connection.execute(_PUT, (owner, now, to_text(counts)))
            _fold(connection, owner if last else None, now)

        self.database.quick(report)

    def totals(self) -> dict[str, float]:
        """The sums over all owners."""
        with self.database.reading() as connection:
            rows = connection.execute("SELECT document FROM counters").fetchall()
        return from_texts(row["document"] for row in rows)


def _fold(connection: sqlite3.Connection, owner: str | None, now: float) -> None:
    """Add to the past who has ended, and who was silent for so long that they must have."""
    found = connection.execute(
        "SELECT owner, document FROM counters WHERE owner = ? OR (seen_at < ? AND owner <> ?)",
        (owner, now - SILENT_SECONDS, _PAST),
    ).fetchall()
    if not found:
        return
    past = connection.execute("SELECT document FROM counters WHERE owner = ?", (_PAST,)).fetchall()
    together = from_texts(row["document"] for row in [*past, *found])
    connection.execute(_PUT, (_PAST, now, to_text(together)))
    connection.executemany(
        "DELETE FROM counters WHERE owner = ?", [(row["owner"],) for row in found]
    )
