"""Pictures for tests, the same bytes each time: ``sample_image``."""

from __future__ import annotations

import importlib
import itertools
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from taskmgr_plugins.errors import InvalidValueError, TaskmgrError
from taskmgr_plugins.fields import Image

Format = Literal["png", "bmp", "jpeg", "webp", "tiff", "gif"]
Mode = Literal["color", "gray"]

_SUFFIXES = {"jpeg": ".jpg"}
_MOST_PIXELS = 50_000_000


class SampleImage:
    """Makes pictures; the fixture ``sample_image``.

    Arguments:
        folder: gives the folder that they are written into.
    """

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._new_folder = folder
        self._numbers = itertools.count(1)

    def __call__(
        self,
        width: int = 64,
        height: int = 48,
        *,
        format: Format = "png",  # noqa: A002 - what Pillow, too, calls it
        mode: Mode = "color",
        seed: int = 0,
        name: str | None = None,
    ) -> Image:
        """A picture that can be decoded: slopes of colour, a square and a bright line in it.

        PNG and BMP are written here, byte for byte the same everywhere; the others by Pillow or
        OpenCV, whichever is installed.

        Arguments:
            width: pixels.
            height: pixels.
            format: of the file.
            mode: three channels or one.
            seed: another picture for each number.
            name: of the file; by default ``sample-1.png`` and so on.

        Raises:
            InvalidValueError: a size, format or mode that is not allowed.
            TaskmgrError: nothing that is installed can write the format.
        """
        _check(width, height, format, mode)
        rows = [_row(width, height, y, mode, seed) for y in range(height)]
        suffix = _SUFFIXES.get(format, f".{format}")
        path = self._new_folder() / (name or f"sample-{next(self._numbers)}{suffix}")
        write = {"png": _png, "bmp": _bmp}.get(format)
        if write is None:
            _by_library(path, _png(rows, width, mode), format)
        else:
            path.write_bytes(write(rows, width, mode))
        return Image(path)


def _check(width: int, height: int, format: str, mode: str) -> None:  # noqa: A002
    for what, value in (("width", width), ("height", height)):
        if not isinstance(value, int) or value < 1:
            raise InvalidValueError(f"{what} {value!r}: allowed is a whole number of pixels from 1")
    if width * height > _MOST_PIXELS:
        raise InvalidValueError(f"{width} x {height}: allowed are {_MOST_PIXELS} pixels at most")
    for what, given, allowed in (("format", format, Format), ("mode", mode, Mode)):
        if given not in get_args(allowed):
            known = ", ".join(map(repr, get_args(allowed)))
            raise InvalidValueError(f"{what} {given!r}: allowed are {known}")


def _row(width: int, height: int, y: int, mode: str, seed: int) -> bytes:
    """A row of pixels: RGB, or gray."""
    reds = bytes(255 * x // width for x in range(width))
    row = _pixels(reds, 255 * y // height, (128 + seed * 53) % 256, mode)
    channels = len(row) // width
    if height // 4 <= y < max(height // 2, height // 4 + 1):
        left, right = width // 4, max(width // 2, width // 4 + 1)
        square = _pixels(bytes([30]) * (right - left), 60, (90 + seed * 31) % 256, mode)
        row[left * channels : right * channels] = square
    # The line tells pictures of other seeds apart.
    for x in range((y - seed * 7) % height, width, height):
        row[x * channels : (x + 1) * channels] = bytes([250]) * channels
    return bytes(row)


def _pixels(reds: bytes, green: int, blue: int, mode: str) -> bytearray:
    if mode == "gray":
        return bytearray(reds.translate(bytes((red + green + blue) // 3 for red in range(256))))
    row = bytearray(3 * len(reds))
    row[0::3], row[1::3], row[2::3] = reds, bytes([green]) * len(reds), bytes([blue]) * len(reds)
    return row


def _png(rows: list[bytes], _: int, mode: str) -> bytes:
    """A PNG without compression: of that, two versions of zlib could give other bytes."""
    width = len(rows[0]) // (3 if mode == "color" else 1)
    header = struct.pack(">IIBBBBB", width, len(rows), 8, 2 if mode == "color" else 0, 0, 0, 0)
    data = _stored(b"".join(b"\0" + row for row in rows))
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def _stored(content: bytes) -> bytes:
    """A zlib stream (RFC 1950, 1951) of stored blocks."""
    blocks = [content[start : start + 65_535] for start in range(0, len(content), 65_535)]
    stream = b"\x78\x01"
    for index, block in enumerate(blocks):
        last = index == len(blocks) - 1
        stream += struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block
    return stream + struct.pack(">I", zlib.adler32(content))


def _bmp(rows: list[bytes], width: int, mode: str) -> bytes:
    """A BMP of 24 bits a pixel, its rows from below, each filled up to four bytes."""
    lines = []
    for row in reversed(rows):
        if mode == "color":
            line = b"".join(row[at : at + 3][::-1] for at in range(0, len(row), 3))
        else:
            line = b"".join(bytes([each]) * 3 for each in row)
        lines.append(line + bytes(-len(line) % 4))
    data = b"".join(lines)
    header = struct.pack("<2sIHHI", b"BM", 54 + len(data), 0, 0, 54)
    return (
        header
        + struct.pack("<IiiHHIIiiII", 40, width, len(rows), 1, 24, 0, len(data), 2835, 2835, 0, 0)
        + data
    )


def _by_library(path: Path, png: bytes, format: str) -> None:  # noqa: A002
    pillow, cv2 = _module("PIL.Image"), _module("cv2")
    if pillow is not None:
        import io

        with pillow.open(io.BytesIO(png)) as opened:
            opened.save(path, format.upper())
    elif cv2 is not None and format != "gif":
        import numpy

        pixels = cv2.imdecode(numpy.frombuffer(png, numpy.uint8), cv2.IMREAD_UNCHANGED)
        suffix = _SUFFIXES.get(format, f".{format}")
        path.write_bytes(cv2.imencode(suffix, pixels)[1].tobytes())
    else:
        raise TaskmgrError(
            f"neither Pillow nor OpenCV is installed here to write {format!r}; add 'pillow' to "
            "what the tests need, or take 'png' or 'bmp'"
        )


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None
