"""``taskmgr test``."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import click

from taskmgr_core.cli import completing
from taskmgr_core.cli.arguments import INPUTS_HELP, read_inputs
from taskmgr_core.cli.cells import exact, is_records
from taskmgr_core.cli.endings import FAILED, OK, say_error, say_note
from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.publishing_view import PublishProgress
from taskmgr_core.cli.results_view import print_result
from taskmgr_core.cli.screen import Screen, plain, table
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.views import failure_view
from taskmgr_core.errors import NotFoundError
from taskmgr_core.orchestrator.graph import compile_task
from taskmgr_core.report.formats import duration
from taskmgr_core.results import present
from taskmgr_core.specs import TaskVersion
from taskmgr_core.trial import Trial, Tried


@click.command(
    "test",
    cls=Command,
    examples=[
        "taskmgr test plugins/text_sentiment text='What a day!'",
        "taskmgr test face_detection image=photo.jpg",
        "taskmgr test my_plugin @inputs.json --task second --json",
    ],
)
@click.argument(
    "task",
    help="A published task, or the path of a plugin's folder or wheel.",
    shell_complete=completing.tasks,
)
@click.argument("inputs", nargs=-1, help=INPUTS_HELP, shell_complete=completing.fields)
@click.option("--task", "chosen", metavar="NAME", help="Which task of a plugin that has several.")
@click.option(
    "--version", metavar="V", help="The version of a published task; else the highest final one."
)
@json_option
@click.pass_obj
def test_command(
    session: Session,
    task: str,
    inputs: tuple[str, ...],
    chosen: str | None,
    version: str | None,
    as_json: bool,
) -> int:
    """Run a task once in its own virtualenv; record nothing.

    A plugin that is given by its path is built, locked and loaded as publishing
    does it, without being published. What the task writes is told on stderr;
    when it fails, its own traceback is, and the exit code is 1.
    """
    platform = session.platform()
    try:
        with Trial(platform) as trial:
            found = _found(trial, session.screen, task, chosen, version)
            given = read_inputs(compile_task(found).inputs, inputs, Path.cwd())
            lines: list[dict[str, str]] = []
            tried = trial.run(found, given, lambda more: _tell(session.screen, lines, more))
    finally:
        platform.queue.close()
        platform.metadata.close()
    if as_json:
        session.screen.json({**_view(tried), "lines": lines})
    else:
        _print(session.screen, tried)
    return OK if tried.outcome.status == "succeeded" else FAILED


def _found(
    trial: Trial, screen: Screen, task: str, chosen: str | None, version: str | None
) -> TaskVersion:
    """A published task by its name; else the task of the plugin at that path."""
    path = Path(task)
    if "/" not in task and not path.exists():
        return trial.published(task, version)
    if "/" not in task and path.suffix != ".whl":
        with contextlib.suppress(NotFoundError):  # then the folder of that name is meant
            published = trial.published(task, version)
            say_note(f"{task} as it is published; for the folder of that name: ./{task}")
            return published
    title = path.resolve().name
    with PublishProgress(screen, [title]) as progress:
        versions = trial.prepare(path, progress.of(title)).versions
    names = [each.name for each in versions]
    if chosen is None and len(versions) > 1:
        raise NotFoundError(f"{task} has several tasks; say which: --task {'|'.join(names)}")
    for each in versions:
        if chosen in (None, each.name):
            return each
    raise NotFoundError.named("task", str(chosen), names)


def _tell(screen: Screen, lines: list[dict[str, str]], more: Sequence[tuple[str, str]]) -> None:
    for stream, text in more:
        lines.append({"stream": stream, "text": text})
        screen.err.print(plain(text, "dim"), soft_wrap=True)


def _print(screen: Screen, tried: Tried) -> None:
    outcome, version = tried.outcome, tried.version
    times = ", ".join(f"{name} {duration(seconds)}" for name, seconds in outcome.seconds.items())
    if outcome.failure is None:
        _print_outputs(screen, tried)
    else:
        if outcome.failure.traceback:
            screen.err.print(plain(outcome.failure.traceback.rstrip()), soft_wrap=True)
        say_error(f"{version.name} {outcome.failure.code}: {outcome.failure.message}")
    screen.err.print(plain(times, "dim"), soft_wrap=True)


def _print_outputs(screen: Screen, tried: Tried) -> None:
    outputs = present(dict(tried.outputs))
    shown = table("output", "type", "value", whole=("output",))
    for name, value in outputs.items():
        shown.add_row(plain(name, "cyan"), plain(tried.types[name], "dim"), plain(exact(value)))
    screen.print(shown)
    print_result(screen, {name: value for name, value in outputs.items() if is_records(value)})


def _view(tried: Tried) -> dict[str, object]:
    return {
        "task": tried.version.name,
        "version": tried.version.version,
        "status": tried.outcome.status,
        "outputs": present(dict(tried.outputs)),
        "types": dict(tried.types),
        "seconds": dict(tried.outcome.seconds),
        "error": failure_view(tried.outcome.failure),
    }
