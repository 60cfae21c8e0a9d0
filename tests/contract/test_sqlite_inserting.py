"""Rows that are inserted together."""

import sqlite3

import pytest

from taskmgr_core.stores.sqlite.inserting import insert


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 15, 16, 17, 37, 100])
def test_every_row_is_inserted_once_and_in_order(count: int) -> None:
    """Whatever their number; later rows replace earlier ones with the same key."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE pairs (key INTEGER PRIMARY KEY, value TEXT)")
    rows = [(number, f"value {number}") for number in range(count)]
    insert(connection, "INSERT INTO pairs (key, value)", rows)
    assert connection.execute("SELECT * FROM pairs ORDER BY key").fetchall() == rows
    again = [(number // 2, f"again {number}") for number in range(count)]
    insert(connection, "INSERT OR REPLACE INTO pairs (key, value)", again)
    found = dict(connection.execute("SELECT * FROM pairs").fetchall())
    assert found == {**dict(rows), **dict(again)}
    connection.close()
