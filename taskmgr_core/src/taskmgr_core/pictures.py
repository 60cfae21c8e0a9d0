"""Whether a file is a picture that can be decoded, found out before a run is made of it."""

from __future__ import annotations

import codecs
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from taskmgr_core.errors import InvalidValueError

# Those that OpenCV reads, too. Pillow would hand some of the others to further programs.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")


def check_picture(path: Path, name: str, megapixels: int) -> None:
    """Decode a picture once, so that a damaged one is refused at the door.

    Arguments:
        path: the file.
        name: what to call it in the message.
        megapixels: how many million pixels it may have.

    Raises:
        InvalidValueError: no picture, truncated, damaged or too large.
    """
    with warnings.catch_warnings():
        # Our own limit holds; Pillow's notes on odd metadata are not the user's concern.
        warnings.simplefilter("ignore")
        try:
            with Image.open(path, formats=FORMATS) as opened:
                _check_size(opened, name, megapixels)
                # An eighth of a JPEG's size still reads the whole file.
                opened.draft(None, (max(opened.width // 8, 1), max(opened.height // 8, 1)))
                opened.load()
        except InvalidValueError:
            raise
        except UnidentifiedImageError as error:
            raise InvalidValueError(
                f"{name} is not a picture ({_kind(path)}); "
                "give a PNG, JPEG, WebP, BMP, GIF or TIFF file"
            ) from error
        except Image.DecompressionBombError as error:
            raise InvalidValueError(
                f"{name} has more than the {megapixels} million pixels allowed; shrink it"
            ) from error
        except (OSError, SyntaxError, ValueError) as error:
            raise InvalidValueError(f"{name} {_damage(error)}") from error


def _damage(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be read: {error.strerror}"
    return f"is damaged and cannot be decoded: {error}; copy or export it again"


def _check_size(opened: Image.Image, name: str, megapixels: int) -> None:
    pixels = opened.width * opened.height
    if pixels > megapixels * 1_000_000:
        raise InvalidValueError(
            f"{name} has {opened.width} x {opened.height} pixels, more than the "
            f"{megapixels} million allowed; shrink it, or raise TASKMGR_IMAGE_MEGAPIXELS"
        )


def _kind(path: Path) -> str:
    with path.open("rb") as opened:
        beginning = opened.read(512)
    if not beginning:
        return "the file is empty"
    try:
        # The last character may be cut off.
        text = codecs.getincrementaldecoder("utf-8")().decode(beginning)
    except UnicodeDecodeError:
        text = "\0"
    return "its content is of no known image format" if "\0" in text else "its content is text"
