"""What a task writes to stdout and stderr, line by line, up to a size."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

LIMIT_BYTES = 1_000_000
LINE_BYTES = 8_192
TAIL_LINES = 30


class OutputLines:
    """Cuts the bytes of two streams into lines; keeps count, and drops what is too much.

    Arguments:
        on_lines: gets the stream's name and its next lines.
        limit: bytes that are passed on; of more, only their number is.
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
        while len(partial) > LINE_BYTES:  # a line without an end is cut
            lines.append(partial[:LINE_BYTES])
            partial = partial[LINE_BYTES:]
        self._partial[stream] = partial
        for line in lines:
            self._take(stream, line)

    def pass_on(self) -> None:
        """Hand over the lines that are complete."""
        waiting, self._waiting = self._waiting, []
        for stream in dict.fromkeys(stream for stream, _ in waiting):
            self._on_lines(stream, [line for name, line in waiting if name == stream])

    def finish(self) -> None:
        """Hand over everything, the last line without an end included."""
        for stream, partial in self._partial.items():
            if partial:
                self._take(stream, partial)
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

    def _take(self, stream: str, line: bytes) -> None:
        text = line[:LINE_BYTES].decode(errors="replace").rstrip("\r")
        self._tails.setdefault(stream, deque(maxlen=TAIL_LINES)).append(text)
        if self._passed + len(line) > self._limit:
            self._dropped += len(line) + 1
            return
        self._passed += len(line) + 1
        self._waiting.append((stream, text))
