"""The audit log of one process: entries are written together, soon, and none is dropped."""

from __future__ import annotations

import collections
import logging
import threading
import time
from collections.abc import Callable

import attrs

from taskmgr_core.errors import TaskmgrError
from taskmgr_core.specs.accounts import AuditEntry
from taskmgr_core.stores.accounts import AccountStore

# How long an entry may wait for others that are written with it, and how many may wait: more
# are waited for. A killed process loses what has waited; of a submission the run is there.
GATHER_SECONDS = 0.1
MOST_WAITING = 2_000
MOST_TOGETHER = 500
TRY_AGAIN_SECONDS = 1.0
# Denials of one kind, from one place, that are written each minute; the others are counted.
MOST_DENIALS = 20
DENIALS_SECONDS = 60.0
MOST_KINDS = 10_000

_LOGGER = logging.getLogger(__name__)


class AuditLog:
    """Writes entries down, by a thread of its own. Safe to use from many threads.

    Arguments:
        store: where they are.
        clock: monotonic seconds.
    """

    def __init__(self, store: AccountStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._waiting: collections.deque[AuditEntry] = collections.deque()
        self._changed = threading.Condition()
        self._writing = 0
        self._closing = False
        self._thread: threading.Thread | None = None
        self._denials = Denials(clock)

    def write(self, entry: AuditEntry) -> None:
        """Write an entry down now; it is on the disk when this returns.

        Raises:
            StoreError: it is not.
        """
        self._store.append_audit([entry])

    def note(self, entry: AuditEntry) -> None:
        """Write an entry down soon, together with others.

        While the store is away it waits, and whoever has noted too many waits with them: what
        cannot be written down is not done either.
        """
        counted = self._denials.counted(entry)
        if counted is None:
            return
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_all, name="audit", daemon=True)
                self._thread.start()
            while len(self._waiting) >= MOST_WAITING and not self._closing:
                self._changed.wait()
            self._waiting.append(counted)
            if len(self._waiting) == 1 or len(self._waiting) >= MOST_TOGETHER:
                self._changed.notify_all()

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all that was noted is on the disk; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._writing, timeout)

    def close(self, timeout: float = 10.0) -> None:
        """Write down what waits, and end."""
        if self._thread is None:
            return
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout)
        with self._changed:
            if left := len(self._waiting) + self._writing:
                _LOGGER.error("%d lines of the audit log could not be written", left)

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                self._changed.wait_for(
                    lambda: len(self._waiting) >= MOST_TOGETHER or self._closing, GATHER_SECONDS
                )
                group = [self._waiting[place] for place in range(self._group_size())]
                self._writing = len(group)
            written = self._append(group)
            with self._changed:
                if written:
                    for _ in group:
                        self._waiting.popleft()
                self._writing = 0
                self._changed.notify_all()
                if not written and self._closing:
                    return
                if not written:
                    self._changed.wait_for(lambda: self._closing, TRY_AGAIN_SECONDS)

    def _group_size(self) -> int:
        return min(len(self._waiting), MOST_TOGETHER)

    def _append(self, group: list[AuditEntry]) -> bool:
        try:
            self._store.append_audit(group)
        except TaskmgrError as error:
            _LOGGER.warning("the audit log cannot be written, and is tried again: %s", error)
            return False
        return True


@attrs.define
class _Count:
    since: float
    written: int = 0
    left_out: int = 0


class Denials:
    """Keeps somebody who tries again and again from filling the log: what is alike is counted.

    Arguments:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counts: collections.OrderedDict[tuple[str, ...], _Count] = collections.OrderedDict()
        self._lock = threading.Lock()

    def counted(self, entry: AuditEntry) -> AuditEntry | None:
        """The entry, with how many like it were left out before it; None to leave it out."""
        if entry.outcome != "denied":
            return entry
        kind = (entry.where, entry.token, entry.action, entry.note)
        with self._lock:
            now = self._clock()
            count = self._counts.setdefault(kind, _Count(now))
            self._counts.move_to_end(kind)
            while len(self._counts) > MOST_KINDS:
                self._counts.popitem(last=False)
            left_out = 0
            if now - count.since >= DENIALS_SECONDS:
                left_out = count.left_out
                self._counts[kind] = count = _Count(now)
            if count.written >= MOST_DENIALS:
                count.left_out += 1
                return None
            count.written += 1
        if not left_out:
            return entry
        return attrs.evolve(entry, note=f"{entry.note} ({left_out} more like it before)".strip())
