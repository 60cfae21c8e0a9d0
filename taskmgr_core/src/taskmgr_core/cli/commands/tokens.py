"""``taskmgr tokens``."""

from __future__ import annotations

import time
from typing import Any

import click

from taskmgr_core.accounts.policy import Permission, Role
from taskmgr_core.cli.groups import Group
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.screen import plain, table
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.views import moment, utc_time
from taskmgr_core.specs.accounts import ALL_WORKSPACES, DEFAULT_WORKSPACE, Token

DAY = 86_400.0
USUAL_DAYS = 90


@click.group(
    "tokens",
    cls=Group,
    examples=["taskmgr tokens new ada --role operator", "taskmgr tokens list"],
)
def tokens_command() -> None:
    """The tokens that open the API to others.

    They are for the API: who has the addresses and passwords of the stores
    themselves needs none.
    """


@tokens_command.command(
    "new",
    examples=[
        "taskmgr tokens new ada --role operator",
        "taskmgr tokens new ci --role publisher --in vision --days 30",
        "taskmgr tokens new grafana --role operator --only read",
    ],
)
@click.argument("name", help="Whom or what it is for.")
@click.option(
    "--role",
    type=click.Choice([each.value for each in Role]),
    required=True,
    help="What they may do; each role may do all that those before it may.",
)
@click.option(
    "--in",
    "workspace",
    default=DEFAULT_WORKSPACE,
    show_default=True,
    metavar="WORKSPACE",
    help=f"The only workspace that it opens; {ALL_WORKSPACES} for every one.",
)
@click.option(
    "--only",
    type=click.Choice([each.value for each in Permission]),
    multiple=True,
    help="Leave it only this of what the role may do; may be given several times.",
)
@click.option(
    "--days",
    type=click.FloatRange(0, min_open=True),
    default=USUAL_DAYS,
    show_default=True,
    help="How long it opens anything.",
)
@click.option("--no-expiry", is_flag=True, help="It opens what it does until it is revoked.")
@json_option
@click.pass_obj
def new_command(
    session: Session,
    name: str,
    role: str,
    workspace: str,
    only: tuple[str, ...],
    days: float,
    no_expiry: bool,
    as_json: bool,
) -> None:
    """Make a token, and print it this once.

    Only its hash is kept: who loses it gets another one.
    """
    with session.office() as (_, admin):
        made = admin.new_token(
            name,
            Role(role),
            workspace,
            None if no_expiry else days * DAY,
            [Permission(each) for each in only] or None,
        )
    if as_json:
        session.screen.json({"token": made.secret, **_view(made.token)})
        return
    session.screen.line(plain(made.secret))
    ends = "" if made.token.expires_at is None else f" until {utc_time(made.token.expires_at)} UTC"
    session.screen.err.print(
        plain(
            f"{made.token.id} of {name}: {role} in {workspace}{ends}; it is not shown again", "dim"
        )
    )


@tokens_command.command("list", examples=["taskmgr tokens list", "taskmgr tokens list --json"])
@json_option
@click.pass_obj
def list_command(session: Session, as_json: bool) -> None:
    """List the tokens, the newest first; none of them can be seen."""
    with session.office() as (_, admin):
        found = admin.tokens()
    if as_json:
        session.screen.json({"tokens": [_view(each) for each in found]})
        return
    if not found:
        session.screen.line("there are no tokens: taskmgr tokens new")
        return
    names = ("id", "for", "role", "in", "only", "state", "expires (UTC)", "last used")
    shown = table(*names, whole=("id", "state"))
    for each in found:
        shown.add_row(
            each.id,
            plain(each.name),
            each.role,
            plain(each.workspace),
            " ".join(each.permissions or ()),
            _state(each),
            utc_time(each.expires_at) if each.expires_at else "never",
            utc_time(each.last_used_at) if each.last_used_at else "",
        )
    session.screen.print(shown)


@tokens_command.command("revoke", examples=["taskmgr tokens revoke 3f9a1c04be77"])
@click.argument("token", help="Its id, or the token itself where only that is known.")
@json_option
@click.pass_obj
def revoke_command(session: Session, token: str, as_json: bool) -> None:
    """Have a token open nothing any more.

    Servers that run ask again after five seconds at the latest.
    """
    with session.office() as (_, admin):
        revoked = admin.revoke_token(token)
    if as_json:
        session.screen.json(_view(revoked))
        return
    session.screen.line(plain(f"the token {revoked.id} of {revoked.name} is revoked"))


def _state(token: Token) -> str:
    if token.revoked_at is not None:
        return "revoked"
    expired = token.expires_at is not None and token.expires_at <= time.time()
    return "expired" if expired else "valid"


def _view(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role,
        "workspace": token.workspace,
        "permissions": None if token.permissions is None else list(token.permissions),
        "state": _state(token),
        "created_at": moment(token.created_at),
        "created_by": token.created_by,
        "expires_at": moment(token.expires_at),
        "revoked_at": moment(token.revoked_at),
        "last_used_at": moment(token.last_used_at),
    }
