"""A worker's slots as Celery's pool: as many threads as steps run at once, and no more taken."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from celery.concurrency.thread import TaskPool

from taskmgr_core.queue.units import NO_UNITS, Units

_LOGGER = logging.getLogger(__name__)


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

    def carry_out(self, work: Callable[[], None]) -> None:
        """Do something in a free slot, past what Celery does for a task of its own.

        Arguments:
            work: done in a thread of the pool; what it raises is logged.
        """
        self.gate.take()
        try:
            self.executor.submit(self._carried_out, work)
        except BaseException:
            self.gate.give_back()
            raise

    def _carried_out(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            _LOGGER.exception("a slot met a bug of taskmgr and goes on")
        finally:
            self.gate.give_back()

    @property
    def num_processes(self) -> int:
        """How many slots are open."""
        return self.gate.slots


def slot_pool(gate: Gate) -> type[SlotPool]:
    """The pool class of one worker: Celery makes the pool, and knows nothing of the gate."""
    return type("SlotPool", (SlotPool,), {"gate": gate})
