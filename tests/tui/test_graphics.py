"""Pictures in a terminal's full resolution: what is sent is read back as a terminal does."""

from __future__ import annotations

import base64
import os
import pty
import re
import select
import threading
import time
from collections.abc import Iterator

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskmgr_tui.core.graphics import QUESTION, Pixels, Protocol, encoded, protocol_of
from taskmgr_tui.core.viewing import Place, view

RED, BLUE = (255, 0, 0), (0, 0, 255)
KITTY_ANSWER = b"\x1b_Gi=31;OK\x1b\\\x1b[?62;c"
SIXEL_ANSWER = b"\x1b[?62;4;22c"


def two_halves(width: int, height: int) -> Pixels:
    """Red on the left, blue on the right."""
    row = bytes(RED) * (width // 2) + bytes(BLUE) * (width - width // 2)
    return Pixels(width, height, row * height)


@pytest.mark.parametrize(
    ("answer", "protocol"),
    [
        (KITTY_ANSWER, "kitty"),
        (SIXEL_ANSWER, "sixel"),
        (b"\x1b[?64;1;4c", "sixel"),
        (b"\x1b[?1;2c", ""),
        (b"\x1b[?4c", ""),
        (b"\x1b[?64;14;24c", ""),
        (b"\x1b_Gi=31;ENOTSUPPORTED\x1b\\\x1b[?62c", ""),
        (b"", ""),
    ],
)
def test_answer_says_what_a_terminal_can(answer: bytes, protocol: Protocol) -> None:
    """Kitty's OK, or the 4 behind the class of the terminal; anything else is neither."""
    assert protocol_of(answer) == protocol


@given(st.integers(1, 90), st.integers(1, 40), st.randoms(use_true_random=False))
@settings(max_examples=25)
def test_kitty_gets_every_pixel(width: int, height: int, random: object) -> None:
    """The chunks, put together, are the picture; all but the last say that more follows."""
    picture = Pixels(width, height, random.randbytes(3 * width * height))  # type: ignore[attr-defined]
    parts = re.findall(rb"\x1b_G([^;]*);([^\x1b]*)\x1b\\", encoded(picture, "kitty"))
    assert base64.b64decode(b"".join(content for _, content in parts)) == picture.rgb
    assert parts[0][0].startswith(b"a=T,f=24,q=2,s=%d,v=%d," % (width, height))
    assert [control[-3:] for control, _ in parts] == [b"m=1"] * (len(parts) - 1) + [b"m=0"]
    assert all(len(content) <= 4096 for _, content in parts)


@pytest.mark.parametrize(("width", "height"), [(2, 1), (7, 6), (600, 13)])
def test_sixel_shows_each_pixel_in_its_colour(width: int, height: int) -> None:
    """Read as a terminal reads it, the left half is red and the right half blue."""
    picture = two_halves(width, height)
    shown = drawn(encoded(picture, "sixel"))
    assert shown == {
        (x, y): RED if x < width // 2 else BLUE for x in range(width) for y in range(height)
    }


def drawn(sixel: bytes) -> dict[tuple[int, int], tuple[int, ...]]:
    """The pixels that a Sixel picture sets."""
    body = re.fullmatch(rb'\x1bP0;1;0q"1;1;\d+;\d+(.*)\x1b\\', sixel, re.DOTALL)
    assert body
    colours: dict[int, tuple[int, ...]] = {}
    pixels, x, y, colour = dict[tuple[int, int], tuple[int, ...]](), 0, 0, 0
    for defined, chosen, times, sign in re.findall(
        rb"#(\d+;2;\d+;\d+;\d+)|#(\d+)|(?:!(\d+))?([?-~$-])", body[1]
    ):
        if defined:
            number, _, *rgb = map(int, defined.split(b";"))
            colours[number] = tuple(round(each * 255 / 100) for each in rgb)
        elif chosen:
            colour = int(chosen)
        elif sign == b"$":
            x = 0
        elif sign == b"-":
            x, y = 0, y + 6
        else:
            bits = [bit for bit in range(6) if (sign[0] - 63) >> bit & 1]
            columns = range(x, x + int(times or 1))
            pixels |= {(at, y + bit): colours[colour] for at in columns for bit in bits}
            x = columns.stop
    return pixels


@attrs.define
class Terminal:
    """The other end of a terminal: it answers, and somebody presses keys.

    Attributes:
        answer: to the question what it can show.
        keys: pressed one after the other, each when a picture is shown.
    """

    answer: bytes
    keys: list[bytes]
    shown: bytes = b""

    def serve(self, master: int, ended: threading.Event) -> None:
        """Until it is over."""
        while not ended.is_set():
            if not select.select([master], [], [], 0.01)[0]:
                continue
            self.shown += os.read(master, 65536)
            if QUESTION in self.shown:
                self.shown = self.shown.replace(QUESTION, b"")
                os.write(master, self.answer)
            if self.keys and self.shown.count(b" of ") > self.shown.count(b"KEY"):
                self.shown += b"KEY"
                os.write(master, self.keys.pop(0))


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """A terminal's two ends."""
    master, slave = pty.openpty()
    yield master, slave
    os.close(slave)
    os.close(master)


def viewed(ends: tuple[int, int], terminal: Terminal) -> Protocol:
    """Two pictures, shown on a terminal."""
    ended = threading.Event()
    server = threading.Thread(target=terminal.serve, args=(ends[0], ended))
    server.start()
    try:
        pictures = [("photo", two_halves(8, 6)), ("plot", two_halves(4, 6))]
        return view(Place(ends[1], ends[1]), pictures)
    finally:
        ended.set()
        server.join()


def test_pictures_are_shown_one_after_the_other(ends: tuple[int, int]) -> None:
    """Each in the protocol that the terminal has said, until a key is pressed."""
    terminal = Terminal(KITTY_ANSWER, [b" ", b" "])
    assert viewed(ends, terminal) == "kitty"
    assert re.findall(rb"(photo|plot)  \((\d) of 2", terminal.shown) == [
        (b"photo", b"1"),
        (b"plot", b"2"),
    ]
    assert terminal.shown.count(b"a=T") == 2


def test_q_ends_the_pictures(ends: tuple[int, int]) -> None:
    """The second one is not shown."""
    terminal = Terminal(SIXEL_ANSWER, [b"q"])
    assert viewed(ends, terminal) == "sixel"
    assert b"photo" in terminal.shown
    assert b"plot" not in terminal.shown


def test_terminal_without_pictures_is_left_as_it_is(ends: tuple[int, int]) -> None:
    """It answers at once that it has none: nothing is written, and nobody waits."""
    terminal = Terminal(b"\x1b[?1;2c", [])
    begun = time.monotonic()
    assert viewed(ends, terminal) == ""
    assert time.monotonic() - begun < 0.9
    assert terminal.shown == b""
