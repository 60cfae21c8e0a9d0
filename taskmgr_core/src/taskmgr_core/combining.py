"""Combining: what threads want done at the same time is done by one of them, for all at once.

The first to come leads: it carries out what all have asked for until then, and hands
the lead to one of those who came meanwhile. So one sync of a disk, or one round trip to a
server, serves many. A thread that is alone does its own at once.

A thread can be interrupted anywhere (Ctrl-C reaches the main one). What it led is then put right
by ``_leave``, which can follow on any of its lines: nobody is left waiting, and what was done
is not done again.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

MOST_TOGETHER = 64
# Each makes who leads wait for its own, too.
MOST_TAKEN_IN = 8

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
        self._group: list[Request[P]] = []  # what it carries out as the one that leads
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
        """End its wait, if that has not ended."""
        with contextlib.suppress(RuntimeError):
            self._turn.release()


class Combiner(Generic[P]):
    """Brings the requests of many threads together.

    Arguments:
        carry_out: does what is asked for and says of each request what came of it. A
            request of which it says nothing, because its thread was interrupted, is
            carried out again with the next ones. It may ``take_in`` those who come meanwhile.
        has_rest: whether something of a request that was carried out is left to be done, before
            who asked for it goes on and while the next ones are carried out already.
        complete: does that for all of a group that have something left, where it was led by one
            of them; else each does it by itself.
    """

    def __init__(
        self,
        carry_out: Callable[[Sequence[Request[P]]], None],
        has_rest: Callable[[Request[P]], bool] | None = None,
        complete: Callable[[Sequence[Request[P]]], None] | None = None,
    ) -> None:
        self._carry_out = carry_out
        self._has_rest = has_rest
        self._complete = complete
        self._lock = threading.Lock()
        self._waiting: list[Request[P]] = []
        self._leader: Request[P] | None = None

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
                if self._leader is None:
                    self._leader = request
            if self._leader is not request:
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
        """Add those who have come meanwhile to the group that is being carried out.

        For ``carry_out`` alone, while it can still do more at once and does not walk over the
        group: the very list that it was given grows.

        Returns:
            Those that were added, ``MOST_TAKEN_IN`` at most.
        """
        leader = self._leader
        if leader is None or not self._waiting:
            return ()
        with self._lock:
            most = min(MOST_TAKEN_IN, MOST_TOGETHER - len(leader._group))
            come = self._waiting[:most]
            # In this order an interrupt in between loses nobody: who is in both is done once.
            leader._group += come
            del self._waiting[: len(come)]
        return come

    def _lead(self, own: Request[P]) -> None:
        """Carry out what waits, our own first among it; then somebody else leads."""
        with self._lock:
            own._group += self._waiting[:MOST_TOGETHER]
            del self._waiting[: len(own._group)]
        self._carry_out(own._group)
        with self._lock:
            self._hand_on(own)
        rest = [each for each in own._group if self._has_rest is not None and self._has_rest(each)]
        for each in own._group:
            if each is not own and each.done and each not in rest:
                each._wake()
        if own in rest and self._complete is not None:
            self._complete(rest)
        for each in rest:
            if each is not own:
                each._wake()

    def _hand_on(self, leader: Request[P]) -> None:
        """Let somebody else lead, who also does what the leader did not come to."""
        self._waiting[:0] = [
            each
            for each in leader._group
            if not each.done and each is not leader and each not in self._waiting
        ]
        self._leader = self._waiting[0] if self._waiting else None
        if self._leader is not None:
            self._leader._wake()

    def _leave(self, request: Request[P]) -> None:
        """The thread was interrupted: nobody may wait for it."""
        with self._lock:
            if request in self._waiting:
                self._waiting.remove(request)
            if self._leader is request:
                self._hand_on(request)
            elif self._leader is not None:  # the lead may be handed on, and nobody told
                self._leader._wake()
        for each in request._group:
            if each.done and each is not request:
                each._wake()
