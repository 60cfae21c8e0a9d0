"""``taskmgr worker``: who is alive, and telling them to answer or to leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from taskmgr_core.cli import completing
from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.screen import ago, plain, table
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.views import worker_status, worker_view
from taskmgr_core.report.formats import counted, duration
from taskmgr_core.specs.resources import as_text

if TYPE_CHECKING:
    from taskmgr_core.control import Control
    from taskmgr_core.specs import Worker

PING_SECONDS = 5.0

worker_argument = click.argument(
    "worker",
    required=False,
    help="A worker's id, or the beginning or the end of it.",
    shell_complete=completing.worker_ids,
)


@click.command(
    "status", cls=Command, examples=["taskmgr worker status", "taskmgr worker status --json"]
)
@json_option
@click.pass_obj
def status_command(session: Session, as_json: bool) -> None:
    """List the workers that have not said that they left.

    One is lost when it has not been heard of for a while; what it ran is run
    again by the others. One that drains claims nothing more and leaves when
    nothing runs.
    """
    _show(session, as_json)


@click.command("list", cls=Command, examples=["taskmgr worker list"])
@json_option
@click.pass_obj
def list_command(session: Session, as_json: bool) -> None:
    """The same as `taskmgr worker status`."""
    _show(session, as_json)


def _show(session: Session, as_json: bool) -> None:
    with session.client() as client:
        found = [(each, client.alive(each)) for each in client.workers()]
    if as_json:
        session.screen.json({"workers": [worker_view(each, alive) for each, alive in found]})
        return
    if not found:
        session.screen.line("no workers; `taskmgr run` works without, it does the work itself")
        return
    offers = any(each.resources for each, _ in found)
    shown = table(
        "worker", "status", "slots", "queues", *(["offers"] if offers else []), "running", "beat",
        "up", right=("slots", "beat", "up"), whole=("worker", "status", "slots", "beat", "up"),
    )  # fmt: skip
    for each, alive in found:
        shown.add_row(
            plain(each.id),
            session.screen.status(worker_status(each, alive)),
            slots_of(each),
            plain(_serves(each)),
            *([plain(as_text(each.resources))] if offers else []),
            plain("\n".join(_step(name) for name in each.running)),
            ago(each.heartbeat),
            ago(each.started_at),
        )
    session.screen.print(shown)
    for each, _ in found:
        if each.refused:
            session.screen.line()
            left = f"{each.id} cannot run, and leaves to others: {', '.join(each.refused)}"
            session.screen.line(plain(left, "yellow"))


def slots_of(worker: Worker) -> str:
    """How many steps at once: now, and between which bounds."""
    if worker.autoscale is None:
        return str(worker.slots)
    fewest, most = worker.autoscale
    return f"{worker.slots} of {fewest}-{most}"


def _serves(worker: Worker) -> str:
    queues = ", ".join(worker.queues) or "all"
    return f"{queues}: {', '.join(worker.tasks)}" if worker.tasks else queues


def _step(running: str) -> str:
    run, _, step = running.partition("/")
    return f"{run[-8:]} {step}"


@click.command("ping", cls=Command, examples=["taskmgr worker ping", "taskmgr worker ping 3f09a1"])
@worker_argument
@click.option(
    "--timeout",
    type=click.FloatRange(0.1),
    default=PING_SECONDS,
    show_default=True,
    help="Seconds to wait for answers.",
)
@json_option
@click.pass_obj
def ping_command(session: Session, worker: str | None, timeout: float, as_json: bool) -> int:
    """Ask the living workers, or one, to answer; tell how long that took.

    Question and answer go the way of everything else: through the metadata
    store. Exit code 1 when there is no worker, or one does not answer.
    """
    with session.control() as control:
        asked = [control.named(worker)] if worker else control.living()
        answers = control.ping(asked, timeout)
    if as_json:
        found = [{"id": each.worker.id, "seconds": each.seconds} for each in answers]
        session.screen.json({"workers": found})
    elif not answers:
        session.screen.line("no workers are alive; start one with: taskmgr worker start")
    else:
        shown = table("worker", "answer", right=("answer",), whole=("worker", "answer"))
        for each in answers:
            told = "none" if each.seconds is None else duration(each.seconds)
            shown.add_row(plain(each.worker.id), told)
        session.screen.print(shown)
    return 0 if answers and all(each.seconds is not None for each in answers) else 1


@click.command(
    "stop", cls=Command, examples=["taskmgr worker stop 3f09a1", "taskmgr worker stop --all --now"]
)
@worker_argument
@click.option("--all", "every", is_flag=True, help="Every worker that is alive.")
@click.option("--now", is_flag=True, help="Give back what runs, for other workers to take.")
@click.option(
    "--timeout", type=click.FloatRange(0), help="Seconds to wait; by default until all have left."
)
@click.pass_obj
def stop_command(
    session: Session, worker: str | None, every: bool, now: bool, timeout: float | None
) -> int:
    """Tell workers to leave, and wait until they have left.

    They claim nothing more and finish what runs; with --now they give it back.
    Exit code 1 when one is still there at the end of --timeout. To be told and
    not waited for: `taskmgr worker drain`.
    """
    with session.control() as control:
        told = _tell(session, control, worker, every, "now" if now else "drain")
        left = control.gone(told, timeout, lambda each: session.screen.line(f"{each.id} has left"))
    for each in left:
        running = counted(len(each.running), "step")
        session.screen.err.print(f"{each.id} is still there ({running} when it was told)")
    return 1 if left else 0


@click.command("drain", cls=Command, examples=["taskmgr worker drain 3f09a1"])
@worker_argument
@click.option("--all", "every", is_flag=True, help="Every worker that is alive.")
@click.option("--now", is_flag=True, help="Give back what runs, for other workers to take.")
@click.pass_obj
def drain_command(session: Session, worker: str | None, every: bool, now: bool) -> None:
    """Tell workers to leave as soon as nothing runs, and do not wait for it.

    They claim nothing more, finish what runs, and leave; with --now they give
    it back. `taskmgr worker status` shows them as draining until then.
    """
    with session.control() as control:
        _tell(session, control, worker, every, "now" if now else "drain")


def _tell(
    session: Session,
    control: Control,
    worker: str | None,
    every: bool,
    how: Literal["drain", "now"],
) -> list[Worker]:
    if bool(worker) == every:
        raise click.UsageError("name one worker (`taskmgr worker list`), or give --all")
    meant = [control.named(worker)] if worker else [e for e in control.living() if not e.private]
    for each in meant:
        if each.private:
            raise click.UsageError(
                f"{each.id} serves the runs of one program alone and leaves with it (as "
                "`taskmgr run`); cancel its run instead: taskmgr cancel RUN"
            )
    if not meant:
        session.screen.line("no workers are alive")
    control.leave(meant, how)
    for each in meant:
        session.screen.line(f"{each.id} is told to leave")
    return meant


CONTROL_COMMANDS = (status_command, list_command, ping_command, stop_command, drain_command)
