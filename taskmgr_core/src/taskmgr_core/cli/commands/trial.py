"""``taskmgr test``."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from taskmgr_core.cases import read_cases
from taskmgr_core.cli import completing
from taskmgr_core.cli.arguments import INPUTS_HELP
from taskmgr_core.cli.endings import FAILED, OK, say_note
from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.options import json_option, tolerance_option
from taskmgr_core.cli.publishing_view import PublishProgress
from taskmgr_core.cli.screen import Screen
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.trial_view import (
    Lines,
    cases_folder,
    cases_view,
    print_cases,
    print_tried,
    tried_view,
    try_case,
    try_once,
)
from taskmgr_core.errors import NotFoundError
from taskmgr_core.specs import TaskVersion
from taskmgr_core.trial import Trial


@click.command(
    "test",
    cls=Command,
    examples=[
        "taskmgr test plugins/text_sentiment text='What a day!'",
        "taskmgr test face_detection photo.jpg",
        "taskmgr test word_count/ word_count/cases",
        "taskmgr test my_plugin @inputs.json --task second --json",
    ],
)
@click.argument(
    "task",
    help="A published task, or the path of a plugin's folder or wheel.",
    shell_complete=completing.tasks,
)
@click.argument(
    "inputs",
    nargs=-1,
    help=f"{INPUTS_HELP} Or a folder of cases: NAME/input.json and NAME/expected.json.",
    shell_complete=completing.fields,
)
@click.option("--task", "chosen", metavar="NAME", help="Which task of a plugin that has several.")
@click.option(
    "--version", metavar="V", help="The version of a published task; else the highest final one."
)
@tolerance_option
@json_option
@click.pass_obj
def test_command(
    session: Session,
    task: str,
    inputs: tuple[str, ...],
    chosen: str | None,
    version: str | None,
    tolerance: float,
    as_json: bool,
) -> int:
    """Try a task out, once or on its cases; record nothing.

    It runs in its own virtualenv. A plugin that is given by its path is built,
    locked and loaded as publishing does it, without being published. What the
    task writes is told on stderr; when it fails, its own traceback is, and the
    exit code is 1. So it is when the outputs of a case are not what it expects.
    """
    cases = cases_folder(inputs, Path.cwd())
    platform, screen = session.platform(), session.screen
    try:
        with Trial(platform) as trial:
            found = _found(trial, screen, task, chosen, version)
            if cases is None:
                return _run_once(trial, screen, found, inputs, as_json)
            return _run_cases(trial, screen, found, cases, tolerance, as_json)
    finally:
        platform.queue.close()
        platform.metadata.close()


def _run_once(
    trial: Trial, screen: Screen, found: TaskVersion, inputs: tuple[str, ...], as_json: bool
) -> int:
    lines = Lines(screen)
    tried = try_once(trial, found, inputs, lines)
    if as_json:
        screen.json({**tried_view(tried), "lines": lines.kept})
    else:
        print_tried(screen, tried)
    return OK if tried.outcome.status == "succeeded" else FAILED


def _run_cases(
    trial: Trial,
    screen: Screen,
    found: TaskVersion,
    folder: Path,
    tolerance: float,
    as_json: bool,
) -> int:
    lines = Lines(screen)
    judged = [try_case(trial, found, each, tolerance, lines) for each in read_cases(folder)]
    if as_json:
        screen.json({**cases_view(found, judged), "lines": lines.kept})
    else:
        print_cases(screen, judged)
    return OK if all(each.passed for each in judged) else FAILED


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
