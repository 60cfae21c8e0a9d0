"""What is told while plugins are published, and of what came of it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import attrs
from rich.console import Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from taskmgr_core.cli.live import REFRESH_PER_SECOND
from taskmgr_core.cli.screen import Screen, plain, table
from taskmgr_core.cli.views import release_view
from taskmgr_core.publishing import Published
from taskmgr_core.report.formats import duration, printable, short_digest, size


@attrs.define
class _Item:
    title: str
    line: str = "waiting"
    started: float | None = None
    ended: float | None = None
    fine: bool = True


class PublishProgress:
    """Shows several things being published, one after the other or side by side.

    Arguments:
        screen: the terminal.
        titles: what they are.
        keep: whether the last state stays on the terminal.
        stages: whether, where nothing may move, every stage is told and not only the end.
    """

    def __init__(
        self, screen: Screen, titles: Sequence[str], *, keep: bool = False, stages: bool = True
    ) -> None:
        self._screen = screen
        self._keep = keep
        self._stages = stages
        self._items = {title: _Item(title) for title in titles}
        self._stack = contextlib.ExitStack()
        self._lock = threading.Lock()

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

    def of(self, title: str) -> Callable[[str], None]:
        """What takes the lines of progress of one of them."""
        return lambda line: self._say(title, line)

    def end(self, title: str, line: str, *, fine: bool = True) -> None:
        """One of them is done."""
        item = self._items[title]
        item.ended, item.fine = time.perf_counter(), fine
        self._say(title, line)

    def _say(self, title: str, line: str) -> None:
        item = self._items[title]
        if item.started is None:
            item.started = time.perf_counter()
        item.line = line
        if not self._screen.live and (self._stages or item.ended is not None):
            with self._lock:
                self._screen.err.print(plain(f"{title}: {line}"), soft_wrap=True)

    def _shown(self) -> RenderableType:
        return Group(*(self._row(each) for each in self._items.values()))

    def _row(self, item: _Item) -> RenderableType:
        title = printable(item.title).ljust(max(len(each) for each in self._items))
        if item.ended is not None or item.started is None:
            sign = self._screen.sign(
                "pending" if item.started is None else "ok" if item.fine else "fault"
            )
            return Text.assemble(sign, f" {title}  ", (printable(item.line), "dim"))
        passed = duration(time.perf_counter() - item.started)
        row = table()
        row.padding = (0, 1, 0, 0)
        row.add_row(Spinner("dots", style="yellow"), f"{title}  {printable(item.line)}  {passed}")
        return row


def published_line(published: Published) -> str:
    """What came of publishing a plugin, on one line."""
    release = published.release
    if not published.changed:
        return f"{release.version} unchanged"
    took = duration(published.seconds["total"])
    if published.renewed:
        new = {
            "sdk": "the SDK of this taskmgr",
            "python": f"Python {release.python}",
            "wheels": "the wheels of its dependencies",
            "signature": f"the signature of the key {_key_of(published)}",
        }
        what = " and ".join(new[each] for each in published.renewed)
        return f"{release.version} renewed with {what} in {took}, wheel and lock unchanged"
    wheel = f"wheel {size(release.wheel.size)} {short_digest(release.wheel.digest)}"
    signed = f", signed with the key {_key_of(published)}" if _key_of(published) else ""
    return f"{release.version} published in {took}, {wheel}{signed}"


def _key_of(published: Published) -> str | None:
    """The id of the key that a release is signed with."""
    signature = published.versions[0].signature
    return signature.key if signature else None


def stages_line(published: Published) -> str:
    """Where the time of publishing went, on one line."""
    return ", ".join(
        f"{name} {duration(seconds)}"
        for name, seconds in published.seconds.items()
        if name != "total"
    )


def published_view(published: Published) -> dict[str, Any]:
    """What came of publishing a plugin, as JSON."""
    return {
        "kind": "plugin",
        "changed": published.changed,
        "renewed": list(published.renewed),
        "tasks": [each.name for each in published.versions],
        "release": release_view(published.release),
        "key": _key_of(published),
        "seconds": dict(published.seconds),
    }
