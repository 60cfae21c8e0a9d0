"""Processes that a benchmark starts, and waiting for what they do."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

WAIT_SECONDS = 600.0


@contextlib.contextmanager
def running(
    commands: Sequence[Sequence[str]], environment: Mapping[str, str], *, quiet: bool = False
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that end with the block.

    Arguments:
        commands: one for each.
        environment: added to this process's own.
        quiet: whether what they print is thrown away.
    """
    out = subprocess.DEVNULL if quiet else None
    started = [
        subprocess.Popen(list(command), env={**os.environ, **environment}, stdout=out)
        for command in commands
    ]
    try:
        yield started
    finally:
        for each in started:
            each.terminate()
        for each in started:
            try:
                each.wait(20)
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()


def wait_for(condition: Callable[[], bool], pause: float = 0.02) -> None:
    """Wait until something is so.

    Arguments:
        condition: asked again and again, which takes from what is measured.
        pause: seconds in between.

    Raises:
        TimeoutError: it takes too long for anything that is measured.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {WAIT_SECONDS:g} s")
        time.sleep(pause)
