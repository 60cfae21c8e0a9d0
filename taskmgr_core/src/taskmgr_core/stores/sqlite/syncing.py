"""Putting on the disk what was committed: SQLite's write-ahead log is synced from outside.

SQLite syncs while it holds the write lock, and has to be told before a transaction begins
whether it is to. From outside the sync can be asked for once it is known what a transaction came
to, others write meanwhile, and one sync serves all who wait for one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from taskmgr_core.combining import Combiner, Request

# Without the times of a file, where the system can leave those out.
_sync = getattr(os, "fdatasync", os.fsync)


class LogSync:
    """Syncs the write-ahead log of one SQLite file. Safe to use from many threads.

    To be used only while a connection to the file is open: the log lives as long. (To open and
    close the log breaks no lock: SQLite holds its locks on the other two files.)

    Arguments:
        database: the SQLite file.
    """

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(f"{database.name}-wal")
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._wanted: Combiner[None] = Combiner(self._carry_out)

    def sync(self) -> None:
        """Have all on the disk that was committed before.

        Raises:
            OSError: the disk fails.
        """
        self._wanted.run(None)

    def close(self) -> None:
        """Let go of the log; the next sync opens it again."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                os.close(descriptor)

    def _carry_out(self, group: Sequence[Request[None]]) -> None:
        try:
            with self._lock:
                self._sync_now()
        except OSError as error:
            for each in group:
                each.fail(error)
        else:
            for each in group:
                each.succeed()

    def _sync_now(self) -> None:
        if self._descriptor is None:
            try:
                self._descriptor = os.open(self._path, os.O_RDONLY)
            except FileNotFoundError:
                return  # where the file system allows no log, SQLite syncs by itself
        _sync(self._descriptor)
