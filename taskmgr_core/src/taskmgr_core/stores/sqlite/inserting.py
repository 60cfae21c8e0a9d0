"""Rows that are inserted together, by few statements."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Sequence

# Few, so that SQLite's driver keeps all of the statements prepared.
_AT_ONCE = (16, 4, 1)


def insert(connection: sqlite3.Connection, into: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert rows, many with each statement.

    For each statement, and with ``executemany`` for each row, Python's lock is let go and has
    to be got back from other threads: for a few small rows that takes longer than to insert them.

    Arguments:
        connection: in a transaction.
        into: the statement up to its values.
        rows: their values, all of the same number.
    """
    first = 0
    for size in _AT_ONCE:
        while len(rows) - first >= size:
            some = rows[first : first + size]
            first += size
            values = some[0] if size == 1 else [each for row in some for each in row]
            connection.execute(_statement(into, len(some[0]), size), values)


@functools.cache
def _statement(into: str, columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"{into} VALUES {', '.join([row] * rows)}"
