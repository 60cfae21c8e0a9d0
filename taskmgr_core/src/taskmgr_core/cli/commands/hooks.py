"""``taskmgr hooks``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import attrs
import click

from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.screen import NOTHING, Screen, plain, table
from taskmgr_core.cli.session import Session
from taskmgr_core.specs import PluginState

HERE = "here"


@click.command("hooks", cls=Command, examples=["taskmgr hooks", "taskmgr hooks --json"])
@json_option
@click.pass_obj
def hooks_command(session: Session, as_json: bool) -> None:
    """List the hook plugins, and how they are.

    Imports those that the setting hooks allows, and asks the workers that are
    alive how theirs are: how often they were called, and what went wrong.
    """
    platform = session.platform()
    logging.getLogger("taskmgr_core.hooks").setLevel(logging.ERROR)  # all of it is told below
    try:
        here = platform.hooks.states(load=True)
        unknown = platform.hooks.not_installed()
        workers = platform.hook_states_of_workers()
    finally:
        platform.hooks.close()
        platform.queue.close()
        platform.metadata.close()
    if as_json:
        session.screen.json(
            {
                "plugins": [attrs.asdict(each) for each in here],
                "workers": {
                    worker: [attrs.asdict(each) for each in states]
                    for worker, states in workers.items()
                },
                "not_installed": list(unknown),
            }
        )
        return
    _print(session.screen, {HERE: here, **workers})
    for name in unknown:
        session.screen.line(plain(f"the setting hooks names {name!r}, which is not installed"))


def _print(screen: Screen, places: Mapping[str, Any]) -> None:
    shown = table(
        "plugin", "", "where", "from", "hooks", "calls", "failed", "dropped",
        right=("calls", "failed", "dropped"), whole=("plugin", "", "calls", "failed", "dropped"),
    )  # fmt: skip
    for place, states in places.items():
        for each in states:
            shown.add_row(
                plain(each.name),
                plain(each.state, "" if each.is_well else "bold red"),
                plain(place),
                plain(each.source),
                plain("\n".join(each.hooks) or NOTHING),
                *(str(count) for count in (each.called, each.failed, each.dropped)),
            )
    screen.print(shown)
    for place, states in places.items():
        for each in states:
            if message := _message(each):
                screen.line(plain(f"{each.name} ({place}): {message}"))


def _message(state: PluginState) -> str:
    return "" if state.state == "off" else state.message
