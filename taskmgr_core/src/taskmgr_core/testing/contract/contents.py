"""Files for inputs that take some: small, the same each time, and without a library.

The formats: PNG (Third Edition), W3C 2025; NPY 1.0, ``numpy.lib.format``.
"""

from __future__ import annotations

import struct
import zlib

import attrs

from taskmgr_plugins.converter import NPY

PNG = "image/png"
BYTES = "application/octet-stream"

_CHANNELS = {"gray": (0, 1), "rgb": (2, 3), "rgba": (6, 4)}


@attrs.frozen
class Content:
    """A file that an input is to be given.

    Attributes:
        name: what users would call it.
        content: its bytes.
        media_type: what they are.
    """

    name: str
    content: bytes = attrs.field(repr=False)
    media_type: str = BYTES


def picture(width: int, height: int, mode: str = "rgb", bits: int = 8) -> Content:
    """A PNG with a slope of grey values, which every decoder opens.

    Arguments:
        width: in pixels.
        height: in pixels.
        mode: ``gray``, ``rgb`` or ``rgba``.
        bits: 8 or 16 for each channel.
    """
    kind, channels = _CHANNELS[mode]
    pixel = channels * bits // 8
    row = b"\0" + b"".join(bytes([at * 255 // width]) * pixel for at in range(width))
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(row * height)), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in chunks)
    return Content(f"{mode}-{width}x{height}.png", content, PNG)


def array(dtype: str, shape: tuple[int, ...], element: bytes) -> Content:
    """An ``.npy`` file whose elements are all the same.

    Arguments:
        dtype: as numpy writes it, ``<f4``.
        shape: its shape.
        element: the bytes of one.
    """
    count = 1
    for side in shape:
        count *= side
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape!r}, }}"
    beginning = b"\x93NUMPY\x01\x00"
    room = -(len(beginning) + 2 + len(text) + 1) % 64
    header = (text + " " * room + "\n").encode("latin-1")
    content = beginning + struct.pack("<H", len(header)) + header + element * count
    return Content(f"{dtype[1:]}-{'x'.join(map(str, shape)) or 'scalar'}.npy", content, NPY)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
