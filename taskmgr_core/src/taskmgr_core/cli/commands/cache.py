"""``taskmgr cache``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from taskmgr_core.cli import completing
from taskmgr_core.cli.groups import Group
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.screen import plain, table
from taskmgr_core.cli.session import Session
from taskmgr_core.operating import caching
from taskmgr_core.report.formats import counted, duration, size

if TYPE_CHECKING:
    from taskmgr_core.specs import CacheUse


@click.group(
    "cache", cls=Group, examples=["taskmgr cache stats", "taskmgr cache clear --task upscale"]
)
def cache_command() -> None:
    """The cached results of steps: what they spared, clear them.

    A task whose class says cache = "by-inputs" is not run again for inputs that
    one of its versions had before. What is kept goes after the setting cache_days.
    """


@cache_command.command(
    "stats", examples=["taskmgr cache stats", "taskmgr cache stats --json | jq '.tasks[].hits'"]
)
@json_option
@click.pass_obj
def stats_command(session: Session, as_json: bool) -> None:
    """Show how much is cached of each task, and what that has spared."""
    with session.client() as client:
        uses = caching.uses(client)
    if as_json:
        session.screen.json({"tasks": [_view(each) for each in uses]})
    elif not uses:
        session.screen.line('nothing is cached; a task asks for it with cache = "by-inputs"')
    else:
        shown = table(
            "task", "entries", "size", "hits", "spared", right=("entries", "size", "hits", "spared")
        )
        for each in uses:
            shown.add_row(
                plain(each.task),
                str(each.entries),
                size(each.size),
                str(each.hits),
                duration(each.saved),
            )
        session.screen.print(shown)


@cache_command.command(
    "clear", examples=["taskmgr cache clear", "taskmgr cache clear --task upscale --json"]
)
@click.option(
    "--task",
    metavar="NAME",
    help="Only what is cached of this task.",
    shell_complete=completing.names,
)
@json_option
@click.pass_obj
def clear_command(session: Session, task: str | None, as_json: bool) -> None:
    """Remove what is cached: the next runs compute it. What runs recorded stays."""
    with session.client() as client:
        cleared = caching.clear(client, task)
    if as_json:
        session.screen.json({"cleared": [_view(each) for each in cleared]})
    elif not cleared:
        session.screen.line("nothing was cached")
    else:
        count, total = sum(each.entries for each in cleared), sum(each.size for each in cleared)
        session.screen.line(f"cleared {counted(count, 'result')}, {size(total)}")


def _view(use: CacheUse) -> dict[str, Any]:
    return {
        "task": use.task,
        "entries": use.entries,
        "size_bytes": use.size,
        "hits": use.hits,
        "seconds_saved": use.saved,
    }
