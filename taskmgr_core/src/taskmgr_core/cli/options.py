"""The options and arguments that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

from taskmgr_core.cli import completing

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
