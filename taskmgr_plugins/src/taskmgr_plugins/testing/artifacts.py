"""Files for the inputs of tasks: ``artifact``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from taskmgr_plugins import pixels
from taskmgr_plugins.errors import InvalidValueError
from taskmgr_plugins.fields import File, base_name
from taskmgr_plugins.strict_types import is_numpy_array, shown


class MakeArtifact:
    """Makes files for inputs of the kinds ``File``, ``Image`` and ``Array``; ``artifact``.

    Arguments:
        folder: gives the folder that they are written into.
    """

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._new_folder = folder

    def __call__(self, content: Any, name: str | None = None) -> File:
        """A file with this content, to be given to a task or to a run.

        Arguments:
            content: bytes; a text, which is written as UTF-8; a path, whose file is copied; or
                a numpy array, which becomes an .npy file, or a picture where ``name`` ends with
                ``.png``.
            name: of the file; by default that of the path, else ``artifact`` or
                ``artifact.npy``.

        Raises:
            InvalidValueError: it is something else, or the file is not there.
        """
        if isinstance(content, Path) and not content.is_file():
            raise InvalidValueError(f"the file {content} is not there")
        default = content.name if isinstance(content, Path) else "artifact"
        if is_numpy_array(type(content)):
            default = "artifact.npy"
        path = self._new_folder() / base_name(name or default)
        path.write_bytes(_bytes(content, path))
        return File(path)


def _bytes(content: Any, path: Path) -> bytes:
    if isinstance(content, bytes):
        return content
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, Path):
        return content.read_bytes()
    if not is_numpy_array(type(content)):
        raise InvalidValueError(
            f"{shown(content)}: an artifact is made from bytes, a text, a Path or a numpy array"
        )
    if path.suffix == ".png":
        return bytes(pixels.encode_png(content))
    import io

    import numpy

    buffer = io.BytesIO()
    numpy.save(buffer, content, allow_pickle=False)
    return buffer.getvalue()
