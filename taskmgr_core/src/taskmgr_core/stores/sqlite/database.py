"""Connections to the SQLite file, and its transactions."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from taskmgr_core.errors import (
    MAKE_ROOM,
    MAKE_WRITABLE,
    StoreError,
    StoreGoneError,
    with_advice,
)
from taskmgr_core.stores.sqlite import schema

BUSY_SECONDS = 30.0
BUSY_PAUSE_SECONDS = 0.005

_OUR_TABLES = frozenset(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", schema.STATEMENTS))
# A garbled text spoils its own record, found out when that is read, and no list of others.
_TEXT = functools.partial(str, encoding="utf-8", errors="surrogateescape")


class Database:
    """One SQLite file in WAL mode, shared by the threads of this process.

    A durable transaction is synced to the disk when it returns. A quick one is
    not: a power cut may undo it (a later durable one carries it along), a killed
    process does not. Claims, heartbeats and log lines are quick, because what
    they say is found out again after a power cut; everything else is durable.

    A connection cannot be taken through a fork: SQLite itself keeps its locks by
    process, and a child that believes it has its parent's would damage the file.

    Arguments:
        path: the file; created with its folder when absent.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._connections: dict[str, sqlite3.Connection] = {}
        self._process = 0
        self._opened: tuple[int, int] | None = None
        self._closed = False

    def initialize(self) -> None:
        """Create tables and indexes that are not there yet; opens a closed store again.

        Raises:
            StoreError: the file is no database of ours, or was made by a newer taskmgr.
        """
        with self._translated():
            self._refuse_in_a_fork()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._write_lock:
                self._closed = False
                connection = self._connection("durable", "FULL", self._refuse_strangers)
                (found,) = connection.execute("PRAGMA user_version").fetchone()
                if found > schema.VERSION:
                    raise StoreError(
                        f"{self._path} has schema {found}, made by a newer taskmgr; this one knows "
                        f"{schema.VERSION}: upgrade taskmgr-core, or use another TASKMGR_HOME"
                    )
                if found < schema.VERSION:
                    connection.executescript(f"BEGIN IMMEDIATE; {schema.upgrade(found)} COMMIT;")

    def close(self) -> None:
        """Close the connections; whatever is asked of the store afterwards is refused."""
        self._closed = True
        if self._forked:
            return  # they are the parent's
        with self._write_lock, self._read_lock:
            for connection in self._connections.values():
                connection.close()
            self._connections.clear()
            self._opened = None

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
        with self._translated(), self._using(self._read_lock):
            connection = self._connection("reading", "NORMAL")
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def _writing(self, name: str, synchronous: str) -> Iterator[sqlite3.Connection]:
        with self._translated(), self._using(self._write_lock):
            connection = self._connection(name, synchronous)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _using(self, lock: threading.Lock) -> Iterator[None]:
        self._refuse_in_a_fork()  # where a lock may be held by a thread that is not there
        with lock:
            if self._closed:
                raise StoreError(f"{self._path}: the store is closed; open it anew to use it")
            self._refuse_when_gone()
            yield

    @property
    def _forked(self) -> bool:
        return bool(self._connections) and self._process != os.getpid()

    def _refuse_in_a_fork(self) -> None:
        if self._forked:
            raise StoreError(
                f"{self._path}: opened by process {self._process}, it cannot be used in its forked "
                f"child {os.getpid()}; start child processes by 'spawn' and open the store there"
            )

    def _refuse_when_gone(self) -> None:
        """Refuse to go on with a file that has lost its name: nobody else would see it."""
        if self._opened is not None and self._opened != _identity(self._path):
            raise StoreGoneError(
                f"{self._path} is not the file any more that was opened: its folder, the home, was "
                "removed, moved or replaced by another one, and nothing more can be recorded in "
                "it; put the home right, then start again"
            )

    def _connection(
        self,
        name: str,
        synchronous: str,
        check: Callable[[sqlite3.Connection], None] | None = None,
    ) -> sqlite3.Connection:
        if name not in self._connections:
            connection = sqlite3.connect(
                self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                connection.row_factory = sqlite3.Row
                connection.text_factory = _TEXT
                if check is not None:
                    check(connection)  # before anything of the file is changed
                _use_wal(connection)
                connection.execute(f"PRAGMA synchronous = {synchronous}")
            except BaseException:
                connection.close()
                raise
            self._process = os.getpid()
            self._opened = self._opened or _identity(self._path)
            self._connections[name] = connection
        return self._connections[name]

    def _refuse_strangers(self, connection: sqlite3.Connection) -> None:
        """Refuse another program's database; one of ours has its tables and a number at once."""
        connection.execute("BEGIN")  # one view of both
        (number,) = connection.execute("PRAGMA user_version").fetchone()
        rows = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' "
            "ESCAPE '~' ORDER BY name"
        )
        tables = [name for (name,) in rows]
        connection.execute("ROLLBACK")
        if tables and (number == 0 or _OUR_TABLES.isdisjoint(tables)):
            shown = ", ".join(tables[:3]) + (" ..." if len(tables) > 3 else "")
            raise StoreError(
                f"{self._path} is the database of another program (its tables: {shown}); it was "
                "left as it is: use another TASKMGR_HOME, or move the file away"
            )

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}; {_advice(error)}") from error
        except OSError as error:
            said = f"{self._path} cannot be used: {error.strerror or error}"
            raise StoreError(with_advice(said, error)) from error


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells the file of that name from every other one; None when there is none."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


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
        return f"the disk is full: nothing was recorded; {MAKE_ROOM}"
    if name.startswith("SQLITE_IOERR"):  # also how a full disk shows in the file beside the log
        return f"the disk is full or fails: nothing was recorded; {MAKE_ROOM}"
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return "the file is damaged: restore it from a backup, or use another TASKMGR_HOME"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"another process held it for {BUSY_SECONDS:g} s; try again"
    if name.startswith("SQLITE_READONLY"):
        return f"the file or its folder is read-only; {MAKE_WRITABLE}"
    if name.startswith("SQLITE_CANTOPEN"):
        return (
            f"the folder is read-only, or the disk is full: {MAKE_WRITABLE}; or make room "
            "(`taskmgr env gc --size 0` removes virtualenvs)"
        )
    return "nothing was recorded of this operation"
