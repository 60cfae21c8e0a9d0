"""``taskmgr worker``."""

from __future__ import annotations

from pathlib import Path

import attrs
import click

from taskmgr_core.cli.groups import Group
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.screen import ago, plain, table
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.views import worker_view
from taskmgr_core.cli.worker_start import WorkerStart
from taskmgr_core.logs import FORMATS, LogFormat
from taskmgr_core.settings import LOG_LEVELS
from taskmgr_core.specs import Worker
from taskmgr_core.worker.configuration import (
    MOST_STEPS,
    WorkerConfiguration,
    read_worker_file,
    worker_id_fault,
)
from taskmgr_plugins.tasks import queue_fault


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
        "taskmgr worker start --config worker.toml --daemon --log-format json",
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
    type=click.IntRange(1, MOST_STEPS),
    help="Steps that it runs at once; by default the setting slots.",
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
    slots: int | None,
    file: Path | None,
    worker_id: str | None,
    loglevel: str | None,
    log_format: LogFormat,
    log_folder: Path | None,
    daemon: bool,
    pidfile: Path | None,
) -> None:
    """Run steps until it is told to leave.

    Ctrl-C and SIGTERM: it claims nothing more, finishes what runs, and leaves.
    The second time it gives back what runs, for another worker to take. When
    the home is removed or replaced under it, it ends with exit code 3.
    """
    given = WorkerConfiguration(
        worker_id=_checked_id(worker_id),
        max_concurrent_tasks=slots or 0,
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
    names = tuple(name.strip() for name in given.split(",") if name.strip())
    for name in names:
        if wrong := queue_fault(name):
            raise click.BadParameter(wrong, param_hint="--queues")
    return names


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
            plain(_serves(each)),
            plain("\n".join(_step(name) for name in each.running)),
            ago(each.heartbeat),
            ago(each.started_at),
        )
    session.screen.print(shown)


def _step(running: str) -> str:
    run, _, step = running.partition("/")
    return f"{run[-8:]} {step}"


def _serves(worker: Worker) -> str:
    queues = ", ".join(worker.queues) or "all"
    return f"{queues}: {', '.join(worker.tasks)}" if worker.tasks else queues
