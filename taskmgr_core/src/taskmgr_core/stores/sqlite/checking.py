"""Reads every record of the store once, page by page, and tells those that cannot be read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence

import attrs

from taskmgr_core.errors import DamagedRecordError
from taskmgr_core.stores.sqlite import catalog, claims, lineage, runs, schedules
from taskmgr_core.stores.sqlite.database import Database

PAGE = 200


@attrs.frozen
class _Table:
    """One kind of record.

    Attributes:
        name: the table's.
        key: the columns of its primary key, in the order of the index.
        read: reads a row; raises for one that is damaged.
    """

    name: str
    key: tuple[str, ...]
    read: Callable[[sqlite3.Row], object]

    def page(
        self, connection: sqlite3.Connection, after: Sequence[object] | None
    ) -> list[sqlite3.Row]:
        """The rows that follow a key, or the first ones."""
        columns = ", ".join(self.key)
        marks = ", ".join("?" * len(self.key))
        following = f"WHERE ({columns}) > ({marks})" if after is not None else ""
        return connection.execute(
            f"SELECT * FROM {self.name} {following} ORDER BY {columns} LIMIT ?",  # noqa: S608
            (*(after or ()), PAGE),
        ).fetchall()


_TABLES = (
    _Table("task_versions", ("published",), catalog.version_from),
    _Table("routes", ("task",), catalog.route_from),
    _Table("schedules", ("name",), schedules.from_row),
    _Table("pipelines", ("name",), catalog.pipeline_from),
    _Table("runs", ("id",), runs.check),
    _Table("steps", ("run", "id"), claims.check),
    _Table("field_values", ("run", "port"), lineage.value_from),
)


def damaged(database: Database) -> Iterator[DamagedRecordError]:
    """Every task version, pipeline, run, step and value that cannot be read.

    No more than a page is in memory, and no view of the store is held in between.
    """
    for table in _TABLES:
        after: Sequence[object] | None = None
        while True:
            with database.reading() as connection:
                rows = table.page(connection, after)
            for row in rows:
                try:
                    table.read(row)
                except DamagedRecordError as error:
                    yield error
            if len(rows) < PAGE:
                break
            after = [rows[-1][column] for column in table.key]
