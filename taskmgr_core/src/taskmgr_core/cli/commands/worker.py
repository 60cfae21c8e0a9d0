"""``taskmgr worker``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import attrs
import click

from taskmgr_core.cli.commands.worker_control import CONTROL_COMMANDS
from taskmgr_core.cli.groups import Group
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.worker_start import WorkerStart
from taskmgr_core.logs import FORMATS, LogFormat
from taskmgr_core.setting_kinds import bounds_of
from taskmgr_core.settings import LOG_LEVELS
from taskmgr_core.specs.resources import offer_from
from taskmgr_core.worker.configuration import (
    MOST_STEPS,
    WorkerConfiguration,
    read_worker_file,
    worker_id_fault,
)
from taskmgr_plugins.tasks import queue_fault

T = TypeVar("T")


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
        "taskmgr worker start --config worker.toml --daemon --log-format json",
        "taskmgr worker start --resources gpu=2 --autoscale 1,8",
        "taskmgr worker start --tasks face_detection,face_features",
    ],
)
@click.option(
    "--queues",
    default="",
    metavar="A,B",
    help="The queues that it serves; by default all.",
)
@click.option(
    "--tasks",
    default="",
    metavar="A,B",
    help="The tasks that it runs, made ready before it takes a step; by default all, as they come.",
)
@click.option(
    "--slots",
    "--concurrency",
    "slots",
    type=click.IntRange(1, MOST_STEPS),
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
    "--config",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A TOML file with what this worker does; options go before it.",
)
@click.option(
    "--worker-id",
    metavar="NAME",
    help="The beginning of its id, which no other worker may have; by default the machine's name.",
)
@click.option(
    "--loglevel",
    type=click.Choice(LOG_LEVELS, case_sensitive=False),
    help="What it tells; by default the setting log_level.",
)
@click.option(
    "--log-format",
    type=click.Choice(FORMATS),
    default="plain",
    show_default=True,
    help="Plain lines, or a JSON object on each.",
)
@click.option(
    "--log-folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write worker.log (steps) and system.log (broker, stores, Celery) there, too.",
)
@click.option(
    "--daemon",
    is_flag=True,
    help="Go on without the terminal; logs are in the folder logs of the home.",
)
@click.option(
    "--pidfile",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the process's id there; a second worker with the same file is refused.",
)
@click.pass_obj
def start_command(
    session: Session,
    queues: str,
    tasks: str,
    slots: int | None,
    autoscale: str | None,
    resources: str | None,
    file: Path | None,
    worker_id: str | None,
    loglevel: str | None,
    log_format: LogFormat,
    log_folder: Path | None,
    daemon: bool,
    pidfile: Path | None,
) -> None:
    """Run steps until it is told to leave, by a signal or by `taskmgr worker stop`.

    Ctrl-C and SIGTERM: it claims nothing more, finishes what runs, and leaves.
    The second time it gives back what runs, for another worker to take. When
    the home is removed or replaced under it, it ends with exit code 3.
    """
    if slots and autoscale:
        raise click.UsageError("--slots and --autoscale say the same; give one of them")
    given = WorkerConfiguration(
        worker_id=_checked_id(worker_id),
        max_concurrent_tasks=slots or 0,
        active_tasks=_names(tasks),
        queues=_queue_names(queues),
    )
    said = _merged(read_worker_file(file) if file is not None else WorkerConfiguration(), given)
    start = WorkerStart(
        settings=session.settings(),
        said=said,
        level=loglevel,
        format=log_format,
        log_folder=None if log_folder is None else log_folder.absolute(),
        pidfile=None if pidfile is None else pidfile.absolute(),
        bounds=_read("--autoscale", bounds_of, autoscale),
        resources=_read("--resources", offer_from, resources),
    )
    start.run(session.platform, daemon=daemon)


def _checked_id(given: str | None) -> str:
    if given is not None and (wrong := worker_id_fault(given)):
        raise click.BadParameter(wrong, param_hint="--worker-id")
    return given or ""


def _merged(file: WorkerConfiguration, given: WorkerConfiguration) -> WorkerConfiguration:
    """A file with what the command line says instead."""
    said = {name: value for name, value in attrs.asdict(given).items() if value}
    return attrs.evolve(file, **said)


def _queue_names(given: str) -> tuple[str, ...]:
    """The names in a list with commas.

    Raises:
        click.BadParameter: one that no queue can have; it would wait for ever.
    """
    names = _names(given)
    for name in names:
        if wrong := queue_fault(name):
            raise click.BadParameter(wrong, param_hint="--queues")
    return names


def _names(given: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in given.split(",") if name.strip())


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


for _each in CONTROL_COMMANDS:
    worker_command.add_command(_each)
