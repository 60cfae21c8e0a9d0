"""How a command ends: exit codes, and what is said of an error."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from taskmgr_core.cli.streams import StdoutError

OK = 0
FAILED = 1
BAD_INPUT = 2
TROUBLE = 3
INTERRUPTED = 130
UNREAD = 141

MEANINGS = [
    ("0", "all went well"),
    ("1", "a run failed or was cancelled, or something is not as it should be"),
    ("2", "wrong usage, or input that cannot be used"),
    ("3", "the platform is in trouble: a store, an artifact, a virtualenv, a bug"),
    ("130", "interrupted with Ctrl-C"),
    ("141", "nobody reads stdout any more, as behind `head`"),
]


class Given:
    """The options of the whole command line, read again for an error before or after parsing."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.debug = "--debug" in arguments
        self.json = "--json" in itertools.takewhile(lambda each: each != "--", arguments)
        self.home = _option(arguments, "--home")


def code_of(error: Exception) -> int:
    """The exit code for an error."""
    return _kind_of(error)[1]


def _kind_of(error: Exception) -> tuple[str, int]:
    """What programs call an error, and its exit code."""
    # Imported here, because the help needs none of it and must be quick.
    from taskmgr_core import errors
    from taskmgr_plugins.errors import InvalidInputError, TaskDefinitionError, TaskmgrError

    if isinstance(error, click.ClickException):
        return "usage", error.exit_code
    if isinstance(error, errors.RunnerError):
        return error.code, FAILED
    kinds: tuple[tuple[type[Exception], str, int], ...] = (
        (errors.InvalidValueError, "invalid-value", BAD_INPUT),
        (errors.InvalidPipelineError, "invalid-pipeline", BAD_INPUT),
        (errors.SettingsError, "settings", BAD_INPUT),
        (errors.NotFoundError, "not-found", BAD_INPUT),
        (errors.ConflictError, "conflict", BAD_INPUT),
        (errors.PublishError, "publish", BAD_INPUT),
        (errors.SigningKeyError, "key", BAD_INPUT),
        (InvalidInputError, "invalid-input", BAD_INPUT),
        (TaskDefinitionError, "task-definition", BAD_INPUT),
        (errors.EnvironmentBuildError, "environment", TROUBLE),
        (errors.ArtifactError, "artifact", TROUBLE),
        (errors.SignatureError, "signature", TROUBLE),
        (errors.StoreError, "store", TROUBLE),
        (TaskmgrError, "platform", TROUBLE),
    )
    found = (each[1:] for each in kinds if isinstance(error, each[0]))
    return next(found, ("internal", TROUBLE))


def report_as_json(error: Exception) -> None:
    """Say what went wrong as one JSON value on stdout, on one line."""
    message = error.format_message() if isinstance(error, click.ClickException) else str(error)
    problems = [
        {"place": each.place, "message": each.message} for each in getattr(error, "problems", ())
    ]
    told = {"code": _kind_of(error)[0], "message": message, "problems": problems}
    click.echo(json.dumps({"error": told}, ensure_ascii=False))


def report(error: Exception, given: Given) -> int:
    """Say what went wrong on stderr.

    Arguments:
        error: what a command raised.
        given: the options of the command line.

    Returns:
        The exit code.
    """
    from taskmgr_core import errors  # the help needs none of it

    if isinstance(error, click.ClickException):
        return _report_usage(error)
    text = "".join(traceback.format_exception(error))
    if given.debug:
        click.echo(text, err=True)
    if isinstance(error, errors.TaskmgrError):
        say_error(str(error))
    elif advice := errors.advice_for(error):
        say_error(f"{error}; {advice}")
    else:
        say_error(f"this is a bug in taskmgr, sorry: {type(error).__name__}: {error}")
        click.echo(f"The traceback is in {_keep(text, given)}; please report it.", err=True)
    return code_of(error)


def report_stdout(error: StdoutError) -> int:
    """Say that stdout cannot be written; not where its reader has left, who wants no more.

    Returns:
        The exit code.
    """
    if error.reason.errno == errno.EPIPE:
        return UNREAD
    say_error(str(error))
    return TROUBLE


def _report_usage(error: click.ClickException) -> int:
    context = getattr(error, "ctx", None)
    if context is not None:
        click.echo(f"{context.get_usage()}\nSee '{context.command_path} --help'.\n", err=True)
    say_error(error.format_message())
    return error.exit_code


def say_error(message: str) -> None:
    """``error: ...`` on stderr, red on a terminal."""
    click.echo(f"{click.style('error:', fg='red', bold=True)} {message}", err=True, color=_color())


def say_note(message: str) -> None:
    """``note: ...`` on stderr."""
    click.echo(f"{click.style('note:', fg='yellow')} {message}", err=True, color=_color())


def _color() -> bool | None:
    """click knows terminals, not NO_COLOR."""
    return False if os.environ.get("NO_COLOR") else None


def _keep(text: str, given: Given) -> Path:
    """Write a traceback into the home's logs, or where that cannot be, among temporary files."""
    name = f"taskmgr-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.getpid()}.log"
    with contextlib.suppress(Exception):
        folder = _home(given) / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_text(text)
        return path
    path = Path(tempfile.gettempdir()) / name
    path.write_text(text)
    return path


def _home(given: Given) -> Path:
    from taskmgr_core.settings import load  # the help needs none of it

    return load(os.environ, Path.cwd(), given.home).home


def _option(arguments: Sequence[str], name: str) -> Path | None:
    for index, each in enumerate(arguments):
        if each.startswith(f"{name}="):
            return Path(each.partition("=")[2])
        if each == name and index + 1 < len(arguments):
            return Path(arguments[index + 1])
    return None
