"""``taskmgr workspaces``."""

from __future__ import annotations

from typing import Any

import click

from taskmgr_core.cli.groups import Group
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.screen import plain, table
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.views import moment, utc_time
from taskmgr_core.specs.accounts import DEFAULT_WORKSPACE, Workspace

DEFAULT = Workspace(DEFAULT_WORKSPACE, 0.0, "")  # always there: nobody has made it


@click.group(
    "workspaces",
    cls=Group,
    examples=["taskmgr workspaces new vision", "taskmgr --workspace vision runs"],
)
def workspaces_command() -> None:
    """Tasks, runs and keys apart from all others.

    Each workspace has stores of its own. Workers serve one: that of the
    option --workspace, or of TASKMGR_WORKSPACE.
    """


@workspaces_command.command("new", examples=["taskmgr workspaces new vision"])
@click.argument("name", help="Small letters, digits and hyphens, at most 32.")
@json_option
@click.pass_obj
def new_command(session: Session, name: str, as_json: bool) -> None:
    """Make a workspace."""
    with session.office() as (office, admin):
        made = office.new_workspace(admin, name)
    if as_json:
        session.screen.json({"name": made.name, "created_at": moment(made.created_at)})
        return
    session.screen.line(plain(f"the workspace {name} is made"))
    session.screen.err.print(
        plain(f"its steps are run by: taskmgr --workspace {name} worker start", "dim")
    )


@workspaces_command.command("list", examples=["taskmgr workspaces list"])
@json_option
@click.pass_obj
def list_command(session: Session, as_json: bool) -> None:
    """List the workspaces."""
    with session.office() as (_, admin):
        found = admin.workspaces()
    if as_json:
        session.screen.json({"workspaces": [_view(DEFAULT), *map(_view, found)]})
        return
    shown = table("workspace", "made", "by", whole=("workspace",))
    shown.add_row(DEFAULT_WORKSPACE, "", "")
    for each in found:
        state = "is being removed" if each.removing else utc_time(each.created_at)
        shown.add_row(plain(each.name), state, plain(each.created_by))
    session.screen.print(shown)


@workspaces_command.command("remove", examples=["taskmgr workspaces remove vision --yes"])
@click.argument("name", help="The workspace.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def remove_command(session: Session, name: str, yes: bool, as_json: bool) -> None:
    """Remove a workspace with its tasks, runs, files and keys, for good.

    Its tokens are revoked. What other machines keep of it in their homes, in
    the folder workspaces, is only copies.
    """
    with session.office() as (office, admin):
        office.check_unserved(name)
        if not yes:
            click.confirm(
                f"Remove {name} with all its tasks, runs, files and keys, for good?", abort=True
            )
        revoked = office.remove_workspace(admin, name)
    if as_json:
        session.screen.json({"name": name, "tokens_revoked": revoked})
        return
    session.screen.line(plain(f"the workspace {name} is removed; {revoked} tokens are revoked"))


def _view(workspace: Workspace) -> dict[str, Any]:
    return {
        "name": workspace.name,
        "created_at": moment(workspace.created_at) if workspace.created_at else None,
        "created_by": workspace.created_by,
        "removing": workspace.removing,
    }
