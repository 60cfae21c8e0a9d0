"""Runs by a text in their inputs."""

from __future__ import annotations

import sqlite3
import string

from taskmgr_core.stores.metadata import RunFilter
from taskmgr_core.stores.searching import LOOKED, Found, needle
from taskmgr_core.stores.sqlite import runs

# SQLite's lower() knows these letters and no others.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
# The newest runs are found through an index, then the values of each through the primary key.
_FOUND = (
    "SELECT id FROM (SELECT id FROM runs WHERE {} ORDER BY id DESC LIMIT ?) AS looked"
    " WHERE EXISTS (SELECT 1 FROM field_values WHERE run = looked.id AND producer = ''"
    " AND source = '' AND instr(lower(document), ?)) ORDER BY id DESC LIMIT ?"
)
_LAST = "SELECT id FROM runs WHERE {} ORDER BY id DESC LIMIT 1 OFFSET ?"


def with_input(
    connection: sqlite3.Connection, wanted: RunFilter, text: str, looked: int = LOOKED
) -> Found:
    """See ``MetadataStore.runs_with_input``."""
    conditions, parameters = runs.wanted_rows(wanted)
    searched = needle(text).translate(_LOWER)
    rows = connection.execute(
        _FOUND.format(conditions), (*parameters, looked, searched, wanted.limit)
    ).fetchall()
    found = [runs.summary(connection, row["id"]) for row in rows]
    if len(found) == wanted.limit:
        return Found(found, found[-1].id)
    last = connection.execute(_LAST.format(conditions), (*parameters, looked - 1)).fetchone()
    return Found(found, None if last is None else last["id"])
