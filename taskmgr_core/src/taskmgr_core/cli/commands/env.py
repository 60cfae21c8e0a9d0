"""``taskmgr env``."""

from __future__ import annotations

import click

from taskmgr_core.cli.groups import Group
from taskmgr_core.cli.options import json_option, limit_of
from taskmgr_core.cli.screen import ago, plain, table
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.views import moment
from taskmgr_core.environments import EnvironmentInfo
from taskmgr_core.report.formats import counted, size

SHORT = 12


@click.group("env", cls=Group, examples=["taskmgr env list", "taskmgr env gc --size 5000"])
def env_command() -> None:
    """The virtualenvs of the published tasks.

    Each locked version has one of its own. One that is removed is built again
    when it is needed.
    """


@env_command.command("list", examples=["taskmgr env list", "taskmgr env list --json"])
@json_option
@click.pass_obj
def list_command(session: Session, as_json: bool) -> None:
    """List the virtualenvs, the least recently used first."""
    found = session.environments().list()
    if as_json:
        session.screen.json({"environments": [_view(each) for each in found]})
        return
    if not found:
        session.screen.line("no virtualenvs; one is built when a plugin is published")
        return
    shown = table("plugin", "version", "size", "used", "", "fingerprint", right=("size", "used"))
    for each in found:
        shown.add_row(
            plain(each.distribution),
            plain(each.version),
            size(each.size_bytes),
            ago(each.last_used),
            plain("in use" if each.in_use else "", "green"),
            plain(each.fingerprint[:SHORT], "dim"),
        )
    session.screen.print(shown)
    total = sum(each.size_bytes for each in found)
    session.screen.line(
        f"{counted(len(found), 'virtualenv')}, {size(total)} as listed; files that "
        "are linked from uv's cache take no room of their own",
        "dim",
    )


@env_command.command("gc", examples=["taskmgr env gc", "taskmgr env gc --size 0"])
@click.option(
    "--size",
    "megabytes",
    type=click.IntRange(0),
    metavar="MB",
    help="What may stay; by default the setting environments_mb.",
)
@json_option
@click.pass_obj
def gc_command(session: Session, megabytes: int | None, as_json: bool) -> None:
    """Remove the least recently used virtualenvs until the rest is small enough.

    One that is in use, or was a moment ago, stays.
    """
    environments = session.environments()
    limit = limit_of(megabytes, session.settings().environments_mb, "environments_mb")
    removed = environments.gc(limit)
    if as_json:
        session.screen.json({"removed": [_view(each) for each in removed]})
        return
    for each in removed:
        session.screen.line(f"removed {each.distribution} {each.version}  {size(each.size_bytes)}")
    left = sum(each.size_bytes for each in environments.list())
    if left > limit:
        session.screen.line(
            f"{size(left)} stay{'' if removed else ', nothing removed'}: what is in use, or was "
            "used within the last minute, is never removed"
        )
    elif not removed:
        session.screen.line(f"nothing to remove: {size(limit)} may stay")


@env_command.command("repair", examples=["taskmgr env repair"])
@json_option
@click.pass_obj
def repair_command(session: Session, as_json: bool) -> None:
    """Remove the virtualenvs in which a file is lost or changed.

    Each is built anew when it is needed; what uv's cache gives for it is
    checked then, and fetched anew if that is damaged, too.
    """
    removed = session.environments().repair()
    if as_json:
        session.screen.json({"removed": [_view(each) for each in removed]})
        return
    for each in removed:
        session.screen.line(f"removed {each.distribution} {each.version}; it is built anew")
    if not removed:
        session.screen.line("every virtualenv is intact")


def _view(info: EnvironmentInfo) -> dict[str, object]:
    return {
        "distribution": info.distribution,
        "version": info.version,
        "fingerprint": info.fingerprint,
        "size_bytes": info.size_bytes,
        "last_used": moment(info.last_used),
        "in_use": info.in_use,
        "path": str(info.path),
    }
