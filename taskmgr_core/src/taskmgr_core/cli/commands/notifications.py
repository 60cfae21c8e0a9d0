"""``taskmgr notifications``."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import attrs
import click
from rich.table import Table

from taskmgr_core.cli.groups import Command, Group
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.screen import plain, table
from taskmgr_core.cli.session import Session
from taskmgr_core.errors import NotFoundError, SettingsError
from taskmgr_core.notification_rules import TEST, Channel, Notifications, SlowRule
from taskmgr_core.notifications.plugin import resolved, sender
from taskmgr_core.notifications.webhook import DeliveryError
from taskmgr_plugins.events import Notification


@click.group(
    "notifications",
    cls=Group,
    examples=["taskmgr notifications list", "taskmgr notifications test"],
)
def notifications_command() -> None:
    """Who is told by webhook and e-mail, and whether it arrives.

    The table [notifications] of config.toml in the home says who is told of
    what. Workers tell, so it has to be where they run.
    """


@notifications_command.command("list", cls=Command, examples=["taskmgr notifications list"])
@json_option
@click.pass_obj
def list_command(session: Session, as_json: bool) -> None:
    """List the channels and what is slow; secrets and addresses are not shown."""
    rules = session.settings().notifications
    if as_json:
        slow_runs = [{**attrs.asdict(each), "names": list(each.names)} for each in rules.slow_runs]
        channels = [_view(each) for each in rules.channels]
        session.screen.json({"channels": channels, "slow_runs": slow_runs})
        return
    shown = table("channel", "type", "kinds", "names", whole=("channel", "type"))
    for each in rules.channels:
        kinds, names = ", ".join(each.kinds) or "all", ", ".join(each.names) or "all"
        shown.add_row(*map(plain, (each.name, each.type, kinds, names)))
    session.screen.print(shown)
    if rules.slow_runs:
        session.screen.print(_slow_runs(rules.slow_runs))


@notifications_command.command(
    "test",
    cls=Command,
    examples=["taskmgr notifications test", "taskmgr notifications test ops"],
)
@click.argument("channels", nargs=-1, help="Their names; all when there are none.")
@json_option
@click.pass_obj
def test_command(session: Session, channels: Sequence[str], as_json: bool) -> int:
    """Send a message to channels, once, and say whether it was taken.

    Kinds, names and limits do not count. The exit code is 1 when one of them
    has not taken it.
    """
    found = _chosen(session.settings().notifications, channels)
    notification = Notification(TEST, "This is a test of taskmgr.", time.time())
    problems = {each.name: _problem(each, notification) for each in found}
    if as_json:
        session.screen.json(
            {"channels": [{"name": it, "problem": said} for it, said in problems.items()]}
        )
    else:
        for name, said in problems.items():
            session.screen.line(plain(f"{name}: {said or 'taken'}", "bold red" if said else ""))
    return int(any(problems.values()))


def _problem(channel: Channel, notification: Notification) -> str:
    """Why a channel has not taken a notification; empty where it has."""
    try:
        sender(resolved(channel, os.environ), notification)()
    except (DeliveryError, SettingsError) as error:
        return str(error)
    return ""


def _chosen(rules: Notifications, names: Sequence[str]) -> list[Channel]:
    known = {each.name: each for each in rules.channels}
    if not known:
        raise SettingsError(
            "there are no channels; write [notifications.channels.NAME] into config.toml"
        )
    for each in names:
        if each not in known:
            raise NotFoundError.named("channel", each, known)
    return [known[each] for each in names or known]


def _slow_runs(rules: Sequence[SlowRule]) -> Table:
    shown = table("slow runs", "seconds", "times p95", "names", right=("seconds", "times p95"))
    for each in rules:
        limits = [f"{limit:g}" if limit else "-" for limit in (each.seconds, each.times_p95)]
        shown.add_row(*map(plain, (each.name, *limits, ", ".join(each.names) or "all")))
    return shown


def _view(channel: Channel) -> dict[str, object]:
    return {
        "name": channel.name,
        "type": channel.type,
        "kinds": list(channel.kinds),
        "names": list(channel.names),
    }
