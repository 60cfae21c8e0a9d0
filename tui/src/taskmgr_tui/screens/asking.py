"""Small screens above the others: a question to be answered, and the keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Static

KEYS: Sequence[tuple[str, str]] = (
    ("1  2  3  4", "overview, runs, tasks, workers"),
    ("arrows, h j k, g G", "move; g to the first line, G to the last"),
    ("tab, shift+tab", "the next table, the one before"),
    ("enter", "open: a task, a run, a worker's run, a field's value"),
    ("escape", "back"),
    ("/", "search runs: failed face_processing since:2h in:ada.png, or a run's id"),
    ("s", "runs: the next status"),
    ("n  p", "runs: the next page, the one before"),
    ("c", "cancel the run, after a question"),
    ("t", "run: try again with the same inputs; task: a form for its inputs"),
    ("ctrl+r", "form: run it, as enter in a field does; → takes a suggestion"),
    ("x  X", "workers: drain it, stop it now; after a question"),
    ("[  ]", "run, task: the tab before, the next"),
    ("v", "run: its pictures in full, where the terminal can show them"),
    ("l", "run: lineage of the field, on Failure of what was given; worker: its log"),
    ("space", "lineage: open or close the branch, as l does"),
    ("o", "lineage: open the run of the value"),
    ("r", "ask the store now"),
    ("d", "dark or light"),
    ("ctrl+p", "the palette: every command by its name"),
    ("q", "quit"),
)


class Question(ModalScreen[bool]):
    """Whether something is really to be done.

    Arguments:
        text: the question.
        yes: what the button says that does it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape", "answer(False)", "No"),
    ]

    def __init__(self, text: str, yes: str) -> None:
        super().__init__()
        self.text, self.yes = text, yes

    def compose(self) -> ComposeResult:
        """The question and two buttons."""
        with Vertical(classes="dialog"):
            yield Static(self.text, markup=False)
            with Horizontal():
                yield Button(f"{self.yes} (y)", variant="error", id="yes")
                yield Button("No (n)", id="no")

    def on_button_pressed(self, message: Button.Pressed) -> None:
        """As the keys do."""
        self.dismiss(message.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        """Give the answer."""
        self.dismiss(answer)


class Help(ModalScreen[None]):
    """Every key."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "close", "Close"),
    ]

    def compose(self) -> ComposeResult:
        """The table of keys."""
        widest = max(len(keys) for keys, _ in KEYS)
        text = "\n".join(f"{keys.ljust(widest)}  {meaning}" for keys, meaning in KEYS)
        with VerticalScroll(classes="dialog wide") as dialog:
            dialog.border_title = "Keys"
            yield Static(text, markup=False)

    def action_close(self) -> None:
        """Back to the screen below."""
        self.dismiss(None)
