"""``taskmgr logs``."""

from __future__ import annotations

import json

import click
from rich.text import Text

from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.options import run_argument
from taskmgr_core.cli.screen import Screen
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.views import log_view
from taskmgr_core.report.formats import printable
from taskmgr_core.specs import LogLine

_STYLES = {"stderr": "yellow", "taskmgr": "cyan"}


@click.command(
    "logs",
    cls=Command,
    examples=[
        "taskmgr logs 3f9a2c1b",
        "taskmgr logs 3f9a2c1b --follow",
        "taskmgr logs 3f9a2c1b --json | jq -r '.lines[].text'",
    ],
)
@run_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON value; with --follow one on each line.",
)
@click.pass_obj
def logs_command(session: Session, run: str, follow: bool, as_json: bool) -> None:
    """Print what the tasks of a run wrote.

    Each line stands behind its step. What a task wrote to stderr is yellow,
    what taskmgr has to say of it is cyan.
    """
    with session.client() as client:
        lines = client.logs(run, follow=follow)
        if as_json and not follow:
            session.screen.json({"lines": [log_view(each) for each in lines]})
            return
        for each in lines:
            if as_json:
                click.echo(json.dumps(log_view(each), ensure_ascii=False))
            else:
                _print(session.screen, each)


def _print(screen: Screen, line: LogLine) -> None:
    text = Text()
    text.append(f"{line.step} ", style="dim")
    text.append(printable(line.text.expandtabs()), style=_STYLES.get(line.stream, ""))
    screen.line(text)
