"""What a task writes to stdout and stderr, line by line, up to a size."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

LIMIT_BYTES = 1_000_000
LINE_BYTES = 8_192
TAIL_LINES = 30
LINE_COST_BYTES = 100


class OutputLines:
    """Cuts the bytes of two streams into lines; keeps count, and drops what is too much.

    Arguments:
        on_lines: gets the stream's name and its next lines.
        limit: bytes that are passed on; of more, only their number is. Each line
            counts for ``LINE_COST_BYTES`` more than it has, as storing it costs.
    """

    def __init__(
        self, on_lines: Callable[[str, list[str]], None], limit: int = LIMIT_BYTES
    ) -> None:
        self._on_lines = on_lines
        self._limit = limit
        self._partial: dict[str, bytes] = {}
        self._waiting: list[tuple[str, str]] = []
        self._tails: dict[str, deque[str]] = {}
        self._passed = 0
        self._dropped = 0

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
        for stream in dict.fromkeys(stream for stream, _ in waiting):
            self._on_lines(stream, [line for name, line in waiting if name == stream])

    def finish(self) -> None:
        """Hand over everything, the last line without an end included."""
        for stream, partial in self._partial.items():
            if partial:
                self._take(stream, partial, len(partial))
        self._partial = {}
        self.pass_on()
        if self._dropped:
            self._on_lines(
                "taskmgr",
                [f"{self._dropped} bytes more were written and not kept (limit {self._limit})"],
            )
            self._dropped = 0

    def tail(self, stream: str) -> str:
        """The last lines of a stream, kept whatever was dropped."""
        partial = self._partial.get(stream, b"").decode(errors="replace")
        return "\n".join([*self._tails.get(stream, ()), *([partial] if partial else [])])

    def _take(self, stream: str, line: bytes, size: int) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        self._tails.setdefault(stream, deque(maxlen=TAIL_LINES)).append(text)
        # Once something was dropped so is all that follows: a log has no holes.
        cost = size + LINE_COST_BYTES
        if self._dropped or self._passed + cost > self._limit:
            self._dropped += size
            return
        self._passed += cost
        self._waiting.append((stream, text))


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
