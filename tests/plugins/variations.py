"""Pictures in which the same face looks a little different."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import cv2
import numpy
from numpy.typing import NDArray

Pixels = NDArray[Any]


def mirrored(pixels: Pixels) -> Pixels:
    """Left and right swapped."""
    return numpy.ascontiguousarray(pixels[:, ::-1])


def rescaled(pixels: Pixels, factor: float) -> Pixels:
    """Larger or smaller."""
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=how)


def noisy(pixels: Pixels) -> Pixels:
    """With the grain of a poor camera: a standard deviation of 8 of 255."""
    grain = numpy.random.default_rng(1).normal(0, 8, pixels.shape)
    return numpy.clip(pixels + grain, 0, 255).astype(numpy.uint8)


def tilted(pixels: Pixels, degrees: float) -> Pixels:
    """Turned around the middle."""
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return cv2.warpAffine(pixels, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)


HARMLESS: dict[str, Callable[[Pixels], Pixels]] = {
    "mirrored": mirrored,
    "half the size": lambda pixels: rescaled(pixels, 0.5),
    "twice the size": lambda pixels: rescaled(pixels, 2),
    "darker": lambda pixels: cv2.convertScaleAbs(pixels, alpha=0.6),
    "brighter": lambda pixels: cv2.convertScaleAbs(pixels, alpha=1.2),
    "noisy": noisy,
    "tilted": lambda pixels: tilted(pixels, 8),
}


def jpeg_turned_by_exif(upright: Pixels) -> bytes:
    """A JPEG file that lies on its side and says so in its EXIF data (orientation 6)."""
    lying = cv2.rotate(upright, cv2.ROTATE_90_COUNTERCLOCKWISE)
    jpeg = cv2.imencode(".jpg", lying)[1].tobytes()
    orientation, short = 0x0112, 3
    directory = struct.pack(">HHHIHHI", 1, orientation, short, 1, 6, 0, 0)
    exif = b"Exif\0\0MM\0*" + struct.pack(">I", 8) + directory
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    return jpeg[:2] + segment + jpeg[2:]
