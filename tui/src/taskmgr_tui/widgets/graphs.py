"""The graph of a run as a tree: steps, indented by what they wait for, and their ports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.widgets.tree import TreeNode

from taskmgr_tui.core.cells import Cell
from taskmgr_tui.core.rundown import Card
from taskmgr_tui.widgets.tones import label
from taskmgr_tui.widgets.trees import KeyTree


class Graph(KeyTree[str]):
    """Steps and ports; the data of a port's node is its id."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__("run", **attributes)
        self.show_root = self.show_guides = False
        self.guide_depth = 3
        self._shown: Sequence[Card] = ()
        self._placed: dict[str, TreeNode[str]] = {}

    def on_mount(self) -> None:
        """Draw anew where the colours change."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._label_all())

    def show(self, cards: Sequence[Card]) -> None:
        """Show these; the nodes stay where they are the same ones."""
        same = [(each.id, [*each.ports]) for each in cards] == [
            (each.id, [*each.ports]) for each in self._shown
        ]
        self._shown = cards
        if not same:
            self._place_all()
        self._label_all()

    @property
    def current(self) -> str | None:
        """The port that the cursor is on."""
        return None if self.cursor_node is None else self.cursor_node.data

    def _place_all(self) -> None:
        self.clear()
        self._placed = {}
        for card in self._shown:
            node = self.root.add("", expand=True)
            self._placed[f"step {card.id}"] = node
            for port in card.ports:
                self._placed[port] = node.add_leaf("", data=port)

    def _label_all(self) -> None:
        for card in self._shown:
            indent = [Cell("  " * card.depth)]
            self._write(f"step {card.id}", [*indent, *card.title])
            for port, cells in card.ports.items():
                self._write(port, [*indent, *cells])

    def _write(self, key: str, cells: Sequence[Cell]) -> None:
        self._placed[key].set_label(label(cells, dark=self.app.current_theme.dark))
