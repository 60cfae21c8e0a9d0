"""Combining: what threads want done at the same time is done by one of them, for all at once.

The first to come leads: it carries out what all have asked for until then, and hands
the lead to one of those who came meanwhile. A thread that is alone does its own at once
and waits for nobody. So one sync of a disk, or one round trip to a server, serves many.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

MOST_TOGETHER = 64

P = TypeVar("P")


class Request(Generic[P]):
    """What one thread asks for, and what came of it.

    Arguments:
        payload: what is to be done.
    """

    def __init__(self, payload: P) -> None:
        self.payload = payload
        self.value: Any = None
        self.error: Exception | None = None
        self.done = False
        self._leads = False
        self._turn = threading.Lock()
        self._turn.acquire()

    def succeed(self, value: Any = None) -> None:
        """It is done."""
        self.value, self.error, self.done = value, None, True

    def fail(self, error: Exception) -> None:
        """It could not be done."""
        self.error, self.done = error, True

    def _wait(self) -> None:
        """Wait until it is done, or has to lead."""
        self._turn.acquire()

    def _wake(self) -> None:
        self._turn.release()


class Combiner(Generic[P]):
    """Brings the requests of many threads together.

    Arguments:
        carry_out: does what is asked for and says of each request what came of it. A
            request of which it says nothing, because its thread was interrupted, is
            carried out again with the next ones. It may ``take_in`` those who come meanwhile.
        complete: does the rest of what was carried out, while the next requests are carried
            out already; those that asked wait for it.
    """

    def __init__(
        self,
        carry_out: Callable[[Sequence[Request[P]]], None],
        complete: Callable[[Sequence[Request[P]]], None] | None = None,
    ) -> None:
        self._carry_out = carry_out
        self._complete = complete
        self._lock = threading.Lock()
        self._waiting: list[Request[P]] = []
        self._group: list[Request[P]] = []
        self._led = False

    def run(self, payload: P) -> Any:
        """Have something done, together with what others want or alone; what came of it.

        Arguments:
            payload: what is to be done.

        Raises:
            Exception: what the request failed with.
        """
        request = Request(payload)
        try:
            with self._lock:
                self._waiting.append(request)
                request._leads, self._led = not self._led, True
            if not request._leads:
                request._wait()
            if not request.done:
                self._lead(request)
        except BaseException:
            self._leave(request)
            raise
        if request.error is not None:
            raise request.error
        return request.value

    def take_in(self) -> Sequence[Request[P]]:
        """Have those who have come meanwhile carried out with the group that just is.

        For ``carry_out`` alone, while it can still do more at once.

        Returns:
            They; the list that was given as the group has them at its end from now on.
        """
        if not self._waiting:
            return ()
        with self._lock:
            come = self._waiting[: max(MOST_TOGETHER - len(self._group), 0)]
            # In this order, so that an interrupt in between loses nobody.
            self._group += come
            del self._waiting[: len(come)]
        return come

    def _lead(self, own: Request[P]) -> None:
        """Carry out what waits, our own first among it; then somebody else leads."""
        with self._lock:
            group, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
            self._group = group
        try:
            self._carry_out(group)
        finally:
            with self._lock:
                self._waiting[:0] = [each for each in group if self._is_left(each, own)]
                own._leads = False
                self._hand_on()
            done = [each for each in group if each.done]
            try:
                if self._complete is not None:
                    self._complete(done)
            finally:
                for each in done:
                    if each is not own:
                        each._wake()

    def _is_left(self, request: Request[P], own: Request[P]) -> bool:
        """Whether somebody else has to carry out what we did not come to."""
        return not request.done and request is not own and request not in self._waiting

    def _leave(self, request: Request[P]) -> None:
        """The thread was interrupted: nobody may wait for it to lead."""
        with self._lock:
            if request in self._waiting:
                self._waiting.remove(request)
            if request._leads:
                request._leads = False
                self._hand_on()

    def _hand_on(self) -> None:
        self._led = bool(self._waiting)
        if self._led:
            self._waiting[0]._leads = True
            self._waiting[0]._wake()
