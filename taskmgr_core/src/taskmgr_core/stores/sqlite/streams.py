"""What a step yields while it runs: rows for the elements of the steps that it feeds."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from taskmgr_core.specs import Claim, Feed, FieldValue, ReadyStep, element_port
from taskmgr_core.stores.metadata import GATHERING, Fed
from taskmgr_core.stores.sqlite import elements, lineage

_HELD = (
    "SELECT 1 FROM steps WHERE run = ? AND id = ?"
    " AND status = 'running' AND attempt = ? AND worker = ?"
)
_OPEN = (
    "UPDATE steps SET status = 'mapping', elements = 0, started_at = ?"
    " WHERE run = ? AND id = ? AND status = 'pending' AND EXISTS (SELECT 1 FROM runs"
    " WHERE id = ? AND status = 'running' AND NOT cancel_requested AND expired_at IS NULL)"
)


def extend(
    connection: sqlite3.Connection, held: Claim, first: int, items: Sequence[FieldValue], now: float
) -> Fed:
    """See ``MetadataStore.extend``."""
    step, feeds = held.step, held.graph_step.feeds
    if not connection.execute(_HELD, (step.run, step.id, step.attempt, step.worker)).fetchone():
        return Fed(recorded=False)
    known = {each.port: each for each in lineage.values(connection, step.run, _ports(items))}
    for index, item in enumerate(items, first):
        if item.port in known and known[item.port].digest != item.digest:
            return Fed(recorded=True, wanted=True, differs=index)
    lineage.record(connection, step.run, [each for each in items if each.port not in known], ())
    ready: list[ReadyStep] = []
    open_feeds = [each for each in feeds if _takes(connection, step.run, each, bool(items), now)]
    for feed in open_feeds:
        _add(connection, step.run, feed, first, len(items))
        ready += elements.fill(connection, step.run, feed.step, now)
    gathers = any(_status(connection, step.run, each) in GATHERING for each in feeds)
    return Fed(
        recorded=True,
        wanted=bool(open_feeds) or gathers,
        full=gathers or any(_is_full(connection, step.run, each) for each in open_feeds),
        ready=tuple(ready),
    )


def _takes(connection: sqlite3.Connection, run_id: str, feed: Feed, come: bool, now: float) -> bool:
    """Whether a step takes items; with the first it is run for each."""
    if come:
        connection.execute(_OPEN, (now, run_id, feed.step, run_id))
    return _status(connection, run_id, feed) in ("mapping", *(() if come else ("pending",)))


def _status(connection: sqlite3.Connection, run_id: str, feed: Feed) -> str:
    """The status of a step; empty where its run begins nothing more, whatever still runs."""
    row = connection.execute(
        "SELECT status FROM steps WHERE run = ? AND id = ? AND EXISTS (SELECT 1 FROM runs"
        " WHERE id = ? AND NOT cancel_requested AND expired_at IS NULL)",
        (run_id, feed.step, run_id),
    ).fetchone()
    return "" if row is None else str(row["status"])


def _add(connection: sqlite3.Connection, run_id: str, feed: Feed, first: int, count: int) -> None:
    """A row for each item that has none."""
    connection.execute(
        "UPDATE steps SET elements = max(elements, ?) WHERE run = ? AND id = ?"
        " AND status = 'mapping'",
        (first + count, run_id, feed.step),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO steps (run, id, position, after, graph_step, task, version, queue,"
        " priority, status, resources, parent) SELECT run, ?, ?, '[]', '', task, version, queue,"
        " priority, 'pending', resources, id FROM steps WHERE run = ? AND id = ?",
        [
            (element_port(feed.step, index), index, run_id, feed.step)
            for index in range(first, first + count)
        ],
    )


def _is_full(connection: sqlite3.Connection, run_id: str, feed: Feed) -> bool:
    found = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM steps WHERE run = ? AND parent = ? AND parent <> ''"
        " AND status = 'pending' LIMIT ?)",
        (run_id, feed.step, feed.most),
    ).fetchone()
    return int(found[0]) >= feed.most


def _ports(items: Sequence[FieldValue]) -> list[str]:
    return [each.port for each in items]
