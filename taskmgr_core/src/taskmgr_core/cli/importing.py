"""Imports, made without Python searching for garbage among what is imported."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Import here what a command needs: nothing of it becomes garbage.

    Python would search through all of it several times while it comes in, a tenth of the time
    of a short command, and again later: what is there at the end is left out of every search.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
