"""A worker's slots as Celery's pool: as many threads as steps run at once, and no more taken.

What a message's step needs is held from the moment at which the message arrives: the
consumer takes it, the thread that runs the step has it, its end gives it back.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from typing import Any

import attrs
from celery.concurrency.thread import ApplyResult, TaskPool

from taskmgr_core.queue.units import NO_UNITS, NOTHING_HELD, Held, Units


@attrs.define(eq=False)
class Arrival:
    """A message on its way from the consumer to the thread that runs its step.

    Attributes:
        units: what is held for it.
        passed_on: whether a thread has it, which gives them back.
    """

    units: Held
    passed_on: bool = False


_ARRIVAL: ContextVar[Arrival | None] = ContextVar("arrival", default=None)


def held_units() -> Held:
    """What is held for the step of this thread."""
    arrival = _ARRIVAL.get()
    return NOTHING_HELD if arrival is None else arrival.units


def _run(arrival: Arrival | None, target: Callable[..., Any], *arguments: Any) -> Any:
    """Call something in a thread that runs the step of an arrived message."""
    token = _ARRIVAL.set(arrival)
    try:
        return target(*arguments)
    finally:
        _ARRIVAL.reset(token)


class Gate:
    """Counts free slots and units; whoever takes messages waits here until there is a slot.

    Arguments:
        slots: how many there are.
        units: what is offered.
    """

    def __init__(self, slots: int, units: Units = NO_UNITS) -> None:
        self.units = units
        self._slots = slots
        self._busy = 0
        self._changed = threading.Condition()

    @property
    def slots(self) -> int:
        """How many there are."""
        return self._slots

    @property
    def busy(self) -> int:
        """How many of them are in use."""
        return self._busy

    @property
    def free_slots(self) -> int:
        """How many are not in use."""
        return max(self._slots - self._busy, 0)

    def free(self) -> bool:
        """Whether there is a free one."""
        return self._busy < self._slots

    def wait_free(self, timeout: float) -> bool:
        """Wait for a free one; whether there is."""
        with self._changed:
            if not self.free():
                self._changed.wait(timeout)
            return self.free()

    def wait_idle(self, timeout: float | None) -> bool:
        """Wait until none is in use; whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: self._busy == 0, timeout)

    def take(self) -> None:
        """Use one."""
        with self._changed:
            self._busy += 1

    def give_back(self) -> None:
        """Use one no more."""
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    @contextlib.contextmanager
    def arriving(self, units: Held) -> Iterator[None]:
        """Pass a message on with what is held for it; what nobody takes over is given back."""
        arrival = Arrival(units)
        token = _ARRIVAL.set(arrival)
        try:
            yield
        finally:
            _ARRIVAL.reset(token)
            if not arrival.passed_on:
                self.units.give_back(units)

    def resize(self, slots: int) -> None:
        """Have more or fewer; those in use stay so until they are given back."""
        with self._changed:
            self._slots = slots
            self._changed.notify_all()


class SlotPool(TaskPool):  # type: ignore[misc]
    """Celery's thread pool, with a gate that says when to take the next message.

    Celery makes it with the most slots that there may ever be; how many of them are open
    is the gate's.
    """

    gate: Gate

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Celery looks the task up in the application of the thread.
        self.executor = ThreadPoolExecutor(self.limit, initializer=self.app.set_current)

    def on_apply(self, target: Callable[..., Any], *arguments: Any, **options: Any) -> ApplyResult:
        """Run a task in a free thread."""
        arrival = _ARRIVAL.get()
        self.gate.take()
        try:
            result = super().on_apply(partial(_run, arrival, target), *arguments, **options)
        except BaseException:
            self.gate.give_back()
            raise
        if arrival is not None:
            arrival.passed_on = True
        result.f.add_done_callback(lambda _: self._ended(arrival))
        return result

    def _ended(self, arrival: Arrival | None) -> None:
        if arrival is not None:
            self.gate.units.give_back(arrival.units)
        self.gate.give_back()

    @property
    def num_processes(self) -> int:
        """How many slots are open."""
        return self.gate.slots


def slot_pool(gate: Gate) -> type[SlotPool]:
    """The pool class of one worker: Celery makes the pool, and knows nothing of the gate."""
    return type("SlotPool", (SlotPool,), {"gate": gate})
