"""``taskmgr schedule``."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import click

from taskmgr_core.cli import completing
from taskmgr_core.cli.arguments import INPUTS_HELP, read_inputs
from taskmgr_core.cli.groups import Group
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.screen import NOTHING, plain, short_id, table
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.views import moment
from taskmgr_core.client import Client
from taskmgr_core.schedules.cron import zone_named
from taskmgr_core.schedules.deciding import next_time
from taskmgr_core.schedules.managing import Schedules, moment_in
from taskmgr_core.specs import CATCH_UP, CatchUp, Firing, Schedule


@click.group(
    "schedule",
    cls=Group,
    examples=["taskmgr schedule add nightly measured --cron '30 3 * * *' text=hello"],
)
def schedule_command() -> None:
    """Run something at certain times.

    The times are seen to while `taskmgr scheduler start` runs somewhere.
    """


_name = click.argument("name", help="The schedule's name.")


@schedule_command.command(
    "add",
    examples=[
        "taskmgr schedule add nightly measured --cron '30 3 * * *' --zone Europe/Berlin text=hello",
    ],
)
@_name
@click.argument(
    "what", metavar="TASK", help="A published task or pipeline.", shell_complete=completing.names
)
@click.argument(
    "inputs", nargs=-1, help=f"{INPUTS_HELP} {{scheduled}} in a text is the time of the run."
)
@click.option(
    "--cron",
    required=True,
    metavar="EXPRESSION",
    help="Minute, hour, day of the month, month, day of the week.",
)
@click.option("--zone", default="UTC", show_default=True, help="The time zone, as Europe/Berlin.")
@click.option(
    "--catch-up",
    type=click.Choice(CATCH_UP),
    default="latest",
    show_default=True,
    help="What becomes of times that were missed: none is run, the latest, or all.",
)
@click.option(
    "--since",
    metavar="MOMENT",
    help="Its times count from here, as 2026-11-25T00:00 in its zone; those that have passed are "
    "missed. By default now.",
)
@json_option
@click.pass_obj
def add_command(
    session: Session,
    name: str,
    what: str,
    inputs: tuple[str, ...],
    cron: str,
    zone: str,
    catch_up: CatchUp,
    since: str | None,
    as_json: bool,
) -> None:
    """Add a schedule.

    A file among the inputs is stored now: each run gets it as it is now.
    """
    with session.client() as client:
        graph = client.graph(what)
        given = read_inputs(graph.inputs, inputs, client.reader.working)
        begin = None if since is None else moment_in(since, zone)
        with client.artifacts.files.using():
            made = _schedules(client).add(
                name, graph, cron, given, zone=zone, catch_up=catch_up, since=begin
            )
    if as_json:
        session.screen.json(_view(made, None))
        return
    session.screen.line(
        plain(f"{name} is added; next: {_local(next_time(made, time.time()), zone)}")
    )
    session.screen.err.print(plain("its times are seen to by: taskmgr scheduler start", "dim"))


@schedule_command.command("list", examples=["taskmgr schedule list"])
@json_option
@click.pass_obj
def list_command(session: Session, as_json: bool) -> None:
    """List the schedules, with their next and last times."""
    with session.client() as client:
        found = [
            (each, next(iter(client.metadata.schedules.firings(each.name, 1)), None))
            for each in _schedules(client).listing()
        ]
    if as_json:
        session.screen.json({"schedules": [_view(*each) for each in found]})
        return
    if not found:
        session.screen.line("there are no schedules: taskmgr schedule add")
        return
    shown = table("name", "runs", "cron", "zone", "next", "last", "run", whole=("name", "cron"))
    for each, last in found:
        shown.add_row(
            plain(each.name),
            plain(each.what),
            plain(each.cron),
            each.zone,
            "paused" if each.paused else _local(next_time(each, time.time()), each.zone),
            _local(last.at if last else None, each.zone),
            _outcome(last),
        )
    session.screen.print(shown)


@schedule_command.command("history", examples=["taskmgr schedule history nightly"])
@_name
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="How many at most.",
)
@json_option
@click.pass_obj
def history_command(session: Session, name: str, limit: int, as_json: bool) -> None:
    """List what a schedule has run, the latest time first."""
    with session.client() as client:
        found = _schedules(client).firings(name, limit)
    if as_json:
        session.screen.json({"firings": [_firing_view(each) for each in found]})
        return
    shown = table("for", "run", "fired", "problem", whole=("for", "run"))
    for each in found:
        shown.add_row(
            str(moment(each.at)), _outcome(each), str(moment(each.fired_at)), plain(each.problem)
        )
    session.screen.print(shown)


@schedule_command.command("pause", examples=["taskmgr schedule pause nightly"])
@_name
@click.pass_obj
def pause_command(session: Session, name: str) -> None:
    """Have a schedule run nothing for now."""
    with session.client() as client:
        _schedules(client).pause(name)
    session.screen.line(plain(f"{name} is paused"))


@schedule_command.command("resume", examples=["taskmgr schedule resume nightly"])
@_name
@click.pass_obj
def resume_command(session: Session, name: str) -> None:
    """Have a schedule run again; the times in between were not missed."""
    with session.client() as client:
        found = _schedules(client).resume(name)
    session.screen.line(
        plain(f"{name} goes on; next: {_local(next_time(found, time.time()), found.zone)}")
    )


@schedule_command.command("remove", examples=["taskmgr schedule remove nightly"])
@_name
@click.pass_obj
def remove_command(session: Session, name: str) -> None:
    """Remove a schedule; its runs stay."""
    with session.client() as client:
        _schedules(client).remove(name)
    session.screen.line(plain(f"{name} is removed"))


def _schedules(client: Client) -> Schedules:
    return Schedules(client.metadata.schedules, client.reader)


def _local(at: float | None, zone: str) -> str:
    """A moment as the clocks of a zone show it."""
    if at is None:
        return NOTHING
    return f"{datetime.fromtimestamp(at, zone_named(zone)):%Y-%m-%d %H:%M %Z}"


def _outcome(firing: Firing | None) -> str:
    if firing is None:
        return NOTHING
    if firing.problem:
        return "refused"
    return short_id(firing.run) if firing.submitted else "not submitted"


def _view(schedule: Schedule, last: Firing | None) -> dict[str, Any]:
    return {
        "name": schedule.name,
        "what": schedule.what,
        "cron": schedule.cron,
        "zone": schedule.zone,
        "inputs": dict(schedule.inputs),
        "catch_up": schedule.catch_up,
        "paused": schedule.paused,
        "next": moment(next_time(schedule, time.time())),
        "last": None if last is None else _firing_view(last),
    }


def _firing_view(firing: Firing) -> dict[str, Any]:
    return {
        "scheduled": moment(firing.at),
        "run_id": firing.run,
        "fired": moment(firing.fired_at),
        "submitted": firing.submitted,
        "problem": firing.problem,
    }
