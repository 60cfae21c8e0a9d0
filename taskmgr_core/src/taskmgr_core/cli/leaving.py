"""Giving up a run that was submitted, or was just about to be."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

import click

from taskmgr_core.cli.endings import INTERRUPTED
from taskmgr_core.client import Client
from taskmgr_core.errors import NotFoundError


def leave(client: Client, run_id: str, *, awaited: bool = True) -> str:
    """Give up a run: what only this process carries out is cancelled.

    Arguments:
        client: who submitted it.
        run_id: the run.
        awaited: whether it was waited for, so that a worker of this process was started if it
            could do it; if not, it is also cancelled where no worker is alive.

    Returns:
        What becomes of it.
    """
    from taskmgr_core.cli.screen import short_id  # slow to import, and seldom needed

    here = (socket.gethostname(), os.getpid())
    workers = client.workers()
    own = any((each.host, each.pid) == here for each in workers)
    if not own and (awaited or any(client.alive(each) and not each.private for each in workers)):
        return f"it goes on: taskmgr show {short_id(run_id)}"
    client.cancel(run_id)
    return f"run {short_id(run_id)} is {client.wait(run_id).status}"


@contextlib.contextmanager
def interruptible(client: Client, run_id: str) -> Iterator[None]:
    """Say what becomes of a run whose submission is interrupted once it is recorded.

    Raises:
        click.exceptions.Exit: with the exit code of an interrupt.
        KeyboardInterrupt: nothing is recorded.
    """
    try:
        yield
    except KeyboardInterrupt:
        try:
            client.metadata.status(run_id)
        except NotFoundError:
            raise KeyboardInterrupt from None
        click.echo(f"\ninterrupted; {leave(client, run_id, awaited=False)}", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
