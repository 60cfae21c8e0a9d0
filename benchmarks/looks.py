"""What a refresh of a screen costs on a short history and on a long one."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from unittest import mock

from benchmarks.figures import Figure, median
from taskmgr_core.watching import LocalWatcher, Watcher
from taskmgr_core.wiring import connect
from taskmgr_tui.core import listing, overview, rundown
from taskmgr_tui.core.searching import Search

ROUNDS = 60

Look = Callable[[], object]


def refresh_figures(short: Path, long: Path) -> list[Figure]:
    """Statements and processor time of each screen's refresh, side by side."""
    statements: list[str] = []
    connect_to = sqlite3.connect

    def observed(*arguments: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect_to(*arguments, **options)  # type: ignore[call-overload]
        connection.set_trace_callback(statements.append)
        return connection

    with (
        mock.patch.object(sqlite3, "connect", observed),
        connect(short) as few,
        connect(long) as many,
    ):
        before, after = _looks(LocalWatcher(few, list)), _looks(LocalWatcher(many, list))
        asked = {
            name: (_count(before[name], statements), _count(after[name], statements))
            for name in before
        }
    with connect(short) as few, connect(long) as many:
        before, after = _looks(LocalWatcher(few, list)), _looks(LocalWatcher(many, list))
        spent = {name: _side_by_side(before[name], after[name]) for name in before}
    ratios = {name: many / few for name, (few, many) in spent.items()}
    worst = max(ratios, key=lambda name: ratios[name])
    note = "; ".join(
        f"{name} {few:.2f} and {many:.2f} ms, {asked[name][0]} and {asked[name][1]} statements"
        for name, (few, many) in spent.items()
    )
    return [Figure("tui_refresh_ratio", ratios[worst], "ratio", 1.3, note=f"{worst}; {note}")]


def _looks(watcher: Watcher) -> Mapping[str, Look]:
    """The questions of the screens, each as the screen asks it."""
    run = watcher.runs(status="succeeded", limit=1)[0].id
    return {
        "overview": lambda: overview.look(watcher),
        "runs": lambda: listing.look(watcher, Search(), None),
        "succeeded runs": lambda: listing.look(watcher, Search(status="succeeded"), None),
        "run": lambda: rundown.look(watcher, run, 0),
    }


def _count(look: Look, statements: list[str]) -> int:
    look()
    statements.clear()
    look()
    return len(statements)


def _side_by_side(one: Look, other: Look) -> tuple[float, float]:
    """Milliseconds of processor time, medians, taken in turns."""
    pairs = [(_spent(one), _spent(other)) for _ in range(ROUNDS)]
    return median([a for a, _ in pairs]), median([b for _, b in pairs])


def _spent(look: Look) -> float:
    begun = time.thread_time()
    look()
    return (time.thread_time() - begun) * 1000
