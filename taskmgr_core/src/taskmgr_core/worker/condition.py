"""How a worker and its machine are, as its beats tell: load, virtualenvs, where it logs.

A private worker tells none of it: a program that does its own work pays nothing for it.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import attrs
import psutil

from taskmgr_core.environments import Environments
from taskmgr_core.runners.memory import used_bytes
from taskmgr_core.specs import Worker, WorkerLoad

# To look at every process takes some milliseconds: it is done more rarely than a beat.
FIRST_SECONDS, MEASURE_SECONDS = 1.0, 5.0
# A beat is a small record: of more virtualenvs than these the least recently used are left out.
MOST_BUILT = 100


def as_it_is(worker: Worker) -> Worker:
    """Nothing is added."""
    return worker


@attrs.define
class Condition:
    """Adds to a beat what can be seen from this process.

    Attributes:
        environments: the virtualenvs of this machine.
        log: the file that the worker logs to; None where there is none.
    """

    environments: Environments
    log: Path | None = None
    _load: WorkerLoad | None = attrs.field(default=None, init=False)
    _spent: dict[int, float] = attrs.field(factory=dict, init=False)
    _looked_at: float = attrs.field(default=0.0, init=False)
    _measured_at: float | None = attrs.field(default=None, init=False)
    _built: tuple[str, ...] = attrs.field(default=(), init=False)
    _changed: int = attrs.field(default=0, init=False)

    def described(self, worker: Worker) -> Worker:
        """What a beat tells; from the second one on also of the load, which takes two looks."""
        return attrs.evolve(
            worker,
            load=self._measured(time.monotonic()),
            built=self._ready(),
            log="" if self.log is None else str(self.log.absolute()),
        )

    def _measured(self, now: float) -> WorkerLoad | None:
        """The load; between two looks at the processes it stays as it was."""
        before = self._measured_at
        if before is None:
            self._measured_at = now  # the worker begins to claim first
            self._spent = {os.getpid(): _seconds(psutil.Process())}
            self._looked_at = time.time()
        elif now - before >= (FIRST_SECONDS if self._load is None else MEASURE_SECONDS):
            self._load, self._measured_at = self._look(now - before), now
        return self._load

    def _look(self, passed: float) -> WorkerLoad:
        own = psutil.Process()
        processes = [own]
        with contextlib.suppress(psutil.Error):
            processes += own.children(recursive=True)
        spent = {each.pid: _seconds(each) for each in processes}
        # One that has begun since has spent all that it has; one that has ended is left out, and
        # so is one that was there before and was not looked at.
        busy = sum(
            max(spent[each.pid] - self._spent.get(each.pid, 0.0), 0.0)
            for each in processes
            if each.pid in self._spent or _began(each) >= self._looked_at
        )
        self._spent, self._looked_at = spent, time.time()
        memory = sum(used_bytes(each.pid, with_children=False) for each in processes)
        machine = int(psutil.virtual_memory().total)
        return WorkerLoad(memory, round(busy / passed, 2), machine, os.cpu_count() or 1)

    def _ready(self) -> tuple[str, ...]:
        """The built releases; read again when something was built or removed."""
        with contextlib.suppress(OSError):  # nothing was built yet
            changed = self.environments.folder.stat().st_mtime_ns
            if changed != self._changed:
                found = self.environments.list()[-MOST_BUILT:]
                names = {f"{each.distribution} {each.version}" for each in found}
                self._built, self._changed = tuple(sorted(names)), changed
        return self._built


def _began(process: psutil.Process) -> float:
    """UTC seconds at which it began; 0 for one that is gone."""
    with contextlib.suppress(psutil.Error):
        return float(process.create_time())
    return 0.0


def _seconds(process: psutil.Process) -> float:
    """Seconds of processor time; 0 for one that is gone."""
    with contextlib.suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0
