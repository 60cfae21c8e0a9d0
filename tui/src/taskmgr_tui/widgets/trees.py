"""A tree with the keys of vim beside the arrows."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.widgets import Tree

Data = TypeVar("Data")


class KeyTree(Tree[Data]):
    """A tree that all keys of the dashboard move in."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Value"),
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
        Binding("g", "first", "First", show=False),
        Binding("G", "last", "Last", show=False),
        Binding("h", "cursor_parent", "Parent", show=False),
    ]

    def action_first(self) -> None:
        """To the first line."""
        self.cursor_line = 0

    def action_last(self) -> None:
        """To the last line."""
        self.cursor_line = self.last_line
