"""``taskmgr monitor``."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import click
from rich.live import Live

from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.monitor_view import monitor_view, shown
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.screen import Screen
from taskmgr_core.cli.session import Session
from taskmgr_core.monitoring import Picture


@click.command(
    "monitor",
    cls=Command,
    examples=["taskmgr monitor", "taskmgr monitor --once --json"],
)
@click.option("--once", is_flag=True, help="Look once, print it and end.")
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 3600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How often it looks.",
)
@json_option
@click.pass_obj
def monitor_command(session: Session, once: bool, interval: float, as_json: bool) -> None:
    """Watch workers, queues and runs, until Ctrl-C.

    Workers with what they run, queues with what waits in them, runs that ended
    within the last minute. Where stdout is no terminal, and with --json, it
    looks once.
    """
    screen = session.screen
    with _looking(session) as look:
        if as_json:
            screen.json(monitor_view(look()))
        elif once or not screen.out.is_terminal:
            screen.print(shown(screen, look()))
        else:
            _watch(screen, look, interval)


@contextlib.contextmanager
def _looking(session: Session) -> Iterator[Callable[[], Picture]]:
    """What looks: at the stores, or at the server that the command line names."""
    if not session.url:
        with session.looking() as look:
            yield look
        return
    from taskmgr_core.cli.http_documents import client_of
    from taskmgr_core.remote import looks

    with client_of(session) as client:
        yield lambda: client.ask(looks.picture()).picture


def _watch(screen: Screen, look: Callable[[], Picture], interval: float) -> None:
    with Live(console=screen.out, auto_refresh=False, screen=True) as live:
        try:
            while True:
                live.update(shown(screen, look()), refresh=True)
                time.sleep(interval)
        except KeyboardInterrupt:
            return
