"""The terminal dashboard of taskmgr; Textual is loaded when it is opened, not before."""

from taskmgr_core.watching import Watcher


def open_dashboard(watcher: Watcher, run_id: str | None = None) -> None:
    """Show the dashboard in this terminal until it is closed.

    Arguments:
        watcher: what it asks.
        run_id: the full id of a run to begin with; None for the overview.
    """
    from taskmgr_tui.app import Dashboard

    dashboard = Dashboard(watcher, run_id)
    try:
        dashboard.run()
    finally:
        dashboard.let_go()
