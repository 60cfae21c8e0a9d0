"""The terminal dashboard of taskmgr; Textual is loaded when it is opened, not before."""

import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence

from taskmgr_core.watching import Watcher

# So long a thread that reads keeps Python from the one that draws; usually it is ten times that.
SWITCH_SECONDS = 0.0005


def is_window(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is a window of a served dashboard: its terminal is a browser."""
    return environment.get("TEXTUAL_DRIVER", "").endswith(":WebDriver")


def open_dashboard(watcher: Watcher, run_id: str | None = None) -> None:
    """Show the dashboard in this terminal until it is closed.

    Arguments:
        watcher: what it asks.
        run_id: the full id of a run to begin with; None for the overview.
    """
    from taskmgr_tui.core.garbage import Garbage

    garbage = Garbage()
    garbage.begin()
    sys.setswitchinterval(SWITCH_SECONDS)
    from taskmgr_tui.app import Dashboard

    dashboard = Dashboard(watcher, run_id, window=is_window(), garbage=garbage)
    try:
        dashboard.run()
    finally:
        dashboard.let_go()


def serve_dashboard(
    place: socket.socket,
    address: str,
    command: Sequence[str],
    on_ready: Callable[[str], object],
    *,
    behind_tls: bool = False,
) -> None:
    """Serve the dashboard to browsers until SIGINT or SIGTERM.

    Arguments:
        place: a listening socket.
        address: of it, as ``http://127.0.0.1:8322/``.
        command: what shows the dashboard; each window runs it.
        on_ready: gets the link that opens it, once it does.
        behind_tls: whether browsers come over TLS alone.
    """
    from taskmgr_tui.gate import Gate
    from taskmgr_tui.serving import Serving

    gate = Gate(place.getsockname()[1], behind_tls)
    Serving(gate, command).run(place, lambda: on_ready(gate.link(address)))
