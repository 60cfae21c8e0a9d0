"""A worker's slots as Celery's pool: as many threads as steps run at once, and no more taken."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from celery.concurrency.thread import ApplyResult, TaskPool


class Gate:
    """Counts free slots; whoever takes messages waits here until there is one.

    Arguments:
        slots: how many there are.
    """

    def __init__(self, slots: int) -> None:
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

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Celery looks the task up in the application of the thread.
        self.executor = ThreadPoolExecutor(self.limit, initializer=self.app.set_current)

    def on_apply(self, *arguments: Any, **options: Any) -> ApplyResult:
        """Run a task in a free thread."""
        self.gate.take()
        try:
            result = super().on_apply(*arguments, **options)
        except BaseException:
            self.gate.give_back()
            raise
        result.f.add_done_callback(lambda _: self.gate.give_back())
        return result

    @property
    def num_processes(self) -> int:
        """How many slots are open."""
        return self.gate.slots


def slot_pool(gate: Gate) -> type[SlotPool]:
    """The pool class of one worker: Celery makes the pool, and knows nothing of the gate."""
    return type("SlotPool", (SlotPool,), {"gate": gate})
