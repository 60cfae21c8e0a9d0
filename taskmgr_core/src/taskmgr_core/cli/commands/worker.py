"""``taskmgr worker``."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING

import click

from taskmgr_core.cli.groups import Group
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.screen import ago, plain, table
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.views import worker_view
from taskmgr_core.report.formats import counted
from taskmgr_plugins.tasks import queue_fault

if TYPE_CHECKING:
    from taskmgr_core.worker.worker import WorkerProcess

LEVELS = ("debug", "info", "warning", "error")
LOOK_SECONDS = 0.2

_LOGGER = logging.getLogger("taskmgr.worker")


@click.group(
    "worker",
    cls=Group,
    examples=["taskmgr worker start", "taskmgr worker status"],
)
def worker_command() -> None:
    """Start a worker, or see which are alive."""


@worker_command.command(
    "start",
    examples=[
        "taskmgr worker start",
        "taskmgr worker start --queues vision,text --slots 4",
    ],
)
@click.option(
    "--queues",
    default="",
    metavar="A,B",
    help="The queues that it serves; by default all.",
)
@click.option(
    "--slots",
    "--concurrency",
    "slots",
    type=click.IntRange(1, 1000),
    help="Steps that it runs at once; by default the setting slots.",
)
@click.option(
    "--loglevel",
    type=click.Choice(LEVELS, case_sensitive=False),
    default="info",
    show_default=True,
    help="What it tells on stderr.",
)
@click.pass_obj
def start_command(session: Session, queues: str, slots: int | None, loglevel: str) -> None:
    """Run steps until it is told to leave.

    Ctrl-C and SIGTERM: it claims nothing more, finishes what runs, and leaves.
    The second time it gives back what runs, for another worker to take. When
    the home is removed or replaced under it, it ends with exit code 3.
    """
    names = _queue_names(queues)
    logging.basicConfig(
        level=loglevel.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)-7s %(message)s",
        force=True,
    )
    platform = session.platform()
    wanted = slots or platform.settings.slots_or_cores
    worker = platform.worker(wanted, names)
    stops = _Stops()
    stops.listen()
    try:
        worker.start()
        _LOGGER.info(
            "worker %s: %s, %s, home %s",
            worker.id,
            counted(wanted, "slot"),
            f"queues {', '.join(names)}" if names else "every queue",
            platform.settings.home,
        )
        while not stops.count and worker.trouble is None:
            time.sleep(LOOK_SECONDS)
        _leave(worker, stops)
        if worker.trouble is not None:
            raise worker.trouble
    finally:
        platform.queue.close()
        platform.metadata.close()


def _queue_names(given: str) -> tuple[str, ...]:
    """The names in a list with commas.

    Raises:
        click.BadParameter: one that no queue can have; it would wait for ever.
    """
    names = tuple(name.strip() for name in given.split(",") if name.strip())
    for name in names:
        if wrong := queue_fault(name):
            raise click.BadParameter(wrong, param_hint="--queues")
    return names


def _leave(worker: WorkerProcess, stops: _Stops) -> None:
    if worker.trouble is None:
        _LOGGER.info("finishing what runs; once more and it is given back")
    leaving = threading.Thread(target=worker.stop, name="leaving", daemon=True)
    leaving.start()
    given_back = False
    while leaving.is_alive():
        if stops.count > 1 and not given_back:
            given_back = True
            _LOGGER.info("giving back what runs")
            worker.stop(grace=0)
        leaving.join(LOOK_SECONDS)
    _LOGGER.info("left")


class _Stops:
    """Counts the signals that ask for the end.

    The handler only counts: it may interrupt whatever the main thread is doing,
    and must not take a lock that this thread may hold.
    """

    def __init__(self) -> None:
        self.count = 0

    def listen(self) -> None:
        """From now on; only the main thread can."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._take)

    def _take(self, _: int, __: FrameType | None) -> None:
        self.count += 1


@worker_command.command(
    "status", examples=["taskmgr worker status", "taskmgr worker status --json"]
)
@json_option
@click.pass_obj
def status_command(session: Session, as_json: bool) -> None:
    """List the workers that have not said that they left.

    One is lost when it has not been heard of for a while; what it ran is run
    again by the others.
    """
    with session.client() as client:
        found = [(each, client.alive(each)) for each in client.workers()]
    if as_json:
        session.screen.json({"workers": [worker_view(each, alive) for each, alive in found]})
        return
    if not found:
        session.screen.line("no workers; `taskmgr run` works without, it does the work itself")
        return
    shown = table(
        "worker", "status", "slots", "queues", "running", "beat", "up",
        right=("slots", "beat", "up"), whole=("worker", "status", "beat", "up"),
    )  # fmt: skip
    for each, alive in found:
        shown.add_row(
            plain(each.id),
            session.screen.status("alive" if alive else "lost"),
            str(each.slots),
            plain(", ".join(each.queues) or "all"),
            plain("\n".join(_step(name) for name in each.running)),
            ago(each.heartbeat),
            ago(each.started_at),
        )
    session.screen.print(shown)


def _step(running: str) -> str:
    run, _, step = running.partition("/")
    return f"{run[-8:]} {step}"
