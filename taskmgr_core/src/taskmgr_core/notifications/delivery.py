"""Delivers what one channel is told, in a thread of its own, again where it was not taken."""

from __future__ import annotations

import logging
import random
import threading
from collections import deque
from collections.abc import Callable

import attrs

from taskmgr_core.notifications.webhook import DeliveryError

_LOGGER = logging.getLogger("taskmgr_core.notifications")

CAPACITY = 200
# Seconds before each further attempt, more or less: some minutes in all.
PAUSES = (1.0, 5.0, 25.0, 120.0)
_MOST_SECONDS = 600.0
# Between attempts at the end of the process.
_CLOSING_SECONDS = 0.5


@attrs.define
class _Item:
    send: Callable[[], None]
    what: str
    attempts: int = 0


class Delivery:
    """A bounded queue and a thread that empties it, in order.

    Arguments:
        name: the channel's.
        pauses: seconds before the second, third ... attempt.
        capacity: how many may wait; what comes then is dropped, and counted.
    """

    def __init__(
        self, name: str, pauses: tuple[float, ...] = PAUSES, capacity: int = CAPACITY
    ) -> None:
        self._name = name
        self._pauses = pauses
        self._capacity = capacity
        self._items: deque[_Item] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None
        self.delivered = 0
        self.dropped = 0

    def put(self, send: Callable[[], None], what: str) -> bool:
        """Have something delivered, some time.

        Arguments:
            send: delivers it, or raises ``DeliveryError``.
            what: it is, for the log.

        Returns:
            False where too much is waiting; it is dropped.
        """
        with self._changed:
            if self._closing or len(self._items) >= self._capacity:
                self._drop(what, "too much is waiting for it")
                return False
            self._items.append(_Item(send, what))
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._serve, name=f"notify-{self._name}", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()
        return True

    def close(self, seconds: float) -> None:
        """Try what is waiting, without long pauses; give up what is left then.

        Arguments:
            seconds: how long it may take.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(max(seconds, 0.0))
        with self._changed:
            for item in self._items:
                self._drop(item.what, "the process ends")
            self._items.clear()
            self._changed.notify_all()

    def _serve(self) -> None:
        while (item := self._next()) is not None:
            try:
                item.send()
            except DeliveryError as error:
                self._failed(item, error)
            except Exception as error:  # a message that cannot be made holds up no other
                _LOGGER.exception("channel %s met a bug of taskmgr", self._name)
                self._failed(item, DeliveryError(str(error), again=False))
            else:
                with self._changed:
                    self._remove(item)
                    self.delivered += 1

    def _next(self) -> _Item | None:
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closing)
            return self._items[0] if self._items else None

    def _failed(self, item: _Item, error: DeliveryError) -> None:
        item.attempts += 1
        with self._changed:
            final = not error.again or item.attempts > len(self._pauses)
            if final:
                if self._remove(item):
                    self._drop(item.what, str(error))
                return
            _LOGGER.info("channel %s: %s; it is tried again", self._name, error)
            spread = random.uniform(0.8, 1.2)  # noqa: S311 - so that not all come at one time
            pause = min(max(self._pauses[item.attempts - 1] * spread, error.after), _MOST_SECONDS)
            if not self._closing:
                self._changed.wait_for(lambda: self._closing, pause)
            elif self._items:
                self._changed.wait_for(lambda: not self._items, min(pause, _CLOSING_SECONDS))

    def _remove(self, item: _Item) -> bool:
        """Take it out; False where it was given up meanwhile."""
        known = bool(self._items) and self._items[0] is item
        if known:
            self._items.popleft()
        return known

    def _drop(self, what: str, why: str) -> None:
        self.dropped += 1
        _LOGGER.warning("channel %s: %s was not told: %s", self._name, what, why)
