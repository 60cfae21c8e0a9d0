"""Shows pictures on a terminal that nobody else writes to, until a key is pressed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import termios
import time
import tty
from collections.abc import Iterator, Sequence

import attrs

from taskmgr_tui.core.graphics import (
    QUESTION,
    Pixels,
    Protocol,
    answered,
    encoded,
    protocol_of,
)

# A terminal answers at once; over a slow line it takes as long as a key does.
ANSWER_SECONDS = 1.0
# What is assumed where a terminal does not tell how many pixels it has.
CELL = (10, 20)
_HOME = b"\x1b[H\x1b[2J\x1b[3J"


@attrs.frozen
class Place:
    """A terminal: what it reads from, what it writes to."""

    reading: int
    writing: int

    @contextlib.contextmanager
    def raw(self) -> Iterator[None]:
        """Keys come one by one and are not echoed."""
        before = termios.tcgetattr(self.reading)
        try:
            tty.setcbreak(self.reading)
            yield
        finally:
            termios.tcsetattr(self.reading, termios.TCSAFLUSH, before)

    def size(self) -> tuple[int, int]:
        """Its width and height in pixels, the last two lines left out."""
        asked = struct.pack("HHHH", 0, 0, 0, 0)
        told = struct.unpack("HHHH", fcntl.ioctl(self.writing, termios.TIOCGWINSZ, asked))
        lines, columns, width, height = told
        if not width or not height:
            width, height = columns * CELL[0], lines * CELL[1]
        return width, height * max(lines - 3, 1) // max(lines, 1)

    def write(self, content: bytes) -> None:
        """Write all of it."""
        left = memoryview(content)
        while left:
            left = left[os.write(self.writing, left) :]

    def protocol(self) -> Protocol:
        """How it shows pictures."""
        self.write(QUESTION)
        answer, deadline = b"", time.monotonic() + ANSWER_SECONDS
        while not answered(answer) and (left := deadline - time.monotonic()) > 0:
            if not select.select([self.reading], [], [], left)[0]:
                break
            part = os.read(self.reading, 4096)
            if not part:
                break
            answer += part
        return protocol_of(answer)

    def key(self) -> bytes:
        """Wait for a key; nothing where there is nobody any more."""
        return os.read(self.reading, 64)


def view(place: Place, pictures: Sequence[tuple[str, Pixels]]) -> Protocol:
    """Show pictures one after the other; any key goes on, q and escape end it.

    Arguments:
        place: the terminal.
        pictures: each with its name.

    Returns:
        How they were shown; empty where the terminal can not, and nothing was shown.
    """
    with place.raw():
        if not (protocol := place.protocol()):
            return ""
        for number, (name, picture) in enumerate(pictures, start=1):
            keys = "any key goes on" if number < len(pictures) else "any key goes back"
            heading = f"{name}  ({number} of {len(pictures)}; {keys})\r\n".encode()
            place.write(_HOME + heading + encoded(_fitting(picture, place.size()), protocol))
            if place.key() in (b"q", b"\x1b", b""):
                break
        place.write(_HOME + (b"\x1b_Ga=d,d=A,q=2\x1b\\" if protocol == "kitty" else b""))
    return protocol


def _fitting(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """A picture as large as there is room, never larger than it is."""
    scale = min(size[0] / picture.width, size[1] / picture.height)
    if scale >= 1:
        return picture
    from PIL import Image

    small = Image.frombytes("RGB", (picture.width, picture.height), picture.rgb)
    small = small.resize((max(int(picture.width * scale), 1), max(int(picture.height * scale), 1)))
    return Pixels(small.width, small.height, small.tobytes())
