"""``taskmgr top``."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from taskmgr_core.cli import completing
from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.session import Session

if TYPE_CHECKING:
    from taskmgr_core.watching import Watcher

SERVICES_SECONDS = 5.0
# Of a server that hangs: a screen asks it again, and has a thread for each question.
ANSWER_SECONDS = 10.0
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8322
HOW_TO_GET_IT = (
    "the dashboard is a distribution of its own, taskmgr-tui, and is not installed here; "
    "in a checkout `make setup` installs it, elsewhere install it from where taskmgr-core came from"
)


@click.command(
    "top",
    cls=Command,
    examples=["taskmgr top", "taskmgr top 3f9a2c1b", "taskmgr top --serve"],
)
@click.argument(
    "run",
    required=False,
    help="A run's id, the beginning of it, or its last 8 characters.",
    shell_complete=completing.run_ids,
)
@click.option("--serve", is_flag=True, help="Show it in a browser, by a link with a token.")
@click.option("--host", help=f"Where it is served; by default {DEFAULT_HOST}.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help=f"Where it is served; by default {DEFAULT_PORT}, 0 for a port that is free.",
)
@click.option(
    "--behind-tls", is_flag=True, help="A proxy before it speaks TLS: any --host is allowed."
)
@click.pass_obj
def top_command(
    session: Session,
    run: str | None,
    serve: bool,
    host: str | None,
    port: int | None,
    behind_tls: bool,
) -> None:
    """The dashboard: runs, queues, workers, tasks and lineage, live.

    With RUN it begins with that run. The key ? tells every key. It needs a
    terminal, and the distribution taskmgr-tui.

    With --serve it is shown in browsers, until Ctrl-C: whoever has the link that
    is printed may look and do what you may with it. Only this machine can reach
    it; for others put a proxy that speaks TLS before it.
    """
    if importlib.util.find_spec("taskmgr_tui") is None:
        raise click.ClickException(HOW_TO_GET_IT)
    if serve:
        address = (host or DEFAULT_HOST, DEFAULT_PORT if port is None else port)
        _serve(session, run, *address, behind_tls=behind_tls)
    elif host is not None or port is not None or behind_tls:
        raise click.UsageError("--host, --port and --behind-tls are for --serve; give that as well")
    else:
        _open(session, run)


def _open(session: Session, run: str | None) -> None:
    from taskmgr_tui import is_window, open_dashboard

    terminals = (sys.stdin, sys.stdout, sys.stderr)
    if not is_window() and not all(each.isatty() for each in terminals):
        raise click.ClickException(
            "the dashboard needs a terminal; elsewhere use `taskmgr monitor --once`, "
            "or `taskmgr top --serve` and a browser"
        )
    with _watching(session) as watcher:
        open_dashboard(watcher, None if run is None else watcher.run(run).run.id)


@contextlib.contextmanager
def _watching(session: Session) -> Iterator[Watcher]:
    """What looks: at the stores, or at the server that the command line names."""
    if session.url:
        from taskmgr_core.cli.http_documents import client_of
        from taskmgr_core.remote.watching import RemoteWatcher

        with client_of(session, ANSWER_SECONDS) as remote:
            there = RemoteWatcher(remote, Path.cwd())
            try:
                there.picture()  # who may not look, or a server that is away, is told before
                yield there
            finally:
                there.close()
        return
    from taskmgr_core.health import check
    from taskmgr_core.probes import probes
    from taskmgr_core.watching import LocalWatcher

    services = probes(session.settings())
    with session.client() as client:
        yield LocalWatcher(client, lambda: check(services, SERVICES_SECONDS))


def _serve(session: Session, run: str | None, host: str, port: int, *, behind_tls: bool) -> None:
    from taskmgr_core.index.server import listening
    from taskmgr_tui import serve_dashboard

    with _watching(session) as watcher:  # what cannot be opened is told here, not in each window
        run_id = None if run is None else watcher.run(run).run.id

    def tell(link: str) -> None:
        session.screen.line(f"the dashboard is served until Ctrl-C: {link}")
        session.screen.line("whoever has this link may do what you may with it", "dim")
        session.screen.out.file.flush()

    with listening(host, port, behind_tls=behind_tls, path="/") as place:
        command = _command(session, run_id)
        serve_dashboard(place.socket, place.url, command, tell, behind_tls=behind_tls)


def _command(session: Session, run_id: str | None) -> Sequence[str]:
    """This program once more, as it was started, without what serves."""
    program = "import sys; from taskmgr_core.cli import main; sys.exit(main())"
    told = {
        "--home": None if session.home is None else str(session.home),
        "--workspace": session.workspace,
        "--url": session.url or None,
    }
    options = [word for name, value in told.items() if value is not None for word in (name, value)]
    return [sys.executable, "-P", "-c", program, *options, "top", *filter(None, [run_id])]
