"""Schedules and what they have fired."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

import attrs

from taskmgr_core import documents
from taskmgr_core.specs import Firing, Schedule
from taskmgr_core.stores.records import intact
from taskmgr_core.stores.schedules import schedule_from
from taskmgr_core.stores.sqlite.database import Database

T = TypeVar("T")
_LEASE = "scheduler"


@attrs.frozen
class SqliteSchedules:
    """Implements ``ScheduleStore``; what each method promises stands there.

    Attributes:
        database: where they are.
    """

    database: Database

    def add(self, schedule: Schedule) -> bool:
        """Record a new schedule."""
        return self._changed(
            "INSERT INTO schedules (name, revision, document) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO NOTHING",
            (schedule.name, schedule.revision, documents.dumps(schedule)),
        )

    def put(self, schedule: Schedule) -> bool:
        """Record what has changed of a schedule."""
        after = attrs.evolve(schedule, revision=schedule.revision + 1)
        return self._changed(
            "UPDATE schedules SET revision = ?, document = ? WHERE name = ? AND revision = ?",
            (after.revision, documents.dumps(after), schedule.name, schedule.revision),
        )

    def remove(self, name: str) -> bool:
        """Remove a schedule and what it has fired."""

        def remove(connection: sqlite3.Connection) -> bool:
            connection.execute("DELETE FROM firings WHERE schedule = ?", (name,))
            return connection.execute("DELETE FROM schedules WHERE name = ?", (name,)).rowcount == 1

        return self._durable(remove)

    def listing(self) -> list[Schedule]:
        """Every schedule."""
        with self.database.reading() as connection:
            rows = connection.execute("SELECT * FROM schedules ORDER BY name").fetchall()
        return intact(rows, from_row)

    def fire(self, firing: Firing) -> Firing:
        """Record a firing, unless it is there."""

        def fire(connection: sqlite3.Connection) -> Firing:
            connection.execute(
                "INSERT INTO firings (schedule, at, run, fired_at, submitted, problem)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (schedule, at) DO NOTHING",
                attrs.astuple(firing),
            )
            row = connection.execute(
                "SELECT * FROM firings WHERE schedule = ? AND at = ?", (firing.schedule, firing.at)
            ).fetchone()
            return _firing(row)

        return self._durable(fire)

    def submitted(self, firing: Firing) -> None:
        """Record that its run is recorded."""
        self._changed(
            "UPDATE firings SET submitted = 1, problem = ? WHERE schedule = ? AND at = ?",
            (firing.problem, firing.schedule, firing.at),
        )

    def firings(self, name: str, limit: int) -> list[Firing]:
        """What a schedule has fired."""
        with self.database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM firings WHERE schedule = ? ORDER BY at DESC LIMIT ?", (name, limit)
            ).fetchall()
        return [_firing(row) for row in rows]

    def lead(self, who: str, now: float, seconds: float) -> bool:
        """Be the one that fires; a power cut may undo it, as it ends who fires."""
        statement = (
            "INSERT INTO leases (name, holder, until) VALUES (?, ?, ?) ON CONFLICT (name)"
            " DO UPDATE SET holder = excluded.holder, until = excluded.until"
            " WHERE holder = excluded.holder OR until <= ?"
        )
        values = (_LEASE, who, now + seconds, now)
        return self.database.quick(
            lambda connection: connection.execute(statement, values).rowcount == 1
        )

    def let_go(self, who: str) -> None:
        """Be no longer the one that fires."""
        self._changed("DELETE FROM leases WHERE name = ? AND holder = ?", (_LEASE, who))

    def _changed(self, statement: str, values: tuple[object, ...]) -> bool:
        return self._durable(lambda connection: connection.execute(statement, values).rowcount == 1)

    def _durable(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return self.database.durable(work)


def from_row(row: sqlite3.Row) -> Schedule:
    """A schedule as it is recorded."""
    return schedule_from(row["name"], row["document"])


def _firing(row: sqlite3.Row) -> Firing:
    return Firing(**{**dict(row), "submitted": bool(row["submitted"])})
