"""Waiting for a run that was submitted, and giving it up."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

import click

from taskmgr_core.cli.endings import FAILED, INTERRUPTED, say_error
from taskmgr_core.cli.leaving import leave
from taskmgr_core.cli.live import RunProgress
from taskmgr_core.cli.screen import Screen, plain, short_id
from taskmgr_core.client import Client, RunTimeoutError


def waited(client: Client, screen: Screen, run_id: str, timeout: float | None = None) -> int | None:
    """Say which run it is and wait for it to end, showing its steps.

    Returns:
        The exit code when it did not end; None when it did.
    """
    try:
        screen.err.print(plain(f"run {run_id}", "dim"), soft_wrap=True)
        with terminable(), RunProgress(screen) as progress:
            client.wait(run_id, timeout, progress.update)
    except RunTimeoutError:
        left = leave(client, run_id)
        say_error(f"run {short_id(run_id)} has not ended within {timeout:g} s; {left}")
        return FAILED
    except KeyboardInterrupt:
        click.echo(f"\ninterrupted; {leave(client, run_id)}", err=True)
        return INTERRUPTED
    return None


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the wait as Ctrl-C does: the run is not left behind."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
