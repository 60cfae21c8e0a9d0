"""Field types for the inputs and outputs of tasks, beside JSON scalars, lists and attrs classes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import attrs

from taskmgr_plugins.errors import InvalidInputError, InvalidValueError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]
else:

    class Array:
        """A numpy array of any dtype and shape, passed exactly.

        At run time this is only a mark: tasks get, and give, ``numpy.ndarray``.
        """


ColorOrder = Literal["bgr", "rgb", "gray"]


@attrs.frozen
class On:
    """Says on which image a ``Box`` or ``Points`` lies: ``Annotated[Box, On("image")]``.

    Attributes:
        image: the name of an ``Image`` input of the same task.
    """

    image: str


@attrs.frozen
class Box:
    """A rectangle on an image, in pixels of the upright (EXIF-rotated) picture.

    Attributes:
        x: left edge.
        y: upper edge.
        width: to the right.
        height: downwards.
    """

    x: float
    y: float
    width: float
    height: float


def _number_pairs(rows: Iterable[Iterable[float]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(x), float(y)) for x, y in rows)


@attrs.frozen
class Points:
    """Points on an image, in pixels of the upright picture.

    Attributes:
        coordinates: ``(x, y)`` for each point.
    """

    coordinates: tuple[tuple[float, float], ...] = attrs.field(converter=_number_pairs)


def base_name(name: str) -> str:
    """The last part of a file's name: what is recorded says nothing of folders.

    Raises:
        InvalidValueError: that is no name of a file.
    """
    last = name.rpartition("/")[2]
    if last in ("", ".", "..") or "\0" in last:
        raise InvalidValueError(f"{name!r} is no name of a file; give one as 'picture.png'")
    return last


class File:
    """A file of any kind: on disk, or bytes that will be written to one.

    Arguments:
        source: a path, or the file's bytes.
        name: the name shown to users, without folders; by default the path's own.

    Raises:
        InvalidValueError: it is made from something else, or its name is no file's.
    """

    __slots__ = ("_content", "_path", "name")

    def __init__(self, source: str | os.PathLike[str] | bytes, name: str | None = None) -> None:
        if not isinstance(source, str | os.PathLike | bytes):
            raise InvalidValueError(
                f"{type(self).__name__} is made from a path or bytes, "
                f"not from {type(source).__name__}"
            )
        self._content = source if isinstance(source, bytes) else None
        self._path = None if isinstance(source, bytes) else _path(source)
        self.name = base_name(name) if name else (self._path.name if self._path else "")

    @property
    def path(self) -> Path:
        """Where the file lies.

        Raises:
            InvalidValueError: it was made from bytes and lies nowhere.
        """
        if self._path is None:
            raise InvalidValueError(
                f"this {type(self).__name__} was made from memory and has no path; use read_bytes()"
            )
        return self._path

    @property
    def in_memory(self) -> bool:
        """Whether it was made from bytes (or an array), not from a path."""
        return self._path is None

    def read_bytes(self) -> bytes:
        """The file's content."""
        return self.path.read_bytes() if self._content is None else self._content

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._path) if self._path else '<memory>'!r})"


def _path(source: str | os.PathLike[str]) -> Path:
    from pathlib import Path  # a tenth of what importing the SDK would take

    return Path(source)


class Image(File):
    """A picture: a path, the bytes of an image file, or a numpy array.

    Arguments:
        source: a path, the bytes of a PNG, JPEG, ... file, or an array of
            shape (height, width), (height, width, 3) in BGR order or
            (height, width, 4) in BGRA, of dtype uint8 or uint16.
        name: the name shown to users.
    """

    __slots__ = ("_array",)

    def __init__(
        self,
        source: str | os.PathLike[str] | bytes | NDArray[numpy.generic],
        name: str | None = None,
    ) -> None:
        self._array: Any = None
        if isinstance(source, str | os.PathLike | bytes):
            super().__init__(source, name)
            return
        super().__init__(b"", name)
        self._array = _checked_pixels(source)

    @property
    def from_array(self) -> bool:
        """Whether it was made from an array, so that it is a picture for certain."""
        return self._array is not None

    def to_array(self, order: ColorOrder = "bgr") -> NDArray[numpy.uint8]:
        """Decode to 8-bit pixels, upright (the EXIF orientation applied), alpha dropped.

        Arguments:
            order: ``bgr`` (OpenCV's) or ``rgb``: shape (height, width, 3);
                ``gray``: shape (height, width).

        Returns:
            The pixels, uint8; 16-bit pictures are scaled down.

        Raises:
            InvalidInputError: the file is no picture that can be decoded.
            InvalidValueError: there is no such order.
        """
        from taskmgr_plugins import pixels

        if order not in get_args(ColorOrder):
            raise InvalidValueError(f"order {order!r}: allowed are 'bgr', 'rgb' and 'gray'")
        if self._array is not None:
            converted: NDArray[numpy.uint8] = pixels.convert(self._array, order)
            return converted
        label = self.name or "the picture"
        decoded: NDArray[numpy.uint8] | None = pixels.decode(self.read_bytes(), order)
        if decoded is None:
            raise InvalidInputError(
                f"{label} cannot be decoded as a picture; "
                "give a PNG, JPEG, WebP, BMP or TIFF file that an image viewer opens"
            )
        return decoded

    def read_bytes(self) -> bytes:
        """The image file's bytes; an array is encoded as PNG, without loss."""
        if self._array is None:
            return super().read_bytes()
        from taskmgr_plugins import pixels

        return pixels.encode_png(self._array)


def _checked_pixels(source: Any) -> Any:
    """The array, if it can be a picture."""
    shape = getattr(source, "shape", None)
    dtype = str(getattr(source, "dtype", ""))
    if shape is None:
        raise InvalidValueError(
            f"Image is made from a path, bytes or a numpy array, not from {type(source).__name__}"
        )
    fits = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))
    if not fits or 0 in shape or dtype not in ("uint8", "uint16"):
        raise InvalidValueError(
            f"an array of shape {tuple(shape)} and dtype {dtype} is no picture; allowed are "
            "(height, width), (height, width, 3) and (height, width, 4) of uint8 or uint16"
        )
    return source
