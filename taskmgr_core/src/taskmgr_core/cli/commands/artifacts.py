"""``taskmgr artifacts``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from taskmgr_core.cli.groups import Group
from taskmgr_core.cli.options import dry_run_option, json_option, limit_of, size_option
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.views import moment
from taskmgr_core.report.formats import counted, duration, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskmgr_core.stores.local_files import LocalFile


@click.group(
    "artifacts", cls=Group, examples=["taskmgr artifacts gc --dry-run", "taskmgr artifacts gc"]
)
def artifacts_command() -> None:
    """The stored files: remove those that nobody needs.

    They are wheels, locks, weights, what was handed in and what was made, each
    once, under its digest.
    """


@artifacts_command.command(
    "gc",
    examples=["taskmgr artifacts gc --dry-run", "taskmgr artifacts gc --size 5000"],
)
@size_option
@dry_run_option
@json_option
@click.pass_obj
def gc_command(session: Session, megabytes: int | None, dry_run: bool, as_json: bool) -> None:
    """Remove stored files of this machine that nobody needs. Safe at any time.

    Where the files are in S3, this machine has copies: the least recently used
    go until the rest is small enough, by --size or the setting cache_mb. None
    that a running step uses, or that was used a moment ago, is among them.

    Where they are only here, what no task, pipeline or run refers to goes, when
    it is older than an hour and nothing is under way that may still record it:
    what is left of publications and attempts that failed. --size is not for that.
    """
    settings = session.settings()
    if settings.artifacts_url:
        limit = limit_of(megabytes, settings.cache_mb, "cache_mb")
        removed = _collect_copies(session, limit, dry_run)
    elif megabytes is not None:
        raise click.UsageError(
            "--size is for copies of what is in S3; the files here are the only ones, and those "
            "that something refers to stay"
        )
    else:
        removed = _collect_orphans(session, dry_run)
    if as_json:
        session.screen.json({"removed": [_view(each) for each in removed], "dry_run": dry_run})
    else:
        _say(session, removed, dry_run, copies=bool(settings.artifacts_url))


def _collect_copies(session: Session, limit: int, dry_run: bool) -> Sequence[LocalFile]:
    from taskmgr_core.stores.collecting import collect_copies

    return collect_copies(session.models().artifacts, limit, dry_run=dry_run)


def _collect_orphans(session: Session, dry_run: bool) -> Sequence[LocalFile]:
    from taskmgr_core.stores.collecting import collect_orphans

    with session.client() as client:
        return collect_orphans(client.artifacts, client.metadata.mentioned, dry_run=dry_run)


def _say(session: Session, removed: Sequence[LocalFile], dry_run: bool, *, copies: bool) -> None:
    for each in removed if dry_run else ():
        unused = duration(max(time.time() - each.used, 0))
        session.screen.line(f"{each.digest}  {size(each.size)}  unused for {unused}")
    what = counted(len(removed), "file")
    total = size(sum(each.size for each in removed))
    if removed:
        session.screen.line(
            f"{what}, {total}, would be removed" if dry_run else f"removed {what}, {total}"
        )
    elif copies:
        session.screen.line("nothing to remove: the rest is small enough, or in use")
    else:
        session.screen.line("nothing to remove: something refers to every file, or it is new")


def _view(file: LocalFile) -> dict[str, object]:
    return {"digest": file.digest, "size_bytes": file.size, "last_used": moment(file.used)}
