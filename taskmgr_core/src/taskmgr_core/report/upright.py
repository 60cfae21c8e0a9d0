"""Opens any picture as people look at it: upright, 8 bits, on white, of a handy size."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageOps

from taskmgr_core.errors import InvalidValueError

SMALLEST = 400
_ORIENTATION = 0x0112
_SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N")


def open_upright(
    path: Path, longest: int | None = None, shortest: int = SMALLEST
) -> tuple[Image.Image, tuple[int, int]]:
    """Decode a picture: upright, 8-bit RGB, on white, of a size for people to look at.

    Arguments:
        path: an image file that Pillow reads, of any mode and bit depth.
        longest: the longest side of what is returned, in pixels; by default the
            picture's own.
        shortest: a picture whose longest side is shorter is enlarged.

    Returns:
        The picture, and the width and height it had, upright, in its file.

    Raises:
        InvalidValueError: the file is no picture that can be decoded.
    """
    try:
        with _without_size_warning(), Image.open(path) as opened:
            original = _upright_size(opened)
            if longest is not None and max(original) > longest:
                # A JPEG is decoded at a half, a quarter or an eighth at once.
                opened.draft("RGB", _scaled(opened.size, longest / max(original)))
            ImageOps.exif_transpose(opened, in_place=True)
            # Large pictures shrink first where that is the same and needs less memory.
            plain = opened.mode in ("L", "RGB") and not opened.has_transparency_data
            handy = opened if plain else _on_white(opened)
            return _on_white(_resized(handy, original, longest, shortest)), original
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InvalidValueError(
            f"{path.name} cannot be decoded as a picture ({error}); "
            "give a PNG, JPEG, WebP, BMP, GIF or TIFF file that an image viewer opens"
        ) from error


@contextlib.contextmanager
def _without_size_warning() -> Iterator[None]:
    """Pillow warns of large pictures, which are welcome, and refuses enormous ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def _upright_size(opened: Image.Image) -> tuple[int, int]:
    width, height = opened.size
    turned = opened.getexif().get(_ORIENTATION) in (5, 6, 7, 8)
    return (height, width) if turned else (width, height)


def _scaled(size: tuple[int, int], factor: float) -> tuple[int, int]:
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _on_white(picture: Image.Image) -> Image.Image:
    """8-bit RGB; the upper 8 bits of 16."""
    if picture.mode in _SIXTEEN_BIT:
        return picture.point(lambda value: value * (1 / 256)).convert("L").convert("RGB")
    if picture.mode == "F":
        return _stretched(picture)
    if not picture.has_transparency_data:
        return picture.convert("RGB")  # a copy, which outlives the file
    layer = picture.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")


def _stretched(picture: Image.Image) -> Image.Image:
    """Floating point has no white of its own: the darkest is black, the brightest white."""
    low, high = picture.getextrema()
    if not isinstance(low, float) or not isinstance(high, float) or not high > low:
        return Image.new("RGB", picture.size)
    factor = 255 / (high - low)
    offset = -low * factor
    return picture.point(lambda value: value * factor + offset).convert("L").convert("RGB")


def _resized(
    picture: Image.Image, original: tuple[int, int], longest: int | None, shortest: int
) -> Image.Image:
    side = max(original)
    if longest is not None and side > longest:
        return picture.resize(_scaled(original, longest / side), Image.Resampling.LANCZOS)
    if side < shortest:
        factor = shortest / side
        if factor < 4:
            return picture.resize(_scaled(original, factor), Image.Resampling.LANCZOS)
        # Pixels that become this large are shown for what they are.
        return picture.resize(_scaled(original, math.ceil(factor)), Image.Resampling.NEAREST)
    return picture
