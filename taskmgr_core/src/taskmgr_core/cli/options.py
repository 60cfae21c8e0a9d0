"""The options and arguments that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

from taskmgr_core.cases import TOLERANCE
from taskmgr_core.cli import completing

MEGABYTE = 1_000_000

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
run_argument = click.argument(
    "run",
    help="A run's id, the beginning of it, or its last 8 characters.",
    shell_complete=completing.run_ids,
)
report_option = click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write everything about the run into one HTML file.",
)
save_option = click.option(
    "--save",
    type=click.Path(file_okay=False, path_type=Path),
    help="Copy the files that the tasks gave into this folder.",
)
png_option = click.option(
    "--png",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the picture with what was found on it.",
)
tolerance_option = click.option(
    "--tolerance",
    type=click.FloatRange(0, 1),
    default=TOLERANCE,
    show_default=True,
    metavar="SHARE",
    help="By what share of its size a number may be another than a case expects.",
)
size_option = click.option(
    "--size",
    "megabytes",
    type=click.IntRange(0),
    metavar="MB",
    help="What may stay; by default what the settings say.",
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Remove nothing; say what would be removed."
)


def limit_of(megabytes: int | None, setting: int, name: str) -> int:
    """What may stay, in bytes.

    Arguments:
        megabytes: what --size says; None where it was not given.
        setting: what the setting says, in MB; 0 for no limit.
        name: of the setting.

    Raises:
        click.UsageError: neither says anything.
    """
    if megabytes is None and not setting:
        raise click.UsageError(
            f"the setting {name} is 0, for no limit; say with --size how many MB may stay"
        )
    return (setting if megabytes is None else megabytes) * MEGABYTE


def check_pin(version: str | None, *, off: bool) -> None:
    """Refuse options of ``pin`` that say two things."""
    if off and version is not None:
        raise click.UsageError("--off goes with no version")


def check_yank(reason: str | None, *, undo: bool) -> None:
    """Refuse options of ``yank`` that say two things, or not why."""
    if undo and reason is not None:
        raise click.UsageError("--undo goes with no --reason")
    if not undo and not (reason or "").strip():
        raise click.UsageError("say why with --reason TEXT; whoever meets the version reads it")
