"""The terminal: two consoles, and the look that all commands share."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

import click
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from taskmgr_core.report.formats import duration, printable

# Where there is no terminal nothing should be cut off for one.
PIPE_WIDTH = 160
SHORT = 8
NOTHING = "-"

_LOOKS = {
    "succeeded": ("✓", "+", "green"),
    "failed": ("✗", "x", "red"),
    "running": ("●", "*", "yellow"),
    "mapping": ("▦", "#", "yellow"),
    "looping": ("↻", "@", "yellow"),
    "ready": ("○", "o", "cyan"),
    "pending": ("·", ".", "dim"),
    "skipped": ("↷", ">", "dim"),
    "cancelled": ("⊘", "-", "magenta"),
    "ok": ("✓", "+", "green"),
    "warn": ("!", "!", "yellow"),
    "fault": ("✗", "x", "red"),
    "alive": ("●", "*", "green"),
    "draining": ("↷", ">", "yellow"),
    "preparing": ("…", "~", "yellow"),
    "lost": ("✗", "x", "red"),
}


class Screen:
    """stdout for results, stderr for everything that is only said meanwhile.

    Attributes:
        answered: whether a JSON value has been printed.
    """

    def __init__(self) -> None:
        self.out = _console(sys.stdout, stderr=False)
        self.err = _console(sys.stderr, stderr=True)
        self.answered = False

    @property
    def live(self) -> bool:
        """Whether something that moves may be shown on stderr."""
        return self.err.is_terminal and not self.err.is_dumb_terminal

    def print(self, *shown: RenderableType) -> None:
        """Print on stdout, wrapped to the terminal."""
        if self.out.is_terminal:
            self.out.print(*shown, sep="\n")
            return
        with self.out.capture() as captured:
            self.out.print(*shown, sep="\n")
        # Tables fill their lines with spaces, which have no place in a file.
        click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))

    def line(self, text: str | Text = "", style: str = "") -> None:
        """Print one line on stdout, however long."""
        self.out.print(text, style=style or None, soft_wrap=True)

    def heading(self, text: str, note: str = "") -> None:
        """A heading with an empty line above it."""
        self.out.print()
        self.out.print(Text.assemble((text, "bold"), (f"  {note}" if note else "", "dim")))

    def json(self, document: Any) -> None:
        """One JSON value on stdout and nothing else."""
        self.answered = True
        click.echo(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2))

    def submitted(self, run_id: str, *, as_json: bool) -> None:
        """The id of a run that is not waited for."""
        if as_json:
            self.json({"run_id": run_id, "status": "running"})
        else:
            self.line(run_id)

    def status(self, status: str) -> Text:
        """A status with its sign and colour."""
        sign, plain, style = _LOOKS.get(status, ("?", "?", ""))
        return Text(f"{sign if _draws(self.out) else plain} {status}", style=style)

    def sign(self, status: str) -> Text:
        """The sign of a status, on stderr."""
        sign, plain, style = _LOOKS.get(status, ("?", "?", ""))
        return Text(sign if _draws(self.err) else plain, style=style)


def table(*columns: str, right: Iterable[str] = (), whole: Iterable[str] = ()) -> Table:
    """A table without lines.

    Arguments:
        columns: the headings; a table without any is a list of facts.
        right: those of numbers.
        whole: those that are never cut or wrapped.
    """
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for each in columns:
        made.add_column(
            each,
            justify="right" if each in right else "left",
            no_wrap=each in whole,
            overflow="fold",
        )
    return made


def facts(rows: Sequence[tuple[str, RenderableType]]) -> Table:
    """Names and values below one another."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    made.add_column(no_wrap=True, style="dim")
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(name, plain(value) if isinstance(value, str) else value)
    return made


def plain(text: str, style: str = "") -> Text:
    """Text from outside: no character of it steers the terminal."""
    return Text(printable(text), style=style)


def short_id(run_id: str) -> str:
    """The last characters of a run's id: those in front are the time and much the same."""
    return run_id[-SHORT:]


def ago(seconds: float | None) -> str:
    """How long ago a moment was: ``12 s``, ``5 min``, ``3 h``, ``2 d``."""
    if seconds is None:
        return NOTHING
    passed = max(time.time() - seconds, 0)
    for unit, length, limit in (("s", 1, 60), ("min", 60, 60), ("h", 3600, 48)):
        if passed / length < limit:
            return f"{int(passed / length)} {unit}"
    return f"{int(passed / 86400)} d"


def took(start: float | None, end: float | None) -> str:
    """The time between two moments; up to now where there is no end."""
    if start is None:
        return NOTHING
    return duration(max((time.time() if end is None else end) - start, 0))


def seconds_of(seconds: float | None) -> str:
    """A duration, or nothing."""
    return NOTHING if seconds is None else duration(seconds)


def _console(stream: TextIO, *, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not stream.isatty() and not os.environ.get("COLUMNS"):
        console.width = PIPE_WIDTH
    return console


def _draws(console: Console) -> bool:
    """Whether the stream's encoding has more than ASCII."""
    return console.encoding.startswith("utf")
