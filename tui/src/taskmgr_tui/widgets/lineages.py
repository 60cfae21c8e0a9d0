"""The tree of a lineage; branches are made when they are opened."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from taskmgr_tui.core.ancestry import Ancestry, Node, Way, label
from taskmgr_tui.widgets import tones
from taskmgr_tui.widgets.trees import KeyTree

HEADINGS: dict[Way, str] = {"up": "made from", "down": "led to"}
# So many levels are open at first.
OPEN = 3


class LineageTree(KeyTree[tuple[Way, str]]):
    """Values; the data of a node is its direction and its digest."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "toggle_node", "Open", show=False),
    ]

    class Further(Message):
        """A branch was opened whose files other runs may have."""

        def __init__(self, digest: str, node: TreeNode[tuple[Way, str]]) -> None:
            super().__init__()
            self.digest, self.node = digest, node

    def __init__(self, **attributes: Any) -> None:
        super().__init__("", **attributes)
        self.auto_expand = False
        self.guide_depth = 3
        self._ancestry = Ancestry()

    def begin(self, ancestry: Ancestry, digest: str) -> None:
        """Show a value, the branches above and below it open."""
        self._ancestry = ancestry
        self.clear()
        dark = self.app.current_theme.dark
        self.root.data = ("up", digest)
        self.root.set_label(tones.label(label(ancestry.nodes[digest], ()), dark=dark))
        ways: tuple[Way, ...] = ("up", "down")
        for way in ways:
            count = len(ancestry.around(digest, way))
            heading = self.root.add(f"{HEADINGS[way]} ({count})", expand=True)
            self._branch(heading, way, digest, {digest}, OPEN)
        self.root.expand()

    def grow(self, ancestry: Ancestry, node: TreeNode[tuple[Way, str]]) -> None:
        """Show what has become known below a node."""
        self._ancestry = ancestry
        if node.data is not None:
            way, digest = node.data
            shown = {each.data[1] for each in node.children if each.data is not None}
            above = self._above(node)
            for each in ancestry.around(digest, way):
                if each not in shown:
                    self._add(node, way, each, above, 0)
            node.allow_expand = bool(node.children)

    @property
    def current(self) -> Node | None:
        """The value that the cursor is on."""
        node = self.cursor_node
        return None if node is None or node.data is None else self._ancestry.nodes[node.data[1]]

    def on_tree_node_expanded(self, message: Tree.NodeExpanded[tuple[Way, str]]) -> None:
        """Make the branch; ask further where files lead into other runs."""
        node = message.node
        if node.data is None or node is self.root:
            return
        way, digest = node.data
        if not node.children:
            self._branch(node, way, digest, self._above(node), 1)
        if self._ancestry.open_files(digest):
            self.post_message(self.Further(digest, node))

    def _branch(
        self, node: TreeNode[Any], way: Way, digest: str, above: set[str], levels: int
    ) -> None:
        for each in self._ancestry.around(digest, way):
            self._add(node, way, each, above, levels - 1)

    def _add(
        self, node: TreeNode[Any], way: Way, digest: str, above: set[str], levels: int
    ) -> None:
        found = self._ancestry.nodes[digest]
        text = tones.label(label(found, above), dark=self.app.current_theme.dark)
        round_about = digest in above
        further = bool(self._ancestry.around(digest, way) or self._ancestry.open_files(digest))
        child = node.add(text, data=(way, digest), allow_expand=further and not round_about)
        if levels > 0 and not round_about and self._ancestry.around(digest, way):
            self._branch(child, way, digest, {*above, digest}, levels)
            child.expand()

    def _above(self, node: TreeNode[tuple[Way, str]]) -> set[str]:
        """The digests on the way from the root to a node, itself included."""
        found = set()
        at: TreeNode[tuple[Way, str]] | None = node
        while at is not None:
            if at.data is not None:
                found.add(at.data[1])
            at = at.parent
        return found
