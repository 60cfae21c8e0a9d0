"""``taskmgr scheduler``."""

from __future__ import annotations

import signal
import threading

import click

from taskmgr_core.cli.endings import say_note
from taskmgr_core.cli.groups import Group
from taskmgr_core.cli.screen import Screen, plain, short_id
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.views import moment
from taskmgr_core.schedules.scheduler import Scheduler
from taskmgr_core.specs import Firing


@click.group("scheduler", cls=Group, examples=["taskmgr scheduler start"])
def scheduler_command() -> None:
    """Run what the schedules say, when they say so.

    Start it on two machines if you like: one of them submits, and the other
    takes its place within seconds when it is gone.
    """


@scheduler_command.command(
    "start", examples=["taskmgr scheduler start", "taskmgr scheduler start --once"]
)
@click.option("--once", is_flag=True, help="Submit what is due now, and end.")
@click.pass_obj
def start_command(session: Session, once: bool) -> None:
    """Submit the runs of all schedules, until Ctrl-C or SIGTERM.

    The runs are carried out by workers.
    """
    stopped = threading.Event()
    with session.client() as client:
        scheduler = Scheduler(
            client.metadata, client.submit, lambda firing: _tell(session.screen, firing)
        )
        if once:
            if not scheduler.tick():
                say_note("another scheduler sees to the schedules; nothing was done here")
            scheduler.let_go()
            return
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: stopped.set())
        session.screen.line("the scheduler is ready")
        scheduler.run(stopped)


def _tell(screen: Screen, firing: Firing) -> None:
    said = f"refused: {firing.problem}" if firing.problem else f"run {short_id(firing.run)}"
    screen.line(plain(f"{firing.schedule} for {moment(firing.at)}: {said}"))
