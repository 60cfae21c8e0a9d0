"""What is told of a batch: a bar while it goes on, the sum and the failures at its end."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from taskmgr_core.batches.items import Item
from taskmgr_core.batches.running import BatchResult
from taskmgr_core.cli.screen import Screen, plain, short_id
from taskmgr_core.report.formats import shortened

SHOWN = 20
MESSAGE_LENGTH = 200


class BatchProgress:
    """Counts what comes, and shows it where there is a terminal.

    Arguments:
        screen: the terminal.
        count: how many items there are; None where that shows at the end.
    """

    def __init__(self, screen: Screen, count: int | None) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=screen.err,
            transient=True,
            disable=not screen.live,
        )
        self._task = self._bar.add_task("batch", total=count)
        self._stack = contextlib.ExitStack()
        self.succeeded = 0
        self.failed = 0
        self.skipped = 0

    def __enter__(self) -> Self:
        self._stack.enter_context(self._bar)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def skips(self, item: Item, done: AbstractSet[str]) -> bool:
        """Whether an item was done before; it counts as such."""
        if item.id not in done:
            return False
        self.skipped += 1
        self._bar.advance(self._task)
        return True

    def add(self, result: BatchResult) -> None:
        """Count a result."""
        if result.result is None:
            self.failed += 1
        else:
            self.succeeded += 1
        said = f"batch, {self.failed} failed" if self.failed else "batch"
        self._bar.update(self._task, advance=1, description=said)


def say_end(
    screen: Screen,
    progress: BatchProgress,
    failures: Sequence[Mapping[str, Any]],
    out: Path,
    failures_file: Path,
    interrupted: bool,
    as_json: bool,
) -> None:
    """Tell what came of the batch."""
    if as_json:
        screen.json(
            {
                "succeeded": progress.succeeded,
                "failed": progress.failed,
                "done_before": progress.skipped,
                "interrupted": interrupted,
                "results": str(out),
                "failures": [dict(each) for each in failures],
            }
        )
        return
    if failures:
        _print_failures(screen, failures, failures_file)
    parts = [f"{progress.succeeded} succeeded", f"{progress.failed} failed"]
    if progress.skipped:
        parts.append(f"{progress.skipped} were done before")
    screen.line(plain(f"{', '.join(parts)}; the results are in {out}"))
    if interrupted:
        screen.err.print("interrupted; the same command goes on", soft_wrap=True)


def _print_failures(screen: Screen, failures: Sequence[Mapping[str, Any]], file: Path) -> None:
    for each in failures[:SHOWN]:
        run = f"  run {short_id(str(each['run']))}" if each.get("run") else ""
        message = shortened(f"{each.get('code')}: {each.get('message')}", MESSAGE_LENGTH)
        # One line each, however long: to be searched, and counted.
        screen.line(Text.assemble(("failed", "red"), plain(f"  {each['item']}{run}  {message}")))
    more = f" and {len(failures) - SHOWN} more" if len(failures) > SHOWN else ""
    screen.line(plain(f"these{more} are in {file}", "dim"))
