"""Ctrl-C in a thread that writes to SQLite for others, at each point where Python lets it in."""

from __future__ import annotations

import collections
import dis
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from taskmgr_core import combining
from taskmgr_core.stores.sqlite import database
from taskmgr_core.stores.sqlite.database import Database
from waiting import wait_until

_FILES = {combining.__file__, database.__file__}
# Python looks for signals when a function begins, after calls, and where a loop begins again.
_LOOKS = ("CALL", "RESUME", "JUMP_BACKWARD")
WAIT = 20.0


class Interrupt:
    """Traces a thread, and raises ``KeyboardInterrupt`` at one of those points.

    Arguments:
        point: which one; with fewer there is none.
    """

    def __init__(self, point: int) -> None:
        self.raised = False
        self._left = point
        self._before: dict[int, str] = {}
        self._names: dict[CodeType, dict[int, str]] = {}

    def __call__(self, frame: FrameType, event: str, _: object) -> Interrupt | None:
        code = frame.f_code
        if code.co_filename not in _FILES:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            before = self._before.get(id(frame), "")
            self._before[id(frame)] = self._name(code, frame.f_lasti)
            self._left -= before.startswith(_LOOKS)
            if not self._left and not self.raised:
                self.raised = True
                raise KeyboardInterrupt
        return self

    def _name(self, code: CodeType, at: int) -> str:
        if code not in self._names:
            self._names[code] = {each.offset: each.opname for each in dis.get_instructions(code)}
        return self._names[code].get(at, "")


class Writers:
    """Three threads that write at the same time; the first, which leads, is interrupted."""

    def __init__(self, database: Database, point: int) -> None:
        self.database = database
        self.interrupt = Interrupt(point)
        self.told: dict[str, object] = {}
        self.held = threading.Event()

    def run(self) -> None:
        """Have each written, or interrupted."""
        first = threading.Thread(target=self._interrupted, args=("first", self._first))
        first.start()
        wait_until(lambda: self.held.is_set() or not first.is_alive(), "the first one writes")
        others = [
            threading.Thread(target=self._write, args=(name, insert(name)))
            for name in ("second", "third")
        ]
        for thread in others:
            thread.start()
        for thread in (first, *others):
            thread.join(WAIT)
            assert not thread.is_alive(), "nobody wakes it"

    def _interrupted(self, name: str, action: Callable[[sqlite3.Connection], str]) -> None:
        sys.settrace(self.interrupt)
        try:
            self._write(name, action)
        finally:
            sys.settrace(None)

    def _write(self, name: str, action: Callable[[sqlite3.Connection], str]) -> None:
        try:
            self.told[name] = self.database.durable(action)
        except KeyboardInterrupt as interrupt:
            self.told[name] = interrupt

    def _first(self, connection: sqlite3.Connection) -> str:
        written = insert("first")(connection)
        if not self.held.is_set():  # the others come while it writes
            self.held.set()
            waiting = self.database._writes._waiting
            wait_until(lambda: len(waiting) == 2, "the others wait")
        return written


def insert(name: str) -> Callable[[sqlite3.Connection], str]:
    """An action that writes a row of that name."""

    def write(connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO written VALUES (?)", (name,))
        return name

    return write


def written(opened: Database) -> collections.Counter[str]:
    """How often each was written."""
    rows: list[Any] = opened.look(lambda each: each.execute("SELECT * FROM written").fetchall())
    return collections.Counter(row["name"] for row in rows)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Database]:
    """A database with a table for it."""
    made = Database(tmp_path / "metadata.sqlite3")
    made.initialize()
    made.quick(lambda connection: connection.execute("CREATE TABLE written (name TEXT)") and None)
    yield made
    made.close()


@pytest.mark.timeout(300)
def test_interrupt_of_who_leads_harms_nobody(
    opened: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it comes, what others write is written once, they are told, and the next works."""
    monkeypatch.setattr(combining, "MOST_TAKEN_IN", 1)  # the second; the third leads afterwards
    point = 0
    while True:
        point += 1
        opened.quick(lambda connection: connection.execute("DELETE FROM written") and None)
        writers = Writers(opened, point)
        writers.run()
        found = written(opened)
        assert writers.told["second"] == "second", point
        assert writers.told["third"] == "third", point
        assert (found["second"], found["third"]) == (1, 1), point
        assert found["first"] <= 1, point
        if not writers.interrupt.raised:
            break
    assert writers.told["first"] == "first"
    assert point > 50
