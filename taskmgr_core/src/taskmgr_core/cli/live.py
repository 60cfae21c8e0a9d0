"""What is told while a run goes on: on stderr, moving where there is a terminal."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from taskmgr_core.cli.screen import Screen, table
from taskmgr_core.report.formats import counted, duration, printable
from taskmgr_core.specs import FINAL_STEP_STATUSES, Run, Step

REFRESH_PER_SECOND = 8


class RunProgress:
    """Shows the steps of a run. Give its ``update`` to ``Client.wait``.

    Arguments:
        screen: the terminal.
        lines: whether ended steps are told line by line where nothing may move.
        keep: whether the last state stays on the terminal.
    """

    def __init__(self, screen: Screen, *, lines: bool = False, keep: bool = False) -> None:
        self._screen = screen
        self._lines = lines
        self._keep = keep
        self._told: set[str] = set()
        self._run: Run | None = None
        self._steps: Sequence[Step] = ()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        if self._screen.live:
            shown = Live(
                console=self._screen.err,
                get_renderable=self._shown,
                refresh_per_second=REFRESH_PER_SECOND,
                transient=not self._keep,
            )
            self._stack.enter_context(shown)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def update(self, run: Run, steps: list[Step]) -> None:
        """Take in the state of the run."""
        self._run, self._steps = run, steps
        if self._lines and not self._screen.live:
            for step in steps:
                if step.status in FINAL_STEP_STATUSES and step.id not in self._told:
                    self._told.add(step.id)
                    self._screen.err.print(Text.assemble(*_words(self._screen, step)))

    def _shown(self) -> RenderableType:
        if self._run is None:
            return Text("")
        passed = duration(max(time.time() - self._run.created_at, 0))
        title = Text.assemble((printable(self._run.name), "bold"), f"  {passed}")
        return Group(title, *(self._row(step) for step in self._steps))

    def _row(self, step: Step) -> RenderableType:
        if step.status != "running":
            return Text.assemble(*_words(self._screen, step))
        row = table()
        row.add_row(
            Text("  "),
            Spinner("dots", style="yellow"),
            Text.assemble(f"{step.id} {step.task}  ", (f"running {_passed(step)}", "yellow")),
        )
        row.padding = (0, 0, 0, 0)
        return row


def _words(screen: Screen, step: Step) -> list[Text | str | tuple[str, str]]:
    told = f"{step.status} {_passed(step)}".rstrip()
    told += f", {step.remark}" if step.remark else ""
    times = "" if step.elements is None else f"  {counted(step.elements, 'time')}"
    again = f"{times}  attempt {step.tries}" if step.tries > 1 else times
    return ["  ", screen.sign(step.status), f" {step.id} {step.task}  ", (told + again, "dim")]


def _passed(step: Step) -> str:
    if step.started_at is None:
        return ""
    end = time.time() if step.finished_at is None else step.finished_at
    return duration(max(end - step.started_at, 0))
