"""The output of a batch: whose part of it is whose."""

from __future__ import annotations

import re
from collections.abc import Sequence

from taskmgr_core.output import OutputLines

# No mark is longer: so much may have come of one whose end is on its way.
_LONGEST_MARK = 64


class SharedOutput:
    """Hands what a runner writes to those whose turn it is, as its marks tell.

    What it writes for all of them at once, all get.

    Arguments:
        mark: what the marks begin with; see ``protocol.turn_mark``.
        items: the output of each item, in their order.
    """

    def __init__(self, mark: str, items: Sequence[OutputLines]) -> None:
        self._items = items
        self._start = f"\0{mark} ".encode()
        self._marks = re.compile(re.escape(self._start) + rb"(all|[0-9]{1,9})\0")
        self._turn: dict[str, Sequence[OutputLines]] = {}
        self._held: dict[str, bytes] = {}

    def feed(self, stream: str, received: bytes) -> None:
        """Take in bytes of a stream."""
        whole = self._held.pop(stream, b"") + received
        end = 0
        for found in self._marks.finditer(whole):
            self._hand(stream, whole[end : found.start()])
            self._turn[stream] = self._named(found[1])
            end = found.end()
        rest = whole[end:]
        begun = rest.rfind(b"\0", max(len(rest) - _LONGEST_MARK, 0))
        if begun >= 0 and self._may_be_mark(rest[begun:]):
            self._held[stream] = rest[begun:]
            rest = rest[:begun]
        self._hand(stream, rest)

    def pass_on(self) -> None:
        """Hand over the lines that are complete."""
        for each in self._items:
            each.pass_on()

    def end_lines(self) -> None:
        """Hand over the lines that are complete, and take for complete what has no end yet."""
        for stream, held in self._held.items():
            self._hand(stream, held)
        self._held = {}
        for each in self._items:
            each.end_lines()

    def tail(self, stream: str) -> str:
        """The last lines of those whose turn it is."""
        turn = self._turn.get(stream, self._items)
        return turn[0].tail(stream) if turn else ""

    def _hand(self, stream: str, received: bytes) -> None:
        if received:
            for each in self._turn.get(stream, self._items):
                each.feed(stream, received)

    def _named(self, name: bytes) -> Sequence[OutputLines]:
        if name == b"all" or int(name) >= len(self._items):
            return self._items
        return self._items[int(name) : int(name) + 1]

    def _may_be_mark(self, begun: bytes) -> bool:
        """Whether these bytes may be a mark of which the end has not come."""
        return begun.startswith(self._start) or self._start.startswith(begun)
