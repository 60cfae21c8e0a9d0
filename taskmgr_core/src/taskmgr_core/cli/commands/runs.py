"""``taskmgr runs`` and ``taskmgr cancel``."""

from __future__ import annotations

import time
from typing import cast, get_args

import click
from rich.text import Text

from taskmgr_core.cli import completing
from taskmgr_core.cli.endings import FAILED, OK
from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.options import json_option, run_argument
from taskmgr_core.cli.screen import NOTHING, Screen, ago, plain, short_id, table, took
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.views import summary_view
from taskmgr_core.client import Client
from taskmgr_core.report.formats import shortened
from taskmgr_core.specs import FINAL_RUN_STATUSES, RunStatus, RunSummary
from taskmgr_core.stores.metadata import RunFilter

CANCEL_SECONDS = 5.0
LOOK_SECONDS = 0.25
ERROR_LENGTH = 60


@click.command(
    "runs",
    cls=Command,
    examples=[
        "taskmgr runs",
        "taskmgr runs --status failed --limit 5",
        "taskmgr runs --task face_processing --json",
    ],
)
@click.option("--status", type=click.Choice(get_args(RunStatus)), help="Only these.")
@click.option(
    "--task",
    metavar="NAME",
    help="Only runs of this task or pipeline.",
    shell_complete=completing.names,
)
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="How many at most.",
)
@click.option(
    "--before",
    metavar="RUN",
    help="Only runs older than this one: the next page.",
    shell_complete=completing.run_ids,
)
@json_option
@click.pass_obj
def runs_command(
    session: Session,
    status: str | None,
    task: str | None,
    limit: int,
    before: str | None,
    as_json: bool,
) -> None:
    """List runs, newest first."""
    with session.client() as client:
        older_than = client.metadata.summary(before).id if before else None
        wanted = RunFilter(cast("RunStatus | None", status), task, older_than, limit)
        found = client.runs(wanted)
    if as_json:
        session.screen.json({"runs": [summary_view(each) for each in found]})
        return
    if not found:
        session.screen.line("no runs" if wanted == RunFilter(limit=limit) else "no such runs")
        return
    _print(session.screen, found)
    if len(found) == limit:
        session.screen.err.print(
            plain(f"the next page: --before {short_id(found[-1].id)}", "dim"), soft_wrap=True
        )


def _print(screen: Screen, found: list[RunSummary]) -> None:
    names = ("run", "name", "status", "steps", "age", "time")
    failed = any(each.failure for each in found)
    shown = table(
        *(*names, "error") if failed else names, right=("steps", "age", "time"), whole=names
    )
    for run in found:
        done = sum(count for name, count in run.steps.items() if name == "succeeded")
        cells: list[str | Text] = [
            short_id(run.id),
            plain(run.name),
            screen.status(run.status),
            f"{done}/{sum(run.steps.values())}",
            ago(run.created_at),
            took(run.created_at, run.finished_at),
        ]
        if failed:
            message = run.failure.message if run.failure else ""
            cells.append(plain(shortened(message, ERROR_LENGTH), "dim"))
        shown.add_row(*cells)
    screen.print(shown)


executions_command = Command(
    name="executions",
    callback=runs_command.callback,
    params=runs_command.params,
    help="The same as runs: list runs, newest first.",
    examples=["taskmgr executions", "taskmgr executions --status failed"],
)


@click.command(
    "cancel",
    cls=Command,
    examples=["taskmgr cancel 3f9a2c1b"],
)
@run_argument
@json_option
@click.pass_obj
def cancel_command(session: Session, run: str, as_json: bool) -> int:
    """Cancel a run.

    What has not begun does not begin; what runs is killed. A run that has
    ended stays as it is, and the exit code is 1.
    """
    with session.client() as client:
        ended = client.metadata.summary(run).status in FINAL_RUN_STATUSES
        found = client.cancel(run)
        if not ended:
            found = _settled(client, found)
    if as_json:
        session.screen.json({"run_id": found.id, "status": found.status})
    else:
        session.screen.line(_said(found, ended), "")
    return OK if found.status in ("cancelled", "running") else FAILED


def _settled(client: Client, run: RunSummary) -> RunSummary:
    """The run once its workers have stopped, or after a while."""
    deadline = time.monotonic() + CANCEL_SECONDS
    while run.status not in FINAL_RUN_STATUSES and time.monotonic() < deadline:
        seen = client.queue.changes()
        run = client.metadata.summary(run.id)
        if run.status not in FINAL_RUN_STATUSES:
            client.queue.wait(seen, LOOK_SECONDS)
    return run


def _said(run: RunSummary, ended: bool) -> str:
    if ended:
        return f"run {short_id(run.id)} has ended already: {run.status}"
    if run.status == "running":
        return f"run {short_id(run.id)} is to be cancelled; it is as soon as its worker hears of it"
    return f"run {short_id(run.id)} is {run.status}" if run.id else NOTHING
