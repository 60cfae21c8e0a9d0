"""Connections to the SQLite file, and its transactions."""

from __future__ import annotations

import contextlib
import copy
import functools
import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from taskmgr_core.combining import Combiner, Request
from taskmgr_core.errors import (
    MAKE_ROOM,
    MAKE_WRITABLE,
    StoreError,
    StoreGoneError,
    with_advice,
)
from taskmgr_core.stores.sqlite import schema
from taskmgr_core.stores.sqlite.syncing import LogSync

BUSY_SECONDS = 30.0
FIRST_PAUSE_SECONDS = 0.0002
PAUSE_GROWTH = 1.2
BUSY_PAUSE_SECONDS = 0.005
# How long the log grows before its pages go into the file: about what one block of its index
# holds. A page that many steps change is then written there once, where SQLite's own 1,000
# pages are full after forty steps of a large graph.
LOG_PAGES = 4000

T = TypeVar("T")
Action = Callable[[sqlite3.Connection], T]


class _Write:
    """What a thread wants written.

    Arguments:
        action: done inside the transaction.
        lasts: whether what it gave is to be on the disk before the thread goes on.
    """

    def __init__(self, action: Action[Any], lasts: Callable[[Any], bool]) -> None:
        self.action, self.lasts = action, lasts
        self.synced = False


_Group = Sequence[Request[_Write]]

_OUR_TABLES = frozenset(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", schema.STATEMENTS))
# A garbled text spoils its own record, found out when that is read, and no list of others.
_TEXT = functools.partial(str, encoding="utf-8", errors="surrogateescape")


class Database:
    """One SQLite file in WAL mode, shared by the threads of this process.

    A durable transaction is synced to the disk when it returns. A quick one is
    not: a power cut may undo it (a later durable one carries it along), a killed
    process does not. Claims, heartbeats and log lines are quick, because what
    they say is found out again after a power cut; everything else is durable.
    What threads write at the same time is committed together, with what others ask for until
    the commit; where something of it fails, each is done by itself, so that a failure undoes
    nothing of others. All that is written goes through one connection, whose cache nobody else
    in this process makes stale; while nobody writes, it also serves short looks.

    A connection cannot be taken through a fork: SQLite itself keeps its locks by
    process, and a child that believes it has its parent's would damage the file.

    Arguments:
        path: the file; created with its folder when absent.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._write_lock = threading.Lock()
        self._writes = Combiner(self._carry_out, _has_to_last, self._complete)
        self._read_lock = threading.Lock()
        self._log = LogSync(path)
        self._writer: sqlite3.Connection | None = None
        self._idle: list[sqlite3.Connection] = []  # that read
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
                connection = self._writing(self._refuse_strangers)
                _let_wait(connection, BUSY_SECONDS)
                (found,) = connection.execute("PRAGMA user_version").fetchone()
                if found > schema.VERSION:
                    raise StoreError(
                        f"{self._path} has schema {found}, made by a newer taskmgr; this one knows "
                        f"{schema.VERSION}: upgrade taskmgr-core, or use another TASKMGR_HOME"
                    )
                if found < schema.VERSION:
                    connection.executescript(f"BEGIN IMMEDIATE; {schema.upgrade(found)} COMMIT;")
                _let_wait(connection, 0)
            self._log.sync()

    def close(self) -> None:
        """Close the connections; whatever is asked of the store afterwards is refused."""
        self._closed = True
        if self._forked:
            return  # they are the parent's
        with self._write_lock, self._read_lock:
            self._log.close()
            for connection in (self._writer, *self._idle):
                if connection is not None:
                    connection.close()
            self._writer = None
            self._idle.clear()
            self._opened = None

    def durable(self, action: Action[T]) -> T:
        """Write what is on the disk when it returns.

        Arguments:
            action: what is done inside the transaction; it may be called again when that
                could not be committed.
        """
        value, error = self.lasting(action, _always)
        if error is not None:
            raise error
        return value

    def quick(self, action: Action[T]) -> T:
        """Write what only a power cut can undo; see ``durable``."""
        return self.lasting(action, _never)[0]

    def lasting(self, action: Action[T], lasts: Callable[[T], bool]) -> tuple[T, StoreError | None]:
        """Write, and have it on the disk where what came of it asks for that.

        Arguments:
            action: see ``durable``.
            lasts: whether it is to be on the disk, asked of what the action gave.

        Returns:
            What the action gave, and why that, though written, is not on the disk.
        """
        self._refuse_in_a_fork()  # where the thread that leads is not there
        write = _Write(action, lasts)
        value: T = self._writes.run(write)
        if not write.synced and lasts(value):
            try:
                self.sync()
            except StoreError as error:
                return value, error
        return value, None

    def sync(self) -> None:
        """Have on the disk what was written before."""
        with self._translated():
            self._log.sync()

    def look(self, action: Action[T]) -> T:
        """Read by one or few short statements that need not see the same.

        Arguments:
            action: what is asked; it may be called again.
        """
        self._refuse_in_a_fork()
        if self._write_lock.acquire(blocking=False):
            try:
                with self._translated():
                    self._refuse_when_unusable()
                    return action(self._writing())
            except StoreError as error:
                if not _is_busy(error.__cause__):
                    raise
            finally:
                self._write_lock.release()
        with self.glancing() as connection:
            return action(connection)

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A consistent view for reading; threads do not wait for one another."""
        with self.glancing() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def glancing(self) -> Iterator[sqlite3.Connection]:
        """For reading by one statement, or by several that need not see the same."""
        self._refuse_in_a_fork()
        with self._translated():
            with self._read_lock:
                self._refuse_when_unusable()
                connection = self._idle.pop() if self._idle else self._open()
            try:
                yield connection
            finally:
                with self._read_lock:
                    if self._closed:
                        connection.close()
                    else:
                        self._idle.append(connection)

    def _carry_out(self, group: _Group) -> None:
        """Commit what threads want written together, and what they ask for until the commit.

        Two slots of a worker are seldom done at the same time, but often the second one is
        while the first one's outcome is recorded: a commit and the pages that both change are
        so written once.
        """
        self._write(group, self._writes.take_in)

    def _write(self, group: _Group, later: Callable[[], _Group]) -> None:
        """Commit what is wanted together; where that fails, each by itself.

        Arguments:
            group: what is wanted.
            later: adds to the group what is wanted meanwhile, and gives that.
        """
        begun = False
        try:
            with self._translated(), self._write_lock:
                self._refuse_when_unusable()
                connection = self._writing()
                try:
                    _begin(connection)
                    begun = True
                    self._commit(connection, group, later)
                finally:
                    if connection.in_transaction:  # it failed, or was interrupted anywhere
                        connection.execute("ROLLBACK")
        except Exception as error:  # noqa: BLE001 - each is raised where it was asked for
            if begun and len(group) > 1:
                for each in group:
                    self._write([each], _nobody)
                return
            for each in group:
                each.fail(copy.copy(error) if len(group) > 1 else error)

    def _complete(self, group: _Group) -> None:
        """Sync what of a group is to last, once, so that each waits only once for both."""
        if len(group) > 1:  # who is alone does it, as does each where this fails
            with contextlib.suppress(StoreError):
                self.sync()
                for each in group:
                    each.payload.synced = True

    def _commit(
        self, connection: sqlite3.Connection, group: _Group, later: Callable[[], _Group]
    ) -> None:
        values: list[Any] = []
        try:
            # Filled one by one, so that it is known how far an interrupted one has come.
            values.extend(self._done(each, connection) for each in group)
            values.extend(self._done(each, connection) for each in later())
            connection.execute("COMMIT")
            _settle(group, values)
        except BaseException as error:
            committed = not connection.in_transaction and len(values) == len(group)
            if committed and not isinstance(error, Exception):
                # An interrupt just after the commit must not have it all done again.
                _settle(group, values)
            raise

    def _done(self, each: Request[_Write], connection: sqlite3.Connection) -> Any:
        """Carry out one of a group, with what was done before still part of the transaction."""
        value = each.payload.action(connection)
        if not connection.in_transaction:  # SQLite gave it up, and the action went on
            raise StoreError(f"{self._path}: SQLite undid what was written; try again")
        return value

    @property
    def _forked(self) -> bool:
        return bool(self._writer or self._idle) and self._process != os.getpid()

    def _refuse_in_a_fork(self) -> None:
        if self._forked:
            raise StoreError(
                f"{self._path}: opened by process {self._process}, it cannot be used in its forked "
                f"child {os.getpid()}; start child processes by 'spawn' and open the store there"
            )

    def _refuse_when_unusable(self) -> None:
        """Refuse to go on with a file that has lost its name: nobody else would see it."""
        if self._closed:
            raise StoreError(f"{self._path}: the store is closed; open it anew to use it")
        if self._opened is not None and self._opened != _identity(self._path):
            raise StoreGoneError(
                f"{self._path} is not the file any more that was opened: its folder, the home, was "
                "removed, moved or replaced by another one, and nothing more can be recorded in "
                "it; put the home right, then start again"
            )

    def _writing(
        self, check: Callable[[sqlite3.Connection], None] | None = None
    ) -> sqlite3.Connection:
        if self._writer is None:
            self._writer = self._open(check)
            _let_wait(self._writer, 0)  # ``_begin`` waits
        return self._writer

    def _open(
        self, check: Callable[[sqlite3.Connection], None] | None = None
    ) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            connection.row_factory = sqlite3.Row
            connection.text_factory = _TEXT
            if check is not None:
                check(connection)  # before anything of the file is changed
            # Where there is no log that can be synced from outside, SQLite has to.
            synchronous = "NORMAL" if _use_wal(connection) else "FULL"
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        except BaseException:
            connection.close()
            raise
        self._process = os.getpid()
        self._opened = self._opened or _identity(self._path)
        return connection

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


def _begin(connection: sqlite3.Connection) -> None:
    """Begin to write; wait while another process does, and look often whether it still does.

    SQLite's own waiting sleeps up to 100 ms at a time: two busy workers on one file would
    mostly sleep.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() >= deadline:
                raise
            time.sleep(pause)
            pause = min(pause * PAUSE_GROWTH, BUSY_PAUSE_SECONDS)
        else:
            return


def _let_wait(connection: sqlite3.Connection, seconds: float) -> None:
    connection.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")


def _is_busy(error: BaseException | None) -> bool:
    name = getattr(error, "sqlite_errorname", "")
    return isinstance(name, str) and name.startswith("SQLITE_BUSY")


def _always(_: object) -> bool:
    return True


def _never(_: object) -> bool:
    return False


def _nobody() -> _Group:
    return ()


def _has_to_last(each: Request[_Write]) -> bool:
    return each.done and each.error is None and each.payload.lasts(each.value)


def _settle(group: _Group, values: Sequence[Any]) -> None:
    for each, value in zip(group, values, strict=True):
        each.succeed(value)


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells the file of that name from every other one; None when there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - asked all the time, and quicker than ``Path.stat``
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def _use_wal(connection: sqlite3.Connection) -> bool:
    """Switch to WAL, and whether that is possible where the file is.

    Here alone SQLite does not wait for others who do the same just now.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() >= deadline:
                raise
            time.sleep(BUSY_PAUSE_SECONDS)
        else:
            return str(mode) == "wal"


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
