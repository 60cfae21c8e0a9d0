"""Faults that happen for real to the next step of a task: processes stopped and killed."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, cast, get_args

import attrs

from taskmgr_core.errors import InvalidValueError
from taskmgr_core.output import OutputLines
from taskmgr_core.runners import START_SECONDS, Interpreter, Limits, Needs, Runner, RunnerLauncher
from taskmgr_core.runners.devices import NO_UNITS, Numbers
from taskmgr_core.runners.isolation import NO_NEEDS
from taskmgr_plugins.protocol import Frame

Fault = Literal["crash", "hang", "out of memory", "lost worker"]

# How long a runner is left stopped before its time limit is taken to have passed.
HANGING_SECONDS = 0.1
# Below what any Python process has.
TOO_LITTLE_MB = 1


def fault_named(name: str) -> Fault:
    """A fault by its name.

    Raises:
        InvalidValueError: there is none.
    """
    if name not in get_args(Fault):
        raise InvalidValueError(
            f"fault {name!r}: allowed are {', '.join(map(repr, get_args(Fault)))}"
        )
    return cast("Fault", name)


class Faults:
    """The faults that wait for a step of their task. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[str, Fault]] = []

    def add(self, task: str, fault: Fault) -> None:
        """Have the next call of a task meet a fault."""
        with self._lock:
            self._waiting.append((task, fault))

    def take(self, task: str) -> Fault | None:
        """The fault that a call of a task meets now; None for none."""
        with self._lock:
            for waiting in self._waiting:
                if waiting[0] == task:
                    self._waiting.remove(waiting)
                    return waiting[1]
        return None

    def left(self) -> list[tuple[str, Fault]]:
        """Those that nobody has met."""
        with self._lock:
            return list(self._waiting)


@attrs.frozen
class FaultyLauncher:
    """Starts runners whose calls meet faults; stands for a ``RunnerLauncher``.

    Attributes:
        launcher: starts them.
        faults: what they meet.
        clock: monotonic seconds, by which their time limits are measured.
    """

    launcher: RunnerLauncher
    faults: Faults
    clock: Callable[[], float]

    def start(
        self,
        environment: Interpreter,
        distribution: str,
        units: Numbers = NO_UNITS,
        needs: Needs = NO_NEEDS,
    ) -> Runner:
        """Start one; see ``RunnerLauncher.start``."""
        started = self.launcher.start(environment, distribution, units, needs)
        return cast("Runner", _FaultyRunner(started, self.faults, self.clock))


class _FaultyRunner:
    """A runner, all of it, whose calls may meet a fault."""

    def __init__(self, runner: Runner, faults: Faults, clock: Callable[[], float]) -> None:
        self._runner = runner
        self._faults = faults
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)

    def request(
        self,
        frame: Frame,
        *,
        timeout: float = START_SECONDS,
        limits: Limits | None = None,
        output: OutputLines | None = None,
    ) -> Frame:
        limits = attrs.evolve(limits or Limits(timeout=timeout), clock=self._clock)
        if frame["kind"] == "call" and (fault := self._faults.take(frame["task"])) is not None:
            limits = self._met(fault, limits)
        return self._runner.request(frame, limits=limits, output=output)

    def _met(self, fault: Fault, limits: Limits) -> Limits:
        """Have the process meet a fault; what its call may take from now on."""
        pid = self._runner.pid
        if fault == "lost worker":
            os.kill(os.getpid(), signal.SIGKILL)
        if fault == "crash":
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSEGV)
            return limits
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)  # it does not answer any more, nor end by itself
        if fault == "out of memory":
            return attrs.evolve(limits, memory_mb=TOO_LITTLE_MB)
        return attrs.evolve(limits, clock=_passing(limits))


def _passing(limits: Limits) -> Callable[[], float]:
    """A clock for which a time limit has passed as soon as a call hangs."""
    begun = time.monotonic()

    def clock() -> float:
        hanging = time.monotonic() - begun >= HANGING_SECONDS
        return limits.clock() + (limits.timeout if hanging else 0)

    return clock
