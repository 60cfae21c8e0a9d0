"""``taskmgr worker``."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

import click

from taskmgr_core.cli.commands.worker_control import CONTROL_COMMANDS
from taskmgr_core.cli.groups import Group
from taskmgr_core.cli.session import Session
from taskmgr_core.report.formats import counted
from taskmgr_core.settings import bounds_of
from taskmgr_core.specs.resources import as_text, offer_from
from taskmgr_plugins.tasks import queue_fault

if TYPE_CHECKING:
    from taskmgr_core.worker.worker import WorkerProcess

LEVELS = ("debug", "info", "warning", "error")
LOOK_SECONDS = 0.2

T = TypeVar("T")

_LOGGER = logging.getLogger("taskmgr.worker")


@click.group(
    "worker",
    cls=Group,
    examples=["taskmgr worker start", "taskmgr worker list", "taskmgr worker stop --all"],
)
def worker_command() -> None:
    """Start workers, see which are alive, tell them to leave."""


@worker_command.command(
    "start",
    examples=[
        "taskmgr worker start",
        "taskmgr worker start --queues vision,text --slots 4",
        "taskmgr worker start --resources gpu=2 --autoscale 1,8",
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
    "--autoscale",
    metavar="MIN,MAX",
    help="Instead of --slots: it opens slots while steps wait, and closes idle ones.",
)
@click.option(
    "--resources",
    metavar="NAME=UNITS,...",
    help="What it offers to steps that need it, as gpu=2; by default the setting resources.",
)
@click.option(
    "--loglevel",
    type=click.Choice(LEVELS, case_sensitive=False),
    default="info",
    show_default=True,
    help="What it tells on stderr.",
)
@click.pass_obj
def start_command(
    session: Session,
    queues: str,
    slots: int | None,
    autoscale: str | None,
    resources: str | None,
    loglevel: str,
) -> None:
    """Run steps until it is told to leave, by a signal or by `taskmgr worker stop`.

    Ctrl-C and SIGTERM: it claims nothing more, finishes what runs, and leaves.
    The second time it gives back what runs, for another worker to take. When
    the home is removed or replaced under it, it ends with exit code 3.
    """
    names = _queue_names(queues)
    if slots and autoscale:
        raise click.UsageError("--slots and --autoscale say the same; give one of them")
    bounds = _read("--autoscale", bounds_of, autoscale)
    offered = _read("--resources", offer_from, resources)
    logging.basicConfig(
        level=loglevel.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)-7s %(message)s",
        force=True,
    )
    platform = session.platform()
    fewest, most = bounds or ((slots, slots) if slots else platform.settings.slot_bounds)
    worker = platform.worker((fewest, most), names, resources=offered)
    stops = _Stops()
    stops.listen()
    try:
        worker.start()
        _LOGGER.info(
            "worker %s: %s, %s%s, home %s",
            worker.id,
            counted(most, "slot") if fewest == most else f"{fewest} to {most} slots",
            f"queues {', '.join(names)}" if names else "every queue",
            f", offers {as_text(worker.offered)}" if worker.offered else "",
            platform.settings.home,
        )
        while not (stops.count or worker.told.leave or worker.trouble):
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


def _read(option: str, read: Callable[[str], T], given: str | None) -> T | None:
    """What an option says.

    Raises:
        click.BadParameter: with what is wrong.
    """
    if given is None:
        return None
    try:
        return read(given)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def _leave(worker: WorkerProcess, stops: _Stops) -> None:
    if worker.trouble is None and worker.told.leave != "now":
        _LOGGER.info("finishing what runs; once more and it is given back")
    asked = 1 if stops.count else 0  # the next signal gives back, also when told from afar
    leaving = threading.Thread(target=worker.stop, name="leaving", daemon=True)
    leaving.start()
    given_back = False
    while leaving.is_alive():
        if not given_back and (stops.count > asked or worker.told.leave == "now"):
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


for _each in CONTROL_COMMANDS:
    worker_command.add_command(_each)
