"""What all screens share: the line at the top, the banner, a feed while they are seen."""

from __future__ import annotations

import contextlib
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import Reactive
from textual.screen import Screen
from textual.widget import Widget

from taskmgr_core.errors import TaskmgrError
from taskmgr_core.watching import Watcher
from taskmgr_tui.core.cells import Cell
from taskmgr_tui.core.feed import Failed, Feed, Told
from taskmgr_tui.core.times import clock
from taskmgr_tui.widgets.keys import Keys
from taskmgr_tui.widgets.lines import Line

EVERY_SECONDS = 2.0
PATIENCE_SECONDS = 2.0
LOOK_SECONDS = 0.5
# An answer that comes so soon is drawn with the screen: to draw it empty before takes as long.
HELD_SECONDS = 0.03
PLACES = (("1", "Overview"), ("2", "Runs"), ("3", "Tasks"), ("4", "Workers"))


class View(Screen[None]):
    """A screen that is kept up to date while it is seen.

    Attributes:
        title_of: what the line at the top says of it.
        every: seconds after which it asks although nothing has changed.
        run_id: the run whose changes count; None for those of the whole platform.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", show=False),
        Binding("r", "hurry", "Refresh", show=False),
    ]

    # Another widget has the keys: both draw themselves, not the whole screen.
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    title_of = ""
    every = EVERY_SECONDS
    run_id: str | None = None

    class Answer(Message):
        """What came of a question."""

        def __init__(self, feed: Feed, answer: Told | Failed) -> None:
            super().__init__()
            self.feed, self.answer = feed, answer

    class Done(Message):
        """What came of something that a user asked for."""

        def __init__(self, then: Callable[[], object]) -> None:
            super().__init__()
            self.then = then

    def __init__(self, watcher: Watcher) -> None:
        super().__init__()
        self.watcher = watcher
        self.feed: Feed | None = None
        self.told: Told | None = None
        self._trouble = ""
        self._held, self._holds = contextlib.ExitStack(), False

    # what a screen is

    @abstractmethod
    def body(self) -> Iterable[Widget]:
        """The widgets between the line at the top and the keys."""

    @abstractmethod
    def ask(self) -> Any:
        """Read what it shows; in a thread, so that nothing of the screen may be changed."""

    @abstractmethod
    def show(self, found: Any) -> None:
        """Show what ``ask`` gave."""

    # how it works

    def compose(self) -> ComposeResult:
        """The line at the top, the banner, the body, the keys."""
        yield Line(id="head")
        yield Line(id="banner")
        yield from self.body()
        yield Keys()

    def on_mount(self) -> None:
        """Look after the feed from now on."""
        self.set_interval(LOOK_SECONDS, self._draw_head)

    def on_screen_resume(self) -> None:
        """It is seen: ask."""
        self._stop()
        if self.told is None:
            self._hold()
        self._draw_head()
        feed = Feed(
            self.watcher,
            self.ask,
            lambda answer: self.post_message(self.Answer(feed, answer)),
            self.every,
            self.run_id,
        )
        self.feed = feed
        feed.start()

    def on_screen_suspend(self) -> None:
        """It is covered: ask no more."""
        self._stop()
        self._draw_held()

    def on_unmount(self) -> None:
        """It is closed."""
        self._stop()
        self._held.close()

    def on_view_answer(self, message: Answer) -> None:
        """Show what was told; keep it under a banner when nothing could be read."""
        if message.feed is not self.feed:
            return
        if isinstance(message.answer, Failed):
            self._trouble = message.answer.why
        else:
            self._trouble, self.told = "", message.answer
            self.show(message.answer.found)
        self._draw_head()
        self._draw_held()

    def on_view_done(self, message: Done) -> None:
        """Go on, where widgets may be touched."""
        message.then()

    def do(self, work: Callable[[], Any], then: Callable[[Any], object]) -> None:
        """Do something in a thread, and go on with what it gave in the screen's own.

        Arguments:
            work: may wait for a store; of its errors the user is told.
            then: gets what it gave.
        """

        def carry_out() -> None:
            try:
                found = work()
            except TaskmgrError as error:
                told = str(error)
                self.post_message(self.Done(lambda: self.complain(told)))
            else:
                self.post_message(self.Done(lambda: then(found)))

        threading.Thread(target=carry_out, name="doing", daemon=True).start()

    def complain(self, why: str) -> None:
        """Say what went wrong with what the user asked for."""
        self.notify(why, title="Not done", severity="error", timeout=8, markup=False)

    def action_back(self) -> None:
        """To the screen below."""
        if len(self.app.screen_stack) > 1:
            self.app.pop_screen()

    def action_hurry(self) -> None:
        """Ask now."""
        if self.feed is not None:
            self.feed.hurry()

    def ask_anew(self) -> None:
        """The question is another one: what was told before is no answer to it."""
        self.told = None
        self._hold()
        self._draw_head()
        self.action_hurry()

    def _hold(self) -> None:
        """Draw nothing until the answer is there, for a moment at most."""
        self._draw_held()
        self._held.enter_context(self.app.batch_update())
        self._holds = True
        self.set_timer(HELD_SECONDS, self._draw_held)

    def _draw_held(self) -> None:
        """Draw what was held back, all of it: what was to be drawn meanwhile is not known."""
        if self._holds:
            self._holds = False
            self._held.close()
            self.refresh()

    def _stop(self) -> None:
        if self.feed is not None:
            self.feed.stop()
            self.feed = None

    def _draw_head(self) -> None:
        if not self.is_mounted or not self.query("#head"):
            return
        self.query_one("#head", Line).show(self._head())
        late = 0.0 if self.feed is None else self.feed.waiting_for
        trouble = self._trouble
        if late > PATIENCE_SECONDS:
            trouble = f"no answer for {late:.0f} s"
        banner = self.query_one("#banner", Line)
        banner.display = bool(trouble)
        if trouble:
            shown = "" if self.told is None else f"; shown is what was so at {clock(self.told.at)}"
            banner.show([Cell(f"! {trouble}{shown}; asking again", "bad")])

    def _head(self) -> Iterator[Cell]:
        yield Cell(" taskmgr ", "strong")
        place = any(self.title_of == name for _, name in PLACES)
        for key, name in PLACES:
            shown = f" {key} {name} " if place else f" {key}"  # a narrow terminal has one line
            yield Cell(shown, "strong" if self.title_of == name else "quiet")
        if not place:
            yield Cell(f"  > {self.title_of}", "strong")
        if self.told is not None:
            yield Cell(f"   {clock(self.told.at)} UTC", "quiet")
        else:
            yield Cell("   asking ...", "quiet")
