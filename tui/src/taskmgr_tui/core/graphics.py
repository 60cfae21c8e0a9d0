"""Pictures in the full resolution of a terminal: Kitty's graphics, or Sixel.

Kitty: https://sw.kovidgoyal.net/kitty/graphics-protocol/. Sixel: DEC's manual of the VT340,
chapter 14; that a terminal has it is the 4 in its answer to "primary device attributes".
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Literal

import attrs

Protocol = Literal["", "kitty", "sixel"]

# A picture of one pixel to be looked at and not shown, then what every terminal answers.
QUESTION = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c"
_ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]*)c")
_KITTY = b"\x1b_Gi=31;OK"
_SIXEL = b"4"
_CHUNK = 4096
_LONGEST_RUN = 255
_COLOURS = 128
_BAND = 6  # pixels above one another in one character of a Sixel picture


@attrs.frozen
class Pixels:
    """A picture as bytes: red, green, blue, row by row from the top."""

    width: int
    height: int
    rgb: bytes = attrs.field(repr=False)


def answered(answer: bytes) -> bool:
    """Whether a terminal has said all that it will."""
    return _ATTRIBUTES.search(answer) is not None


def protocol_of(answer: bytes) -> Protocol:
    """How a terminal shows pictures; empty where it can not.

    Arguments:
        answer: what it said to ``QUESTION``.
    """
    if _KITTY in answer:
        return "kitty"
    found = _ATTRIBUTES.search(answer)
    return "sixel" if found and _SIXEL in found[1].split(b";")[1:] else ""


def encoded(picture: Pixels, protocol: Protocol) -> bytes:
    """What shows a picture where the cursor is."""
    return b"".join(_kitty(picture) if protocol == "kitty" else _sixel(picture))


def _kitty(picture: Pixels) -> Iterator[bytes]:
    """Transmit and show (``a=T``), without answers (``q=2``), in chunks as the protocol wants."""
    content = base64.standard_b64encode(picture.rgb)
    control = f"a=T,f=24,q=2,s={picture.width},v={picture.height},".encode()
    for start in range(0, len(content), _CHUNK):
        chunk = content[start : start + _CHUNK]
        more = int(start + _CHUNK < len(content))
        yield b"\x1b_G%sm=%d;%s\x1b\\" % (control, more, chunk)
        control = b""


def _sixel(picture: Pixels) -> Iterator[bytes]:
    from PIL import Image

    size = (picture.width, picture.height)
    few = Image.frombytes("RGB", size, picture.rgb).quantize(_COLOURS)
    palette = few.getpalette("RGB") or []
    yield b'\x1bP0;1;0q"1;1;%d;%d' % size
    for number in range(len(palette) // 3):
        red, green, blue = (
            round(each / 255 * 100) for each in palette[3 * number : 3 * number + 3]
        )
        yield b"#%d;2;%d;%d;%d" % (number, red, green, blue)
    rows = few.tobytes()
    for top in range(0, picture.height, _BAND):
        bottom = min(top + _BAND, picture.height)
        band = [rows[y * picture.width : (y + 1) * picture.width] for y in range(top, bottom)]
        yield b"$".join(_in_colour(band, colour) for colour in sorted(set(b"".join(band)))) + b"-"
    yield b"\x1b\\"


def _in_colour(band: list[bytes], colour: int) -> bytes:
    """Where a band of six rows has a colour: six bits for each column, counted from ``?`` on."""
    bits = 0
    for place, row in enumerate(band):
        marks = bytes(1 << place if each == colour else 0 for each in range(256))
        bits |= int.from_bytes(row.translate(marks), "big")
    columns = bits.to_bytes(len(band[0]), "big")
    shifted = bytes(each + 63 for each in columns)
    return b"#%d%s" % (colour, re.sub(rb"(.)\1{3,}", _run, shifted, flags=re.DOTALL))


def _run(found: re.Match[bytes]) -> bytes:
    """A character repeated: ``!`` and how often."""
    whole, rest = divmod(len(found[0]), _LONGEST_RUN)
    parts = [b"!%d%s" % (_LONGEST_RUN, found[1])] * whole
    return b"".join([*parts, b"!%d%s" % (rest, found[1]) if rest else b""])
