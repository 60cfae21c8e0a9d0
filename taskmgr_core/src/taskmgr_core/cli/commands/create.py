"""``taskmgr create``."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import click

from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.paths import quoted
from taskmgr_core.cli.screen import plain
from taskmgr_core.cli.session import Session
from taskmgr_core.errors import ConflictError, TaskmgrError
from taskmgr_core.scaffold import TEMPLATES, Project, create_project


@click.command(
    "create",
    cls=Command,
    examples=[
        "taskmgr create word_count --author 'Ada Lovelace'",
        "taskmgr create topic --template ml --path plugins",
        "taskmgr create reading --template pipeline",
    ],
)
@click.argument("name", help="The task's name: lower-case letters, digits and single _.")
@click.option(
    "--template",
    type=click.Choice(list(TEMPLATES)),
    default="simple",
    show_default=True,
    help="A function; a class with a model; or two tasks and a pipeline.",
)
@click.option("--author", help="Who holds the copyright; by default git's user.name.")
@click.option(
    "--path",
    type=click.Path(file_okay=False, path_type=Path),
    default=".",
    help="The folder in which the project's own is made; by default this one.",
)
@click.pass_obj
def create_command(
    session: Session, name: str, template: str, author: str | None, path: Path
) -> None:
    """Write a new plugin project that works as it is.

    It has a typed task, tests, a README, a licence (MIT) and settings for ruff
    and mypy. It passes its own tests, and can be published at once.
    """
    _check_not_published(session, name, template)
    project = create_project(name, template, author or _git_author(), path, datetime.now(UTC).year)
    session.screen.line(plain(f"{project.folder} is made:", "bold"))
    for each in project.files:
        session.screen.line(plain(f"  {each}", "dim"))
    session.screen.line()
    session.screen.line("next:")
    for line in _next(project, name):
        session.screen.line(plain(f"  {line}"))


def _next(project: Project, name: str) -> list[str]:
    folder = quoted(project.folder)
    pipeline = f" {quoted(project.folder / project.pipeline)}" if project.pipeline else ""
    return [
        f"cd {folder} && python -m pytest",
        f"taskmgr test {folder}/{project.test_more} {project.example_input}",
        f"taskmgr dev {folder}{project.dev_more}",
        f"taskmgr publish {folder}{pipeline}",
        f"taskmgr run {name} {project.example_input}",
    ]


def _check_not_published(session: Session, name: str, template: str) -> None:
    """Refuse names that are taken.

    Writing a project needs no home: where that cannot be asked, publishing will tell.
    """
    taken: set[str] = set()
    with contextlib.suppress(TaskmgrError, OSError):
        if session.settings().is_begun:
            with session.client() as client:
                taken = {each.name for each in client.tasks()}
                taken |= {each.pipeline for each in client.pipelines()}
    wanted = {each.format(name=name) for each in TEMPLATES[template].tasks} | {name}
    for each in sorted(wanted & taken):
        raise ConflictError(
            f"{each!r} is the name of a published task or pipeline already; choose another"
        )


def _git_author() -> str:
    git = shutil.which("git")
    if git is not None:
        done = subprocess.run(
            [git, "config", "--get", "user.name"], capture_output=True, text=True, check=False
        )
        if done.stdout.strip():
            return done.stdout.strip()
    raise click.UsageError("say who the author is: --author 'Ada Lovelace'")
