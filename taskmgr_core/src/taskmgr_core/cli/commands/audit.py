"""``taskmgr audit``."""

from __future__ import annotations

from typing import Any

import attrs
import click

from taskmgr_core.accounts.verifying import mark_as_text, mark_from, verified
from taskmgr_core.cli.endings import FAILED, OK
from taskmgr_core.cli.groups import Group
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.screen import plain, table
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.views import moment, utc_time
from taskmgr_core.errors import DamagedRecordError
from taskmgr_core.specs.accounts import AuditEntry, AuditLine
from taskmgr_core.stores.accounts import entry_from


@click.group("audit", cls=Group, examples=["taskmgr audit list", "taskmgr audit verify"])
def audit_command() -> None:
    """Who did what, when, from where.

    Written down are changes that were asked for over the API, what is done to
    tokens and workspaces, and everything that was denied. Looks are not.
    """


@audit_command.command(
    "list", examples=["taskmgr audit list", "taskmgr audit list --in vision --before 1200"]
)
@click.option("--in", "workspace", metavar="WORKSPACE", help="Only what is about this workspace.")
@click.option("--before", type=click.IntRange(1), metavar="NUMBER", help="Only older lines.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="How many at most.",
)
@json_option
@click.pass_obj
def list_command(
    session: Session, workspace: str | None, before: int | None, limit: int, as_json: bool
) -> None:
    """List the audit log, the newest line first."""
    with session.office() as (office, _):
        lines = office.store.audit_page(before, limit, workspace)
    if as_json:
        found = [_view(each) for each in lines]
        more = lines[-1].number if len(lines) == limit else None
        session.screen.json({"lines": found, "next": more})
        return
    names = ("", "when (UTC)", "who", "from", "in", "did", "of", "outcome")
    shown = table(*names, right=("",), whole=("", "when (UTC)", "did"))
    for line in lines:
        said = _said(line)
        how = f"{said.outcome}: {said.note}" if said.note else said.outcome
        words = (said.who, said.where, said.workspace, said.action, said.target, how)
        shown.add_row(str(line.number), utc_time(line.at), *map(plain, words))
    session.screen.print(shown)


@audit_command.command(
    "verify",
    examples=["taskmgr audit verify", 'taskmgr audit verify --expect "$(cat noted)"'],
)
@click.option(
    "--expect",
    metavar="NUMBER:HASH",
    help="An end that was noted earlier; it must be there still.",
)
@json_option
@click.pass_obj
def verify_command(session: Session, expect: str | None, as_json: bool) -> int:
    """Check that no line of the audit log was changed, removed or put between.

    Prints the end of the log. Note it where those who can write the stores
    cannot: against them only --expect helps.
    """
    with session.office() as (office, _):
        found = verified(office.store, None if expect is None else mark_from(expect))
    if as_json:
        session.screen.json(
            {
                "lines": found.lines,
                "forgotten": found.forgotten,
                "end": mark_as_text(found.end),
                "faults": list(found.faults),
            }
        )
    else:
        older = f", {found.forgotten} older ones were removed for their age" * bool(found.forgotten)
        for each in found.faults:
            session.screen.line(plain(f"! {each}", "red"))
        state = "is not as it was written" if found.faults else "is as it was written"
        session.screen.line(f"the audit log {state}: {found.lines} lines{older}")
        session.screen.line(f"end {mark_as_text(found.end)}")
    return FAILED if found.faults else OK


@audit_command.command("forget", examples=["taskmgr audit forget --days 400"])
@click.option("--days", type=click.FloatRange(0), required=True, help="Lines that are older go.")
@json_option
@click.pass_obj
def forget_command(session: Session, days: float, as_json: bool) -> None:
    """Remove the oldest lines of the audit log; that is written down, too."""
    with session.office() as (_, admin):
        forgotten = admin.forget_audit(days)
    if as_json:
        session.screen.json({"forgotten": forgotten})
        return
    session.screen.line(f"{forgotten} lines are removed")


def _said(line: AuditLine) -> AuditEntry:
    """What a line says; of one that cannot be read that."""
    try:
        return entry_from(line)
    except DamagedRecordError as error:
        return AuditEntry(line.at, "", "", line.workspace, "", "", "failed", "", error.fault)


def _view(line: AuditLine) -> dict[str, Any]:
    said = attrs.asdict(_said(line))
    return {"number": line.number, **said, "at": moment(line.at)}
