"""``taskmgr dev``."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

import attrs
import click

from taskmgr_core.cases import read_cases
from taskmgr_core.cli.arguments import INPUTS_HELP
from taskmgr_core.cli.endings import say_error
from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.options import tolerance_option
from taskmgr_core.cli.screen import Screen, plain
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.trial_view import (
    Judged,
    Lines,
    cases_folder,
    print_cases,
    print_tried,
    sample_files,
    signature,
    try_case,
    try_once,
)
from taskmgr_core.development import Change, Development, Round
from taskmgr_core.publishing.sources import read_source
from taskmgr_core.report.formats import duration
from taskmgr_core.specs import TaskVersion
from taskmgr_core.trial import Trial, Tried

CASES = "cases"
_WHAT = {
    Change.INPUTS: "inputs changed",
    Change.SOURCES: "sources changed, a new process",
    Change.BUILD: "built",
}
Came = Tried | tuple[Judged, ...]


@click.command(
    "dev",
    cls=Command,
    examples=[
        "taskmgr dev word_count text='to be or not'",
        "taskmgr dev word_count word_count/cases",
        "taskmgr dev detector image=photo.jpg",
    ],
)
@click.argument("path", help="The plugin's folder.", type=click.Path(path_type=Path))
@click.argument(
    "inputs",
    nargs=-1,
    help=f"{INPUTS_HELP} Or a folder of cases; by default {CASES} of the plugin.",
)
@click.option("--task", "chosen", metavar="NAME", help="Which task of a plugin that has several.")
@tolerance_option
@click.pass_obj
def dev_command(
    session: Session, path: Path, inputs: tuple[str, ...], chosen: str | None, tolerance: float
) -> None:
    """Run a task again at each save, until Ctrl-C.

    It runs in a virtualenv and a process as a worker would give it, isolated in
    the same way. A saved source is in force with a new process, without building
    a wheel; a change of pyproject.toml builds and locks anew. An error is shown,
    and the next save tries again. Nothing is recorded.
    """
    read_source(path)  # what is no plugin does not become one by a save
    if not inputs and (path / CASES).is_dir():
        inputs = (str(path / CASES),)
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, _interrupt)
    platform = session.platform()
    loop = _Loop(session.screen, inputs, tolerance)
    try:
        with (
            contextlib.suppress(KeyboardInterrupt),
            Development(
                platform,
                path,
                chosen,
                sample_files(inputs, Path.cwd()),
                loop.attempt,
                loop.say,
            ) as development,
        ):
            for made in development.rounds():
                loop.tell(made)
    finally:
        platform.queue.close()
        platform.metadata.close()


def _interrupt(_: int, __: FrameType | None) -> None:
    """Leave nothing behind, whoever ends it."""
    raise KeyboardInterrupt


@attrs.define
class _Loop:
    """What is run in each round, and what is told of it.

    Attributes:
        screen: the terminal.
        words: the inputs, as typed.
        tolerance: of numbers in cases.
    """

    screen: Screen
    words: Sequence[str]
    tolerance: float
    _shown: str = ""

    def say(self, line: str) -> None:
        """A line of progress."""
        self.screen.err.print(plain(line, "dim"), soft_wrap=True)

    def attempt(self, trial: Trial, version: TaskVersion, overtaken: Callable[[], bool]) -> Came:
        """Run the task with its inputs, or on its cases."""
        lines = Lines(self.screen)
        folder = cases_folder(self.words, Path.cwd())
        if folder is None:
            return try_once(trial, version, self.words, lines, overtaken)
        return tuple(
            try_case(trial, version, case, self.tolerance, lines, overtaken)
            for case in read_cases(folder)
            if not overtaken()
        )

    def tell(self, made: Round[Came]) -> None:
        """What came of a round."""
        if made.version is not None and (declared := signature(made.version)) != self._shown:
            self._shown = declared
            self.screen.line(plain(declared, "bold"))
        if made.error is not None:
            say_error(str(made.error))
        elif isinstance(made.came, Tried) and made.came.outcome.status == "cancelled":
            self.screen.line(plain("saved meanwhile: out of date, and ended", "yellow"))
            return
        elif isinstance(made.came, Tried):
            print_tried(self.screen, made.came)
        elif made.came is not None:
            print_cases(self.screen, made.came)
        fine = made.error is None and _is_fine(made.came)
        sign = self.screen.sign("ok" if fine else "fault").plain
        took = duration(made.seconds)
        told = f"{sign} {_WHAT[made.change]}, {took} to the result; waiting for the next save"
        self.screen.line(plain(told, "green" if fine else "red"))
        self.screen.line()


def _is_fine(came: Came | None) -> bool:
    if isinstance(came, Tried):
        return came.outcome.status == "succeeded"
    return came is not None and all(each.passed for each in came)
