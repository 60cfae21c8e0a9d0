"""``taskmgr limits``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import attrs
import click

from taskmgr_core.cli.groups import Group
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.screen import plain, table
from taskmgr_core.cli.session import Session
from taskmgr_core.errors import InvalidValueError, NotFoundError
from taskmgr_core.orchestrator.limiting import limit_of
from taskmgr_core.stores.metadata import COUNTED

if TYPE_CHECKING:
    from taskmgr_core.client import Client

# Workers read what operators say with each beat, and ring at their end.
TOLD = "limits"


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
    try:
        limit = limit_of(name, most, rate)
    except InvalidValueError as error:
        raise click.UsageError(str(error)) from error
    with session.client() as client:
        _check(client, name)
        client.metadata.limits.put(limit, time.time())
        client.queue.alert(TOLD)
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
        if not client.metadata.limits.remove(name, time.time()):
            known = [each.name for each in client.metadata.limits.rules()]
            raise NotFoundError.named("limit that was set:", name, known)
        client.queue.alert(TOLD)
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
        rows = limit_rows(client)
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


@attrs.frozen
class Row:
    """A limit as it is listed.

    Attributes:
        said_by: operator, task or pipeline.
    """

    name: str
    max: int | None
    rate: str | None
    said_by: str
    running: int = 0
    waiting: int = 0


def limit_rows(client: Client) -> list[Row]:
    """Every limit that is set or used, by name."""
    found: dict[str, Row] = {}
    for version in client.tasks():
        task = version.task
        if task.max_concurrent or task.rate:
            name = f"task:{task.name}"
            found[name] = Row(name, task.max_concurrent or None, task.rate or None, "task")
    for rule in client.metadata.limits.rules():
        found[rule.name] = Row(rule.name, rule.max or None, rule.rate or None, "operator")
    for use in client.metadata.limits.uses(COUNTED):
        name = use.label.removeprefix("rate:")
        row = found.get(name) or Row(name, None, None, _said_by(name))
        found[name] = attrs.evolve(
            row, running=row.running + use.running, waiting=row.waiting + use.waiting
        )
    return [found[name] for name in sorted(found)]


def _said_by(name: str) -> str:
    return "pipeline" if name.startswith("key:") else "task"


def _check(client: Client, name: str) -> None:
    """Refuse the name of no task or queue: it would limit nothing."""
    kind, _, of = name.partition(":")
    known: dict[str, Any] = {
        "task": [each.name for each in client.tasks()],
        "queue": [*client.metadata.queues(), *_queues_of_settings(client)],
    }
    if of not in known[kind]:
        raise NotFoundError.named(kind, of, known[kind])


def _queues_of_settings(client: Client) -> list[str]:
    return [each.queue for each in client.overrides.values() if each.queue]
