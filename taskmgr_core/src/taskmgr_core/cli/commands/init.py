"""``taskmgr init``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from taskmgr_core.cli.checkout import find_checkout
from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.screen import plain
from taskmgr_core.cli.session import Session
from taskmgr_core.errors import NotFoundError, SettingsError
from taskmgr_core.scaffold.servers import write_compose
from taskmgr_core.settings import HOME_FOLDER
from taskmgr_core.stores.metadata import RunFilter

IGNORE = "# What taskmgr keeps is not for version control.\n*\n"


@click.command(
    "init",
    cls=Command,
    examples=["taskmgr init", "taskmgr init ~/experiments", "taskmgr init --compose servers"],
)
@click.argument(
    "path",
    type=click.Path(file_okay=False, path_type=Path),
    default=".",
    help="The folder; by default this one.",
)
@click.option(
    "--compose",
    is_flag=True,
    help="Write docker-compose.yml and .env with new passwords there, and nothing else.",
)
@click.pass_obj
def init_command(session: Session, path: Path, compose: bool) -> None:
    """Keep what taskmgr stores in this folder.

    Makes the folder .taskmgr. Every command that is given in this folder, or
    in one below it, finds it there. On servers it makes the bucket and the
    indexes, too. With --compose it writes what runs a team's servers with
    Docker Compose.
    """
    if compose:
        _write_compose(session, path.absolute())
        return
    home = path.absolute() / HOME_FOLDER
    there = home.is_dir()
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not there:
            (home / ".gitignore").write_text(IGNORE)
    except OSError as error:
        raise SettingsError(f"{home} cannot be made: {error.strerror or error}") from error
    platform = Session(home, session.debug).platform()
    platform.initialize()
    with platform.client() as client:
        tasks, pipelines = len(client.tasks()), len(client.pipelines())
        runs = bool(client.runs(RunFilter(limit=1)))
    session.screen.line(plain(f"{home} {'is there already' if there else 'is made'}"))
    if tasks or pipelines or runs:
        session.screen.line(f"it has {tasks} tasks, {pipelines} pipelines, {_some(runs)} runs")
    else:
        session.screen.line("next: taskmgr create NAME, then taskmgr publish NAME")


def _some(runs: bool) -> str:
    return "some" if runs else "no"


def _write_compose(session: Session, folder: Path) -> None:
    try:
        source, note = find_checkout(Path.cwd()).root, ""
    except NotFoundError:
        source, note = folder, "TASKMGR_SOURCE in it has to name a checkout of taskmgr"
    for path in write_compose(folder, source):
        session.screen.line(plain(f"{path} is written"))
    if note:
        session.screen.line(note)
    session.screen.line(plain(f"next: cd {shlex.quote(str(folder))}"))
    session.screen.line("      docker compose up --detach --build")
