"""Python's search for garbage, made while nobody waits for a key.

A search through all that the dashboard has made takes a tenth of a second, in which nothing is
drawn; Python begins one whenever so much has been made since the last, most of it after a key.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import attrs

# Searches through what is young take a few milliseconds and go on by themselves. So many of them
# are followed by one through all only where a user goes on pressing keys for minutes.
YOUNG_SEARCHES = 100
# Since the last search through all: fewer are not worth another one.
WORTHWHILE = 8
QUIET_SECONDS = 0.25


@attrs.define
class Garbage:
    """Searches through all when no key has been pressed for a while.

    Attributes:
        clock: gives seconds.
    """

    clock: Callable[[], float] = time.monotonic
    _pressed_at: float = attrs.field(default=0.0, init=False)
    _frozen: bool = attrs.field(default=False, init=False)

    def begin(self) -> None:
        """From now on nothing but ``look`` searches through all."""
        young, middle, _ = gc.get_threshold()
        gc.set_threshold(young, middle, YOUNG_SEARCHES)

    def pressed(self) -> None:
        """A key was pressed: what follows from it is not to wait."""
        self._pressed_at = self.clock()

    def look(self) -> None:
        """Search, where nobody waits and there may be something to be found."""
        if self.clock() - self._pressed_at < QUIET_SECONDS:
            return
        if not self._frozen or gc.get_count()[2] >= WORTHWHILE:
            gc.collect()
        if not self._frozen:
            self._frozen = True
            gc.freeze()  # modules, styles, the first screen: they stay until the end
