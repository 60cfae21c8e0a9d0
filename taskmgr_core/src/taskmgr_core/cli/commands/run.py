"""``taskmgr run``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from taskmgr_core.cli import completing
from taskmgr_core.cli.arguments import INPUTS_HELP, read_inputs
from taskmgr_core.cli.endings import FAILED, OK
from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.leaving import interruptible
from taskmgr_core.cli.options import json_option, png_option, report_option, save_option
from taskmgr_core.cli.paths import pipeline_or_name
from taskmgr_core.cli.session import Session
from taskmgr_core.client import Client
from taskmgr_core.run_ids import new_run_id
from taskmgr_core.specs import GraphStep, refreshed


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
@click.option(
    "--version", "version", metavar="V", help="The version of a task; else the highest final one."
)
@click.option("--no-wait", is_flag=True, help="Submit only, and print the run's id.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Wait so long at most; a run that only this command carries out is cancelled then.",
)
@click.option(
    "--no-cache", is_flag=True, help="Compute every step, and replace what is cached of them."
)
@json_option
@report_option
@png_option
@save_option
@click.pass_obj
def run_command(
    session: Session,
    name: str,
    inputs: tuple[str, ...],
    version: str | None,
    no_wait: bool,
    timeout: float | None,
    no_cache: bool,
    as_json: bool,
    report: Path | None,
    png: Path | None,
    save: Path | None,
) -> int:
    """Run a task or pipeline and print its result.

    When no worker is alive that could do it, this command does it itself.
    """
    if no_wait and (timeout or report or png or save):
        raise click.UsageError("--no-wait goes with none of --timeout, --report, --png and --save")
    with session.client() as client:
        run_id = new_run_id()
        with interruptible(client, run_id):
            submitted(client, run_id, name, inputs, version, no_cache=no_cache)
            if no_wait:
                session.screen.submitted(run_id, as_json=as_json)
                return OK
            # A worker has the step by now, and starts its process while this is imported.
            from taskmgr_core.cli.pictures import write_files
            from taskmgr_core.cli.runs_view import print_run
            from taskmgr_core.cli.views import run_view
            from taskmgr_core.cli.waiting import waited

        code = waited(client, session.screen, run_id, timeout)
        detail = client.detail(run_id)
        if as_json:
            session.screen.json(run_view(detail))
        elif code is None:
            print_run(session.screen, detail)
        if code is not None or detail.result is None:
            return code or FAILED
        write_files(session.screen, detail, client.artifacts.local_path, report, png, save)
    return OK


def submitted(
    client: Client,
    run_id: str,
    name: str,
    words: Sequence[str],
    version: str | None = None,
    *,
    no_cache: bool = False,
) -> None:
    """Submit a run as it was typed, with an id as ``new_run_id`` makes them."""
    what = pipeline_or_name(name, client.metadata)
    graph = client.graph(what, version, run_id)
    graph = refreshed(graph) if no_cache else graph
    given: dict[str, Any] = read_inputs(graph.inputs, words, client.reader.working, graph.optional)
    client.submit(what, given, version, graph, run_id)
    if version is not None and (reason := client.metadata.route(name).yanked.get(version)):
        click.echo(f"{name} {version} is yanked: {reason}", err=True)
    for step in client.unserved(graph):
        click.echo(_waits_for_resources(step), err=True)


def _waits_for_resources(step: GraphStep) -> str:
    wanted = ",".join(f"{name}={units}" for name, units in sorted(step.resources.items()))
    return (
        f"step {step.id} ({step.task}) waits: it needs {wanted} in queue {step.queue}, and no "
        f"worker that is alive offers that; start one with: taskmgr worker start --resources "
        f"{wanted} (or set TASKMGR_RESOURCES={wanted}, and this machine does it itself)"
    )
