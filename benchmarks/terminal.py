"""A terminal for a program: keys go in, and what stands on its screen can be asked."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

LINES, COLUMNS = 40, 120
WAIT_SECONDS = 30.0
_TOKEN = re.compile(
    r"\x1b\[(?P<arguments>[?>=<]?[\d;:]*[$ ]?)(?P<command>[@-~])"
    r"|\x1b[\]P_](?:[^\x07\x1b]|\x1b(?!\\))*(?:\x07|\x1b\\)"
    r"|\x1b[()][A-Z0-9]|\x1b[=>78cM]"
    r"|(?P<control>[\x00-\x1a\x1c-\x1f])|(?P<text>[^\x00-\x1f]+)"
)


class Screen:
    """What a terminal shows: of the sequences that programs write those that Textual needs.

    Attributes:
        lines, styles: the characters, and how each is drawn, line by line.
    """

    def __init__(self) -> None:
        self.lines = [[" "] * COLUMNS for _ in range(LINES)]
        self.styles = [[""] * COLUMNS for _ in range(LINES)]
        self._line = self._column = 0
        self._style = self._rest = ""

    def write(self, text: str) -> None:
        """Show what a program has written; the beginning of a sequence waits for its end."""
        text, end = self._rest + text, 0
        for token in _TOKEN.finditer(text):
            if token.start() != end:
                break
            end = token.end()
            if token["command"]:
                self._command(token["arguments"], token["command"])
            elif token["control"]:
                self._control(token["control"])
            elif token["text"]:
                self._put(token["text"])
        self._rest = text[end:]

    def __contains__(self, text: str) -> bool:
        return text in str(self)

    def __str__(self) -> str:
        return "\n".join("".join(line) for line in self.lines)

    def line_of(self, text: str) -> int:
        """The number of the first line with a text; -1 where there is none."""
        return next((at for at, line in enumerate(self.lines) if text in "".join(line)), -1)

    def _command(self, arguments: str, command: str) -> None:
        if command == "H":
            numbers = [int(each or 1) for each in (arguments or "1;1").split(";")]
            self._line, self._column = numbers[0] - 1, numbers[-1] - 1
        elif command == "m":
            self._style = "" if arguments in ("", "0") else f"{self._style}|{arguments}"
        elif command == "J":
            self.__init__()  # type: ignore[misc]

    def _control(self, control: str) -> None:
        if control == "\r":
            self._column = 0
        elif control == "\n":
            self._line = min(self._line + 1, LINES - 1)

    def _put(self, text: str) -> None:
        for each in text:
            if self._line < LINES and self._column < COLUMNS:
                self.lines[self._line][self._column] = each
                self.styles[self._line][self._column] = self._style
            self._column += 1


class Program:
    """A program in a terminal of its own; it is ended with the block.

    Arguments:
        command: the program and its arguments.
        environment: added to this process's own.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.screen = Screen()
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self.before = termios.tcgetattr(slave)
        self._slave = slave
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.written = 0
        self.process = subprocess.Popen(
            list(command),
            stdin=slave, stdout=slave, stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **environment},
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._slave)
        os.close(self._master)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._master, keys.encode())

    def until(self, shown: Callable[[Screen], object], what: str = "it") -> float:
        """Read until the screen is so; the seconds that it took.

        Raises:
            TimeoutError: it was not so in time; with what is shown.
        """
        begun = time.perf_counter()
        while not shown(self.screen):
            if time.perf_counter() - begun > WAIT_SECONDS:
                raise TimeoutError(f"waited for {what}; shown is\n{self.screen}")
            self._read(0.02)
        return time.perf_counter() - begun

    def idle(self, seconds: float) -> None:
        """Read what comes for a while."""
        deadline = time.perf_counter() + seconds
        while (left := deadline - time.perf_counter()) > 0:
            self._read(left)

    def close(self, keys: str) -> float:
        """Type what ends it, and wait for its end; the seconds that it took."""
        begun = time.perf_counter()
        self.press(keys)
        while self.process.poll() is None:
            if time.perf_counter() - begun > WAIT_SECONDS:
                raise TimeoutError(f"it does not end; shown is\n{self.screen}")
            self._read(0.01)
        return time.perf_counter() - begun

    @property
    def restored(self) -> bool:
        """Whether the terminal is set as it was before the program."""
        return termios.tcgetattr(self._slave) == self.before

    def _read(self, seconds: float) -> None:
        if select.select([self._master], [], [], seconds)[0]:
            data = os.read(self._master, 65536)
            self.written += len(data)
            self.screen.write(self._decoder.decode(data))
