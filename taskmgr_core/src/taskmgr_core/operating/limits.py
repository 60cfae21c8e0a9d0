"""How many steps run at once and begin in a time, as operators see and set it."""

from __future__ import annotations

import time
from collections.abc import Sequence

import attrs

from taskmgr_core.client import Client
from taskmgr_core.errors import NotFoundError
from taskmgr_core.orchestrator.limiting import limit_of
from taskmgr_core.specs import Limit
from taskmgr_core.stores.metadata import COUNTED

# Workers read what operators say with each beat, and ring at their end.
TOLD = "limits"


@attrs.frozen
class LimitRow:
    """A limit as it is listed.

    Attributes:
        name: ``task:NAME``, ``queue:NAME`` or ``key:...``.
        max: how many of its steps run at once; None for any number.
        rate: how many begin in a time, as ``10/s``; None for any number.
        said_by: operator, task or pipeline.
        running: how many of its steps run.
        waiting: how many wait for it.
    """

    name: str
    max: int | None
    rate: str | None
    said_by: str
    running: int = 0
    waiting: int = 0


def uses(client: Client) -> list[LimitRow]:
    """Every limit that is set or used, by name."""
    found: dict[str, LimitRow] = {}
    for version in client.tasks():
        task = version.task
        if task.max_concurrent or task.rate:
            name = f"task:{task.name}"
            found[name] = LimitRow(name, task.max_concurrent or None, task.rate or None, "task")
    for rule in client.metadata.limits.rules():
        found[rule.name] = LimitRow(rule.name, rule.max or None, rule.rate or None, "operator")
    for use in client.metadata.limits.uses(COUNTED):
        name = use.label.removeprefix("rate:")
        row = found.get(name) or LimitRow(name, None, None, _said_by(name))
        found[name] = attrs.evolve(
            row, running=row.running + use.running, waiting=row.waiting + use.waiting
        )
    return [found[name] for name in sorted(found)]


def put(client: Client, name: str, most: int, rate: str) -> Limit:
    """Set the limit of a task or queue, in place of what was said before.

    Arguments:
        client: of the platform.
        name: ``task:NAME`` or ``queue:NAME``.
        most: how many run at once; 0 for any number.
        rate: how many begin in a time, as ``10/s``; empty for any number.

    Raises:
        InvalidValueError: with what is wrong.
        NotFoundError: there is no such task or queue: it would limit nothing.
    """
    limit = limit_of(name, most, rate)
    _check(client, name)
    client.metadata.limits.put(limit, time.time())
    client.queue.alert(TOLD)
    return limit


def remove(client: Client, name: str) -> None:
    """Remove a limit; what the task's class says holds again.

    Raises:
        NotFoundError: nobody has set it.
    """
    if not client.metadata.limits.remove(name, time.time()):
        known = [each.name for each in client.metadata.limits.rules()]
        raise NotFoundError.named("limit that was set:", name, known)
    client.queue.alert(TOLD)


def _said_by(name: str) -> str:
    return "pipeline" if name.startswith("key:") else "task"


def _check(client: Client, name: str) -> None:
    kind, _, of = name.partition(":")
    known: Sequence[str]
    if kind == "task":
        known = [each.name for each in client.tasks()]
    else:
        said = [each.queue for each in client.overrides.values() if each.queue]
        known = [*client.metadata.queues(), *said]
    if of not in known:
        raise NotFoundError.named(kind, of, known)
