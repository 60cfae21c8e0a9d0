"""Pictures to arrays and back, with whichever of OpenCV and Pillow the task's virtualenv has."""

from __future__ import annotations

import importlib
import io
from pathlib import Path
from types import ModuleType
from typing import Any

from taskmgr_plugins.errors import TaskmgrError


def decode(content: bytes, order: str) -> Any:
    """Decode an image file.

    Arguments:
        content: the file's bytes.
        order: ``bgr``, ``rgb`` or ``gray``.

    Returns:
        uint8 pixels of shape (height, width, 3), or (height, width) for
        ``gray``; None when the bytes are no picture.
    """
    cv2 = _module("cv2")
    if cv2 is not None:
        return _decode_with_opencv(cv2, content, order)
    pillow = _module("PIL.Image")
    if pillow is not None:
        return _decode_with_pillow(pillow, content, order)
    raise TaskmgrError(_no_decoder())


def is_damaged(path: Path) -> bool:
    """Whether a file of a picture's format cannot be decoded.

    False also where nothing that is installed can tell.
    """
    cv2, pillow = _module("cv2"), _module("PIL.Image")
    if cv2 is not None and cv2.haveImageReader(str(path)):
        return _decode_with_opencv(cv2, path.read_bytes(), "gray") is None
    return pillow is not None and _decode_with_pillow(pillow, path.read_bytes(), "gray") is None


def convert(pixels: Any, order: str) -> Any:
    """Bring an array given as a picture (gray, BGR or BGRA) into the order asked for."""
    import numpy

    if pixels.dtype == numpy.uint16:
        pixels = (pixels >> 8).astype(numpy.uint8)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim == 2:
        return pixels if order == "gray" else numpy.repeat(pixels[:, :, None], 3, axis=2)
    bgr = pixels[:, :, :3]
    if order == "gray":
        # ITU-R BT.601 luma, the weights that OpenCV and Pillow use.
        return (bgr @ numpy.array([0.114, 0.587, 0.299]) + 0.5).astype(numpy.uint8)
    return numpy.ascontiguousarray(bgr if order == "bgr" else bgr[:, :, ::-1])


def encode_png(pixels: Any) -> bytes:
    """Encode an array as PNG, without loss.

    Arguments:
        pixels: uint8 or uint16, (height, width), BGR or BGRA.

    Raises:
        TaskmgrError: nothing that is installed can write it.
    """
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    cv2 = _module("cv2")
    if cv2 is not None:
        return bytes(cv2.imencode(".png", pixels)[1].tobytes())
    pillow = _module("PIL.Image")
    if pillow is None:
        raise TaskmgrError(_no_decoder())
    return _encode_with_pillow(pillow, pixels)


def _decode_with_opencv(cv2: ModuleType, content: bytes, order: str) -> Any:
    import numpy

    buffer = numpy.frombuffer(content, numpy.uint8)
    if not buffer.size:
        return None
    flag = cv2.IMREAD_GRAYSCALE if order == "gray" else cv2.IMREAD_COLOR
    try:
        found = cv2.imdecode(buffer, flag)
    except cv2.error:  # more pixels than OpenCV takes
        return None
    if found is None or order != "rgb":
        return found
    return cv2.cvtColor(found, cv2.COLOR_BGR2RGB)


def _decode_with_pillow(pillow: ModuleType, content: bytes, order: str) -> Any:
    import numpy

    operations = importlib.import_module("PIL.ImageOps")
    try:
        with pillow.open(io.BytesIO(content)) as opened:
            upright = operations.exif_transpose(opened)
            if upright.mode in ("F", "I") and opened.format == "TIFF":
                return None  # 32 bits a pixel: measurements, no picture; nor does OpenCV take it
            if upright.mode.startswith("I"):  # 16 bits a pixel
                upright = pillow.fromarray((numpy.asarray(upright) >> 8).astype(numpy.uint8))
            found = numpy.array(upright.convert("L" if order == "gray" else "RGB"))
    except (OSError, SyntaxError, ValueError, pillow.DecompressionBombError):
        return None
    return found if order != "bgr" else numpy.ascontiguousarray(found[:, :, ::-1])


def _encode_with_pillow(pillow: ModuleType, pixels: Any) -> bytes:
    if pixels.ndim == 3:
        if pixels.dtype.itemsize > 1:
            raise TaskmgrError(
                "Pillow cannot write a colour picture of uint16; add 'opencv-python-headless' "
                "to the plugin's dependencies, or give uint8"
            )
        pixels = pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]]
    buffer = io.BytesIO()
    pillow.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _module(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


def _no_decoder() -> str:
    return (
        "neither OpenCV nor Pillow is installed here; add 'opencv-python-headless' or 'pillow' "
        "to the plugin's dependencies"
    )
