"""Screens with a run under the cursor: it can be cancelled and tried again."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from textual.binding import Binding, BindingType

from taskmgr_tui.screens.asking import Question
from taskmgr_tui.screens.view import View


class Steering(View):
    """A screen with a run that is meant."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "cancel", "Cancel"),
        Binding("t", "again", "Again"),
    ]

    @property
    @abstractmethod
    def chosen(self) -> str | None:
        """The full id of the run that is meant; None where there is none."""

    def action_cancel(self) -> None:
        """Cancel the run, once the user has said that it is meant."""
        if (run := self.chosen) is None:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.do(lambda: self.watcher.cancel(run).status, cancelled)

        def cancelled(status: str) -> None:
            ended = status not in ("running", "cancelled")
            said = f"has ended already: {status}" if ended else "is cancelled"
            self.notify(f"run {run[-8:]} {said}", markup=False)
            self.action_hurry()

        self.app.push_screen(Question(f"Cancel run {run[-8:]}?", "Cancel it"), answered)

    def action_again(self) -> None:
        """Submit the run's inputs once more; the old run stays as it is."""
        if (run := self.chosen) is None:
            return

        def submitted(new: str) -> None:
            self.notify(f"run {new[-8:]} is submitted, as {run[-8:]} was", markup=False)
            self.action_hurry()

        self.do(lambda: self.watcher.again(run), submitted)
