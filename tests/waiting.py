"""Waiting for something that another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest


def wait_until(condition: Callable[[], object], what: str, seconds: float = 20) -> None:
    """Wait for a condition; fail with what was waited for.

    Arguments:
        condition: asked again and again until it is true.
        what: completes the message.
        seconds: how long at most.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds:g} s")
        time.sleep(0.002)
