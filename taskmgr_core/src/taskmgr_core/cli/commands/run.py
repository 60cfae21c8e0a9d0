"""``taskmgr run``."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from taskmgr_core.cli import completing
from taskmgr_core.cli.arguments import INPUTS_HELP, read_inputs
from taskmgr_core.cli.endings import FAILED, INTERRUPTED, OK, say_error, say_note
from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.live import RunProgress
from taskmgr_core.cli.options import json_option, png_option, report_option
from taskmgr_core.cli.paths import pipeline_or_name
from taskmgr_core.cli.pictures import write_files
from taskmgr_core.cli.results_view import print_result
from taskmgr_core.cli.screen import Screen, plain, short_id
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.views import failure_of, run_view
from taskmgr_core.client import Client, RunTimeoutError
from taskmgr_core.report.formats import duration
from taskmgr_core.results import present
from taskmgr_core.specs import Run, RunDetail
from taskmgr_core.summary import timing_of


@click.command(
    "run",
    cls=Command,
    examples=[
        "taskmgr run face_processing image=photo.jpg",
        "taskmgr run face_processing image=photo.jpg --report report.html --png faces.png",
        "taskmgr run text_sentiment text='What a day!' --json",
        "taskmgr run pipelines/face_processing.json @inputs.json",
        'taskmgr run face_processing \'{"image": "photo.jpg"}\' --no-wait',
    ],
)
@click.argument(
    "name",
    help="A published task or pipeline, or a pipeline file.",
    shell_complete=completing.names,
)
@click.argument("inputs", nargs=-1, help=INPUTS_HELP, shell_complete=completing.fields)
@click.option("--version", "version", metavar="V", help="The version of a task; else the latest.")
@click.option("--no-wait", is_flag=True, help="Submit only, and print the run's id.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Wait so long at most; a run that only this command carries out is cancelled then.",
)
@json_option
@report_option
@png_option
@click.pass_obj
def run_command(
    session: Session,
    name: str,
    inputs: tuple[str, ...],
    version: str | None,
    no_wait: bool,
    timeout: float | None,
    as_json: bool,
    report: Path | None,
    png: Path | None,
) -> int:
    """Run a task or pipeline and print its result.

    When no worker is alive that could do it, this command does it itself.
    """
    if no_wait and (timeout or report or png):
        raise click.UsageError("--no-wait goes with none of --timeout, --report and --png")
    with session.client() as client:
        run_id = submitted(client, name, inputs, version)
        if no_wait:
            if as_json:
                session.screen.json({"run_id": run_id, "status": "running"})
            else:
                session.screen.line(run_id)
            return OK
        code = waited(client, session.screen, run_id, timeout)
        detail = client.detail(run_id)
        if as_json:
            session.screen.json(run_view(detail))
        elif code is None:
            print_run(session.screen, detail)
        if code is not None or detail.run.status != "succeeded":
            return code or FAILED
        write_files(session.screen, detail, client.artifacts.local_path, report, png)
    return OK


def submitted(client: Client, name: str, words: Sequence[str], version: str | None = None) -> str:
    """Submit a run as it was typed.

    Returns:
        The run's id.
    """
    what = pipeline_or_name(name)
    graph = client.graph(what, version)
    given: dict[str, Any] = read_inputs(graph.inputs, words, client.reader.working)
    return client.submit(what, given, version)


def waited(client: Client, screen: Screen, run_id: str, timeout: float | None = None) -> int | None:
    """Wait for a run to end, showing its steps.

    Returns:
        The exit code when it did not end; None when it did.
    """
    try:
        with RunProgress(screen) as progress:
            client.wait(run_id, timeout, progress.update)
    except RunTimeoutError:
        left = _leave(client, run_id)
        say_error(f"run {short_id(run_id)} has not ended within {timeout:g} s; {left}")
        return FAILED
    except KeyboardInterrupt:
        click.echo(f"\ninterrupted; {_leave(client, run_id)}", err=True)
        return INTERRUPTED
    return None


def _leave(client: Client, run_id: str) -> str:
    """Give up a run: what only this process carries out is cancelled.

    Returns:
        What becomes of it.
    """
    if not _works_here(client):
        return f"it goes on: taskmgr show {short_id(run_id)}"
    client.cancel(run_id)
    ended: Run = client.wait(run_id)
    return f"run {short_id(run_id)} is {ended.status}"


def _works_here(client: Client) -> bool:
    """Whether this process has a worker of its own."""
    here = (socket.gethostname(), os.getpid())
    return any((each.host, each.pid) == here for each in client.workers())


def print_run(screen: Screen, detail: RunDetail) -> None:
    """What came of a run: its result, or why there is none."""
    run = detail.run
    if detail.result is None:
        print_failure(screen, detail)
        return
    result = dict(present(detail.result))
    if run.kind == "pipeline":
        result.pop("processing_summary", None)
    print_result(screen, result)
    timing = timing_of(run, detail.steps)
    speed = f", parallel {timing.speedup:.2f}x" if len(detail.steps) > 1 else ""
    note = f"run {short_id(run.id)}  {duration(timing.total)}{speed}"
    if screen.live:
        screen.err.print("", plain(note, "dim"), sep="\n")


def print_failure(screen: Screen, detail: RunDetail) -> None:
    """Why a run has no result, with the task's own traceback, on stderr."""
    run = detail.run
    if run.status == "running":
        say_note(f"run {short_id(run.id)} has not ended")
        return
    failed = next((each for each in detail.steps if each.status == "failed"), None)
    failure = failure_of(run, detail.steps)
    where = f" in step {failed.id} ({failed.task} {failed.version})" if failed else ""
    message = f": {failure.code}: {failure.message}" if failure else ""
    if failure and failure.traceback:
        screen.err.print(plain(failure.traceback.rstrip(), "dim"), soft_wrap=True)
    say_error(f"run {short_id(run.id)} {run.status}{where}{message}")
    screen.err.print(plain(f"its output: taskmgr logs {short_id(run.id)}", "dim"))
