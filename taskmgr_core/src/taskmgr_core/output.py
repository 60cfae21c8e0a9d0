"""What a task writes to stdout and stderr, line by line: the first of it and the last."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

LIMIT_BYTES = 1_000_000
LINE_BYTES = 8_192
TAIL_LINES = 30
LINE_COST_BYTES = 100

# Lines in the order in which they came: the stream of each, and its text.
OnLines = Callable[[Sequence[tuple[str, str]]], None]


class Output(Protocol):
    """Takes what a runner writes while it carries out a request; see ``OutputLines``."""

    def feed(self, stream: str, received: bytes) -> None:
        """Take in bytes of a stream."""

    def pass_on(self) -> None:
        """Hand over the lines that are complete."""

    def end_lines(self) -> None:
        """Hand over the lines that are complete, and take for complete what has no end yet."""

    def tail(self, stream: str) -> str:
        """The last lines of a stream."""


class OutputLines:
    """Cuts the bytes of two streams into lines; keeps the first and the last of what is too much.

    The first half of the limit is passed on as it comes. What follows is held back,
    of it no more than the other half, the last; it is passed on at the end.

    Arguments:
        on_lines: gets the next lines.
        limit: bytes that are passed on in all. Each line counts for
            ``LINE_COST_BYTES`` more than it has, as storing it costs.
    """

    def __init__(self, on_lines: OnLines, limit: int = LIMIT_BYTES) -> None:
        self._on_lines = on_lines
        self._limit = limit
        self._partial: dict[str, bytes] = {}
        self._waiting: list[tuple[str, str]] = []
        self._tails: dict[str, deque[bytes]] = {}
        self._room = limit // 2
        self._held: deque[tuple[str, bytes, int]] = deque()
        self._held_room = limit - self._room
        self._holding = False
        self._dropped_lines = 0
        self._dropped_bytes = 0

    def feed(self, stream: str, received: bytes) -> None:
        """Take in bytes of a stream."""
        *lines, partial = (self._partial.get(stream, b"") + received).split(b"\n")
        for line in lines:
            *pieces, last = _pieces(line)
            for piece in pieces:
                self._take(stream, piece, len(piece))
            self._take(stream, last, len(last) + 1)
        *pieces, self._partial[stream] = _pieces(partial)
        for piece in pieces:
            self._take(stream, piece, len(piece))

    def pass_on(self) -> None:
        """Hand over the lines that are complete."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._on_lines(waiting)

    def end_lines(self) -> None:
        """Hand over the lines that are complete, and take for complete what has no end yet."""
        for stream, partial in self._partial.items():
            if partial:
                self._take(stream, partial, len(partial))
        self._partial = {}
        self.pass_on()

    def finish(self) -> None:
        """Hand over everything: also what was held back, and how much there was before it."""
        self.end_lines()
        if self._dropped_lines:
            left_out = (
                f"{self._dropped_bytes} bytes in {self._dropped_lines} lines were left out here "
                f"(limit {self._limit})"
            )
            self._waiting.append(("taskmgr", left_out))
        self._waiting += [(stream, _text(line)) for stream, line, _ in self._held]
        self._held.clear()
        self._held_room = 0
        self._dropped_lines = self._dropped_bytes = 0
        self.pass_on()

    def tail(self, stream: str) -> str:
        """The last lines of a stream, kept whatever was dropped."""
        partial = self._partial.get(stream, b"")
        lines = [*self._tails.get(stream, ()), *([partial] if partial else [])]
        return "\n".join(map(_text, lines))

    def _take(self, stream: str, line: bytes, size: int) -> None:
        self._tails.setdefault(stream, deque(maxlen=TAIL_LINES)).append(line)
        cost = size + LINE_COST_BYTES
        if not self._holding and cost <= self._room:
            self._room -= cost
            self._waiting.append((stream, _text(line)))
            return
        self._hold(stream, line, size)

    def _hold(self, stream: str, line: bytes, size: int) -> None:
        """Hold a line back, and all that follow, so that a log has one gap at most."""
        if not self._holding:
            self._holding = True
            self._held_room += self._room
            told = (
                f"from here on the last {self._held_room} bytes are kept, and follow when the "
                "attempt ends"
            )
            self._waiting.append(("taskmgr", told))
        self._held.append((stream, line, size))
        self._held_room -= size + LINE_COST_BYTES
        while self._held_room < 0 and self._held:
            _, _, dropped = self._held.popleft()
            self._held_room += dropped + LINE_COST_BYTES
            self._dropped_bytes += dropped
            self._dropped_lines += 1


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\r")


def _pieces(line: bytes) -> list[bytes]:
    """A line that is too long, cut between characters; the last piece may be empty."""
    pieces = []
    while len(line) > LINE_BYTES:
        end = LINE_BYTES
        while end > LINE_BYTES - 4 and line[end] & 0xC0 == 0x80:  # in the middle of a character
            end -= 1
        pieces.append(line[:end])
        line = line[end:]
    return [*pieces, line]
