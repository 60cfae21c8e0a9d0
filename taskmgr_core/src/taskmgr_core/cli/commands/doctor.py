"""``taskmgr doctor``."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import click
from rich.text import Text

from taskmgr_core.cli.checks import Finding, check_home, check_platform, check_services
from taskmgr_core.cli.endings import FAILED, OK
from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.screen import Screen, plain, table
from taskmgr_core.cli.session import Session
from taskmgr_core.errors import TaskmgrError


@click.command("doctor", cls=Command, examples=["taskmgr doctor", "taskmgr doctor --json"])
@json_option
@click.pass_obj
def doctor_command(session: Session, as_json: bool) -> int:
    """Check that everything is as it should be.

    Looks at the settings, the home and its room, the database and every record
    in it, the files of the published tasks, their signatures, the virtualenvs, uv and what it gets
    of pip's settings, the Pythons of this machine, and the workers. All files of
    the virtualenvs are read. On servers each is asked first, and nothing else is
    looked at while one is away. The exit code is 1 when there is a fault.
    """
    findings = list(_findings(session))
    if as_json:
        session.screen.json({"findings": [attrs.asdict(each) for each in findings]})
    else:
        _print(session.screen, findings)
    return FAILED if any(each.state == "fault" for each in findings) else OK


def _findings(session: Session) -> Iterator[Finding]:
    try:
        settings = session.settings()
    except TaskmgrError as error:
        yield Finding("settings", "fault", str(error))
        return
    yield Finding("settings", "ok", "every setting can be read")
    home = list(check_home(settings))
    yield from home
    if home[0].state == "fault":
        return
    if settings.metadata_url or settings.artifacts_url or settings.broker_url:
        services = list(check_services(settings))
        yield from services
        # What is not there cannot be looked at; each look would wait for it anew.
        if any(each.state == "fault" and each.check != "workers" for each in services):
            return
    try:
        platform = session.platform()
    except TaskmgrError as error:
        yield Finding("database", "fault", str(error))
        return
    try:
        yield from check_platform(platform)
    finally:
        platform.queue.close()
        platform.metadata.close()


def _print(screen: Screen, findings: list[Finding]) -> None:
    shown = table("", "", "", whole=())
    shown.show_header = False
    for each in findings:
        message = Text.assemble(plain(each.message))
        if each.advice:
            message.append(f"\n{each.advice}", style="dim")
        shown.add_row(screen.status(each.state), plain(each.check), message)
    screen.print(shown)
    faults = sum(each.state == "fault" for each in findings)
    if faults:
        screen.line()
        screen.line(plain(f"{faults} to put right", "bold red"))
