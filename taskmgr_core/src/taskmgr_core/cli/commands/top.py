"""``taskmgr top``."""

from __future__ import annotations

import importlib.util
import sys

import click

from taskmgr_core.cli import completing
from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.session import Session

SERVICES_SECONDS = 5.0
HOW_TO_GET_IT = (
    "the dashboard is a distribution of its own, taskmgr-tui, and is not installed here; "
    "in a checkout `make setup` installs it, elsewhere install it from where taskmgr-core came from"
)


@click.command(
    "top",
    cls=Command,
    examples=["taskmgr top", "taskmgr top 3f9a2c1b"],
)
@click.argument(
    "run",
    required=False,
    help="A run's id, the beginning of it, or its last 8 characters.",
    shell_complete=completing.run_ids,
)
@click.pass_obj
def top_command(session: Session, run: str | None) -> None:
    """The dashboard: runs, queues, workers and lineage, live.

    With RUN it begins with that run. The key ? tells every key. It needs a
    terminal, and the distribution taskmgr-tui.
    """
    if importlib.util.find_spec("taskmgr_tui") is None:
        raise click.ClickException(HOW_TO_GET_IT)
    if not all(each.isatty() for each in (sys.stdin, sys.stdout, sys.stderr)):
        raise click.ClickException(
            "the dashboard needs a terminal; elsewhere use `taskmgr monitor --once`"
        )
    from taskmgr_core.health import check
    from taskmgr_core.probes import probes
    from taskmgr_core.watching import Watcher
    from taskmgr_tui import open_dashboard

    services = probes(session.settings())
    with session.client() as client:
        run_id = None if run is None else client.metadata.summary(run).id
        watcher = Watcher(client, lambda: check(services, SERVICES_SECONDS))
        open_dashboard(watcher, run_id)
