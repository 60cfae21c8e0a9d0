"""``taskmgr config``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs
import click

from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.screen import plain, table
from taskmgr_core.cli.session import Session
from taskmgr_core.settings import Source, explain


@click.command(
    "config",
    cls=Command,
    examples=["taskmgr config", "TASKMGR_SLOTS=2 taskmgr config --json"],
)
@json_option
@click.pass_obj
def config_command(session: Session, as_json: bool) -> None:
    """Show every setting and where it comes from.

    A setting is taken from its environment variable, else from config.toml in
    the home, else it has its default. Variables such as MONGODB_HOST and
    REDIS_PASSWORD stand in for an address that is not set. Passwords and keys
    are never shown.
    """
    found = explain(os.environ, Path.cwd(), session.home)
    if as_json:
        session.screen.json(
            {
                "settings": [
                    {
                        "name": each.name,
                        "value": _for_json(each),
                        "origin": each.origin,
                        "variable": each.variable,
                        "help": each.help,
                    }
                    for each in found
                ]
            }
        )
        return
    shown = table("setting", "value", "from", "variable", "meaning", whole=("setting", "variable"))
    for each in found:
        style = "" if each.origin == "default" else "bold"
        shown.add_row(
            plain(each.name, style),
            plain(each.shown, style),
            plain(each.origin, "dim" if each.origin == "default" else ""),
            plain(each.variable, "dim"),
            plain(each.help),
        )
    session.screen.print(shown)


def _for_json(source: Source) -> Any:
    """The value; as a text where it is no number, without passwords."""
    if isinstance(source.value, dict):
        return {name: attrs.asdict(each) for name, each in source.value.items()}
    return source.value if isinstance(source.value, int | float) else source.shown
