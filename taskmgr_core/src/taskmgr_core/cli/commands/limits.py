"""``taskmgr limits``."""

from __future__ import annotations

import attrs
import click

from taskmgr_core.cli.groups import Group
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.screen import plain, table
from taskmgr_core.cli.session import Session
from taskmgr_core.errors import InvalidValueError
from taskmgr_core.operating import limits


@click.group(
    "limits",
    cls=Group,
    examples=["taskmgr limits set queue:gpu --max 4", "taskmgr limits list"],
)
def limits_command() -> None:
    """How many steps run at once and begin in a time.

    A limit holds over all workers. What is said here of a task stands in place
    of the max_concurrent and rate of its class. Workers hear of it with their
    next beat.
    """


@limits_command.command(
    "set",
    examples=[
        "taskmgr limits set task:upscale --max 2",
        "taskmgr limits set task:geocode --rate 10/s",
        "taskmgr limits set queue:gpu --max 4 --rate 100/min",
    ],
)
@click.argument("name", help="task:NAME or queue:NAME.")
@click.option("--max", "most", type=int, default=0, metavar="N", help="So many run at once.")
@click.option("--rate", default="", metavar="RATE", help="So many begin: 10/s, 100/min or 5/h.")
@json_option
@click.pass_obj
def set_command(session: Session, name: str, most: int, rate: str, as_json: bool) -> None:
    """Set the limit of a task or queue, in place of what was said before."""
    with session.client() as client:
        try:
            limit = limits.put(client, name, most, rate)
        except InvalidValueError as error:
            raise click.UsageError(str(error)) from error
    if as_json:
        session.screen.json({"name": limit.name, "max": most or None, "rate": rate or None})
    else:
        said = [f"{most} at once" if most else "", rate]
        session.screen.line(f"{name}: {', '.join(filter(None, said))}")


@limits_command.command("remove", examples=["taskmgr limits remove task:upscale"])
@click.argument("name", help="As it is listed.")
@json_option
@click.pass_obj
def remove_command(session: Session, name: str, as_json: bool) -> None:
    """Remove a limit; what the task's class says holds again."""
    with session.client() as client:
        limits.remove(client, name)
    if as_json:
        session.screen.json({"removed": name})
    else:
        session.screen.line(f"{name}: removed")


@limits_command.command("list", examples=["taskmgr limits list", "taskmgr limits list --json"])
@json_option
@click.pass_obj
def list_command(session: Session, as_json: bool) -> None:
    """List every limit: who says it, how many of its steps run, how many wait."""
    with session.client() as client:
        rows = limits.uses(client)
    if as_json:
        session.screen.json({"limits": [attrs.asdict(each) for each in rows]})
    elif not rows:
        session.screen.line("there are no limits; see: taskmgr limits set --help")
    else:
        shown = table(
            *("name", "max", "rate", "said by", "running", "waiting"),
            right=("max", "running", "waiting"),
            whole=("name",),
        )
        for each in rows:
            shown.add_row(
                plain(each.name),
                str(each.max or ""),
                plain(each.rate or ""),
                plain(each.said_by),
                str(each.running),
                str(each.waiting),
            )
        session.screen.print(shown)
