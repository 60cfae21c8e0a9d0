"""``taskmgr metrics``."""

from __future__ import annotations

import signal
import threading
from functools import partial

import click

from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.session import Session
from taskmgr_core.metrics import metrics_text
from taskmgr_core.metrics.serving import serving


@click.command(
    "metrics",
    cls=Command,
    examples=["taskmgr metrics", "taskmgr metrics --serve 9464"],
)
@click.option(
    "--serve",
    "port",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    help="Serve them over HTTP at /metrics, until Ctrl-C; 0 for a free port.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="With --serve: the address to listen at; 0.0.0.0 for every network.",
)
@click.pass_obj
def metrics_command(session: Session, port: int | None, host: str) -> None:
    """Print metrics for Prometheus, or serve them.

    Queues, workers, runs and steps of the whole platform: one process that
    serves them is enough.
    """
    with session.client() as client:
        if port is None:
            body, _ = metrics_text(client)
            click.echo(body.decode(), nl=False)
            return
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: stopped.set())
        with serving(host, port, partial(metrics_text, client)) as url:
            session.screen.line(f"metrics are at {url}")
            stopped.wait()
