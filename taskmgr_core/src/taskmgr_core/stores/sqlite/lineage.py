"""Recorded field values and the edges between them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence

from taskmgr_core.errors import NotFoundError
from taskmgr_core.json_text import writer
from taskmgr_core.specs import Edge, FieldValue
from taskmgr_core.stores.digests import digests_in
from taskmgr_core.stores.metadata import Role, roles_of
from taskmgr_core.stores.records import SUBMIT_AGAIN, remembered, stored_json
from taskmgr_core.stores.sqlite.inserting import insert

_NEWER = (
    "SELECT run FROM digest_runs WHERE digest = ? AND role = ? AND run > ? ORDER BY run LIMIT 1"
)
_OLDER = (
    "SELECT run FROM digest_runs WHERE digest = ? AND role = ? AND run < ?"
    " ORDER BY run DESC LIMIT 1"
)
_FIRST_DIGEST = (
    "SELECT digest FROM digest_runs WHERE digest {} ? AND digest < ? ORDER BY digest LIMIT 1"
)
_USING_NEWER = (
    "SELECT DISTINCT run FROM steps WHERE task = ? AND version = ? AND run > ? ORDER BY run LIMIT ?"
)
_USING_OLDER = (
    "SELECT DISTINCT run FROM steps WHERE task = ? AND version = ? AND run < ?"
    " ORDER BY run DESC LIMIT ?"
)
_PORTS_AT_ONCE = 16
_json = writer(ensure_ascii=False)
_LAST = "~"  # behind every run's id


def record(
    connection: sqlite3.Connection,
    run_id: str,
    values: Sequence[FieldValue],
    edges: Sequence[Edge],
) -> None:
    """Record values and edges of a run; a later attempt's replace an earlier one's."""
    insert(
        connection,
        "INSERT OR REPLACE INTO field_values"
        " (run, port, digest, size, type, producer, source, document, artifacts)",
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
                json.dumps(value.artifacts) if value.artifacts else "[]",
            )
            for value in values
        ],
    )
    # Defaults are often the same, and then have the same role.
    own = {(each.digest, each.producer, each.artifacts): each for each in values if not each.source}
    digests = dict.fromkeys(
        (digest, role, run_id) for each in own.values() for digest, role in roles_of(each).items()
    )
    insert(connection, "INSERT OR IGNORE INTO digest_runs (digest, role, run)", list(digests))
    insert(
        connection,
        "INSERT OR IGNORE INTO edges (run, target, source)",
        [(run_id, edge.target, edge.source) for edge in edges],
    )


def values(
    connection: sqlite3.Connection, run_id: str, ports: Collection[str] | None = None
) -> list[FieldValue]:
    """See ``MetadataStore.values``."""
    if ports is None:
        rows = connection.execute("SELECT * FROM field_values WHERE run = ?", (run_id,))
        return [value_from(row) for row in rows]
    asked, found = tuple(ports), []
    for first in range(0, len(asked), _PORTS_AT_ONCE):
        some = asked[first : first + _PORTS_AT_ONCE]
        places = ", ".join("?" * len(some))
        found += connection.execute(
            f"SELECT * FROM field_values WHERE run = ? AND port IN ({places})",  # noqa: S608
            (run_id, *some),
        ).fetchall()
    return [value_from(row) for row in found]


def edges(connection: sqlite3.Connection, run_id: str) -> list[Edge]:
    """See ``MetadataStore.edges``."""
    rows = connection.execute("SELECT source, target FROM edges WHERE run = ?", (run_id,))
    return [Edge(row["source"], row["target"]) for row in rows]


def digest(connection: sqlite3.Connection, beginning: str) -> str:
    """See ``MetadataStore.digest``."""
    # One after the other: that a digest is in many runs must not make it slow to find.
    end = beginning + "~"
    first = connection.execute(_FIRST_DIGEST.format(">="), (beginning, end)).fetchone()
    if first is None:
        raise NotFoundError(f"no recorded value or file has a digest that begins {beginning!r}")
    if connection.execute(_FIRST_DIGEST.format(">"), (first["digest"], end)).fetchone():
        raise NotFoundError(f"several digests begin with {beginning!r}; give more of it")
    return str(first["digest"])


def next_runs(
    connection: sqlite3.Connection,
    digests: Collection[str],
    roles: Collection[Role],
    beyond: str | None,
    older: bool,
) -> dict[str, str]:
    """See ``MetadataStore.next_runs``."""
    nearest, statement, first = (max, _OLDER, _LAST) if older else (min, _NEWER, "")
    start = first if beyond is None else beyond
    found = {}
    for digest in digests:
        rows = (connection.execute(statement, (digest, role, start)).fetchone() for role in roles)
        if runs := [str(row["run"]) for row in rows if row is not None]:
            found[digest] = nearest(runs)
    return found


def runs_using(
    connection: sqlite3.Connection,
    versions: Collection[tuple[str, str]],
    beyond: str | None,
    older: bool,
    limit: int,
) -> list[str]:
    """See ``MetadataStore.runs_using``."""
    statement, first = (_USING_OLDER, _LAST) if older else (_USING_NEWER, "")
    start = first if beyond is None else beyond
    found = {
        str(row["run"])
        for task, version in versions
        for row in connection.execute(statement, (task, version, start, limit))
    }
    return sorted(found, reverse=older)[:limit]


def mentioned(connection: sqlite3.Connection) -> Iterator[str]:
    """See ``MetadataStore.mentioned``.

    Whatever a column is for: a table that is added is read with all others.
    """
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        " AND name NOT IN ('log', 'workers', 'audit')"
    ).fetchall()
    for (table,) in tables:
        for row in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - its own name
            for value in row:
                if isinstance(value, str):
                    yield from digests_in(value)


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
        artifacts=remembered(row["artifacts"], tuple[str, ...], what, SUBMIT_AGAIN),
    )
