"""How a command ends: exit codes, and what is said of an error."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

OK = 0
FAILED = 1
BAD_INPUT = 2
TROUBLE = 3
INTERRUPTED = 130

MEANINGS = [
    ("0", "all went well"),
    ("1", "a run failed or was cancelled, or something is not as it should be"),
    ("2", "wrong usage, or input that cannot be used"),
    ("3", "the platform is in trouble: a store, an artifact, a virtualenv, a bug"),
    ("130", "interrupted with Ctrl-C"),
]


class Given:
    """The options of the whole command line, read again for an error before or after parsing."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.debug = "--debug" in arguments
        self.home = _option(arguments, "--home")


def code_of(error: Exception) -> int:
    """The exit code for an error."""
    # Imported here, because the help needs none of it and must be quick.
    from taskmgr_core import errors
    from taskmgr_plugins.errors import InvalidInputError, TaskDefinitionError

    bad_input = (
        errors.InvalidValueError,
        errors.InvalidPipelineError,
        errors.SettingsError,
        errors.NotFoundError,
        errors.ConflictError,
        errors.PublishError,
        InvalidInputError,
        TaskDefinitionError,
    )
    if isinstance(error, bad_input):
        return BAD_INPUT
    return FAILED if isinstance(error, errors.RunnerError) else TROUBLE


def report(error: Exception, given: Given) -> int:
    """Say what went wrong on stderr.

    Arguments:
        error: what a command raised.
        given: the options of the command line.

    Returns:
        The exit code.
    """
    from taskmgr_core import errors  # the help needs none of it

    if isinstance(error, errors.TaskmgrError):
        if given.debug:
            click.echo("".join(traceback.format_exception(error)), err=True)
        say_error(str(error))
        return code_of(error)
    text = "".join(traceback.format_exception(error))
    if given.debug:
        click.echo(text, err=True)
    if advice := errors.advice_for(error):
        say_error(f"{error}; {advice}")
        return TROUBLE
    say_error(f"this is a bug in taskmgr, sorry: {type(error).__name__}: {error}")
    click.echo(f"The traceback is in {_keep(text, given)}; please report it.", err=True)
    return TROUBLE


def report_usage(error: click.ClickException) -> int:
    """Say what is wrong with a command line on stderr.

    Returns:
        The exit code.
    """
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
