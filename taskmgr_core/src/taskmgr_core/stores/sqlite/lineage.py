"""Recorded field values and the edges between them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence

from taskmgr_core.errors import NotFoundError
from taskmgr_core.specs import Edge, FieldValue
from taskmgr_core.stores.metadata import ValueUse
from taskmgr_core.stores.records import SUBMIT_AGAIN, intact, stored, stored_json


def record(
    connection: sqlite3.Connection,
    run_id: str,
    values: Sequence[FieldValue],
    edges: Sequence[Edge],
) -> None:
    """Record values and edges of a run; a later attempt's replace an earlier one's."""
    connection.executemany(
        "INSERT OR REPLACE INTO field_values"
        " (run, port, digest, size, type, producer, source, document, artifacts)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                run_id,
                value.port,
                value.digest,
                value.size,
                value.type,
                value.producer,
                value.source,
                None if value.source else _json(value.document),
                json.dumps(value.artifacts),
            )
            for value in values
        ],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO value_digests (digest, run, port) VALUES (?, ?, ?)",
        [
            (digest, run_id, value.port)
            for value in values
            for digest in {value.digest, *value.artifacts}
        ],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO edges (run, target, source) VALUES (?, ?, ?)",
        [(run_id, edge.target, edge.source) for edge in edges],
    )


def values(
    connection: sqlite3.Connection, run_id: str, ports: Collection[str] | None = None
) -> list[FieldValue]:
    """See ``MetadataStore.values``."""
    if ports is None:
        rows = connection.execute("SELECT * FROM field_values WHERE run = ?", (run_id,))
        return [value_from(row) for row in rows]
    found = (
        connection.execute(
            "SELECT * FROM field_values WHERE run = ? AND port = ?", (run_id, port)
        ).fetchone()
        for port in ports
    )
    return [value_from(row) for row in found if row is not None]


def edges(connection: sqlite3.Connection, run_id: str) -> list[Edge]:
    """See ``MetadataStore.edges``."""
    rows = connection.execute("SELECT source, target FROM edges WHERE run = ?", (run_id,))
    return [Edge(row["source"], row["target"]) for row in rows]


def digest(connection: sqlite3.Connection, beginning: str) -> str:
    """See ``MetadataStore.digest``."""
    rows = connection.execute(
        "SELECT DISTINCT digest FROM value_digests WHERE digest >= ? AND digest < ? LIMIT 2",
        (beginning, beginning + "~"),
    ).fetchall()
    if not rows:
        raise NotFoundError(f"no recorded value or file has a digest that begins {beginning!r}")
    if len(rows) > 1:
        raise NotFoundError(f"several digests begin with {beginning!r}; give more of it")
    return str(rows[0]["digest"])


def uses(connection: sqlite3.Connection, digest: str, limit: int) -> list[ValueUse]:
    """See ``MetadataStore.uses``."""
    rows = connection.execute(
        "SELECT field_values.* FROM value_digests JOIN field_values"
        " ON field_values.run = value_digests.run AND field_values.port = value_digests.port"
        " WHERE value_digests.digest = ? ORDER BY value_digests.run DESC, value_digests.port"
        " LIMIT ?",
        (digest, limit),
    )
    return intact(rows, lambda row: ValueUse(row["run"], value_from(row)))


def value_from(row: sqlite3.Row) -> FieldValue:
    """A value as it is recorded."""
    what = f"the stored value of {row['port']} in run {row['run']}"
    document = row["document"]
    return FieldValue(
        port=row["port"],
        digest=row["digest"],
        size=row["size"],
        type=row["type"],
        producer=row["producer"],
        source=row["source"],
        document=None if document is None else stored_json(document, what, SUBMIT_AGAIN),
        artifacts=stored(row["artifacts"], tuple[str, ...], what, SUBMIT_AGAIN),
    )


def _json(document: object) -> str:
    return json.dumps(document, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
