"""Connections to the SQLite file, and its transactions."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from taskmgr_core.documents import InvalidDocumentError
from taskmgr_core.errors import StoreError
from taskmgr_core.stores.sqlite import schema

BUSY_SECONDS = 30.0
BUSY_PAUSE_SECONDS = 0.005

_LOGGER = logging.getLogger(__name__)


T = TypeVar("T")


def intact(rows: Iterable[sqlite3.Row], read: Callable[[sqlite3.Row], T]) -> list[T]:
    """What can be read of a list; a damaged row is left out with a warning and hides no other."""
    found = []
    for row in rows:
        try:
            found.append(read(row))
        except InvalidDocumentError as error:
            _LOGGER.warning("a record is left out: %s", error)
    return found


class Database:
    """One SQLite file in WAL mode, shared by the threads of this process.

    A durable transaction is synced to the disk when it returns. A quick one is
    not: a power cut may undo it (a later durable one carries it along), a killed
    process does not. Claims, heartbeats and log lines are quick, because what
    they say is found out again after a power cut; everything else is durable.

    Arguments:
        path: the file; created with its folder when absent.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._connections: dict[str, sqlite3.Connection] = {}

    def initialize(self) -> None:
        """Create tables and indexes that are not there yet.

        Raises:
            StoreError: the file is no database of ours, or was made by a newer taskmgr.
        """
        with self._translated():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._write_lock:
                connection = self._connection("durable", "FULL")
                (found,) = connection.execute("PRAGMA user_version").fetchone()
                if found > schema.VERSION:
                    raise StoreError(
                        f"{self._path} has schema {found}, made by a newer taskmgr; this one knows "
                        f"{schema.VERSION}: upgrade taskmgr-core, or use another TASKMGR_HOME"
                    )
                if found < schema.VERSION:
                    connection.executescript(
                        f"BEGIN IMMEDIATE; {schema.STATEMENTS} "
                        f"PRAGMA user_version = {schema.VERSION}; COMMIT;"
                    )

    def close(self) -> None:
        """Close the connections."""
        with self._write_lock, self._read_lock:
            for connection in self._connections.values():
                connection.close()
            self._connections.clear()

    @contextlib.contextmanager
    def durable(self) -> Iterator[sqlite3.Connection]:
        """A write transaction that is on the disk when it is left."""
        with self._writing("durable", "FULL") as connection:
            yield connection

    @contextlib.contextmanager
    def quick(self) -> Iterator[sqlite3.Connection]:
        """A write transaction that only a power cut can undo."""
        with self._writing("quick", "NORMAL") as connection:
            yield connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A consistent view for reading."""
        with self._translated(), self._read_lock:
            connection = self._connection("reading", "NORMAL")
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def _writing(self, name: str, synchronous: str) -> Iterator[sqlite3.Connection]:
        with self._translated(), self._write_lock:
            connection = self._connection(name, synchronous)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _connection(self, name: str, synchronous: str) -> sqlite3.Connection:
        if name not in self._connections:
            connection = sqlite3.connect(
                self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                connection.row_factory = sqlite3.Row
                _use_wal(connection)
                connection.execute(f"PRAGMA synchronous = {synchronous}")
            except sqlite3.Error:
                connection.close()
                raise
            self._connections[name] = connection
        return self._connections[name]

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}; {_advice(error)}") from error
        except OSError as error:
            raise StoreError(f"{self._path} cannot be used: {error.strerror or error}") from error


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL. Here alone SQLite does not wait for others who do the same just now."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorname.startswith("SQLITE_BUSY")
            if not busy or time.monotonic() >= deadline:
                raise
            time.sleep(BUSY_PAUSE_SECONDS)
        else:
            return


def _advice(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_FULL"):
        return "the disk is full: nothing was recorded; make room and try again"
    if name.startswith("SQLITE_IOERR"):  # also how a full disk shows in the file beside the log
        return "the disk is full or fails: nothing was recorded; make room and try again"
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return "the file is damaged: restore it from a backup, or use another TASKMGR_HOME"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"another process held it for {BUSY_SECONDS:g} s; try again"
    if name.startswith("SQLITE_READONLY"):
        return "the file or its folder is read-only"
    return "nothing was recorded of this operation"
