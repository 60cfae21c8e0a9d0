"""A thread that asks again and again, and hands on what it was told.

It asks when something has changed, and now and then without that. Nobody ever waits for it:
what hangs in it hangs alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import attrs

from taskmgr_core.errors import NotFoundError, TaskmgrError
from taskmgr_core.watching import Watcher

# However much changes, a screen is read no more often.
SETTLE_SECONDS = 0.2
AGAIN_SECONDS = 1.0
# So long after a key it does not ask, for what the key does is to be seen first; but while keys
# go on being pressed it asks all the same, so often.
QUIET_SECONDS = 0.1
MOST_QUIET_SECONDS = 1.0


@attrs.frozen
class Told:
    """What was read.

    Attributes:
        found: what the question gave.
        at: UTC seconds.
    """

    found: Any
    at: float


@attrs.frozen
class Failed:
    """Why nothing could be read.

    Attributes:
        why: what the platform says of it.
        lasting: whether asking again is of no use, as for a run that is not there.
    """

    why: str
    lasting: bool = False


@attrs.define
class Feed:
    """Asks one question until it is stopped.

    Attributes:
        watcher: tells of changes.
        ask: the question; it may raise and may hang.
        tell: gets what came of it, in the thread of the feed.
        every: seconds after which it asks although it has heard of no change.
        run_id: the run whose changes count; None for those that workers hear of.
    """

    watcher: Watcher
    ask: Callable[[], Any]
    tell: Callable[[Told | Failed], object]
    every: float
    run_id: str | None = None
    _asked_at: float | None = attrs.field(default=None, init=False)
    _pressed_at: float = attrs.field(default=0.0, init=False)
    _stopping: threading.Event = attrs.field(factory=threading.Event, init=False)
    _at_once: threading.Event = attrs.field(factory=threading.Event, init=False)

    def start(self) -> None:
        """Begin; a process that ends does not wait for it."""
        threading.Thread(target=self._loop, name="feed", daemon=True).start()

    def stop(self) -> None:
        """Tell nothing more; returns at once."""
        self._stopping.set()
        self._at_once.set()
        self.watcher.wake()

    def hurry(self) -> None:
        """Ask again at once: the question is another one now."""
        self._at_once.set()
        self.watcher.wake()

    def pressed(self) -> None:
        """A key was pressed: it goes before what has changed meanwhile."""
        self._pressed_at = time.monotonic()

    @property
    def waiting_for(self) -> float:
        """Seconds since it asked what was not answered yet; 0 where everything is answered."""
        asked = self._asked_at
        return 0.0 if asked is None else time.monotonic() - asked

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._at_once.clear()
            answer, seen = self._once()
            if self._stopping.is_set():
                return
            self.tell(answer)
            if isinstance(answer, Failed):
                self._stopping.wait(None if answer.lasting else AGAIN_SECONDS)
            else:
                self._rest(seen)
                self._give_way()

    def _once(self) -> tuple[Told | Failed, int]:
        self._asked_at = time.monotonic()
        seen = self._seen()
        try:
            return Told(self.ask(), self.watcher.clock()), seen
        except NotFoundError as error:
            return Failed(str(error), lasting=True), seen
        except TaskmgrError as error:
            return Failed(str(error)), seen
        except Exception as error:  # noqa: BLE001 - a screen says so and goes on asking
            return Failed(f"{type(error).__name__}: {error}"), seen
        finally:
            self._asked_at = None

    def _seen(self) -> int:
        """The changes that were heard of; where nobody tells of any it asks all the same."""
        try:
            return self.watcher.changes(self.run_id)
        except TaskmgrError:
            return 0

    def _rest(self, seen: int) -> None:
        """Until something has changed, or the time is over."""
        deadline = time.monotonic() + self.every
        self._at_once.wait(SETTLE_SECONDS)
        while not self._at_once.is_set() and (left := deadline - time.monotonic()) > 0:
            try:
                now = self.watcher.wait(seen, left, self.run_id)
            except TaskmgrError:
                self._at_once.wait(left)  # nobody tells of changes: what is left is to ask
                return
            if now > seen:
                return

    def _give_way(self) -> None:
        """While keys are pressed, unless what is asked is another question now."""
        latest = time.monotonic() + MOST_QUIET_SECONDS
        while not self._at_once.is_set():
            left = min(self._pressed_at + QUIET_SECONDS, latest) - time.monotonic()
            if left <= 0:
                return
            self._at_once.wait(left)
