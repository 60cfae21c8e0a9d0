"""Python's search through all objects waits until nobody waits for a key."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from taskmgr_tui.core.garbage import QUIET_SECONDS, WORTHWHILE, YOUNG_SEARCHES, Garbage


class Ring:
    """Holds itself, so that only a search finds it."""

    def __init__(self) -> None:
        self.held = self


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    """The process's own settings come back."""
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def left() -> weakref.ref[Ring]:
    """Garbage that only a search through all finds: others have seen it young."""
    ring = Ring()
    gc.collect(1)
    return weakref.ref(ring)


def search_the_young() -> None:
    """Make as many searches through what is young as are worth one through all."""
    gc.collect()
    for _ in range(WORTHWHILE):
        gc.collect(1)


def test_search_waits_for_a_quiet_moment() -> None:
    """Soon after a key garbage is left where it is; a while later it goes."""
    now = [100.0]
    garbage = Garbage(lambda: now[0])
    garbage.begin()
    garbage.look()
    garbage.pressed()
    search_the_young()
    ring = left()
    garbage.look()
    assert ring() is not None
    now[0] += QUIET_SECONDS
    garbage.look()
    assert ring() is None


def test_what_is_there_in_the_beginning_is_left_out_of_searches() -> None:
    """The first quiet moment freezes it; Python by itself searches through all very seldom."""
    garbage = Garbage(lambda: 100.0)
    garbage.begin()
    assert gc.get_threshold()[2] == YOUNG_SEARCHES
    before = gc.get_freeze_count()
    garbage.look()
    assert gc.get_freeze_count() > before + 1000
