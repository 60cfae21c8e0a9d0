"""The only place where field values become JSON and back.

Large values do not travel as JSON: a value that lies in a file is written as
``{"$artifact": digest, ...}`` where the platform keeps it, and as
``{"$file": name, ...}`` where a task has just written it into its working
folder. Small arrays travel inline, byte for byte, as
``{"$array": {"dtype", "shape", "base64"}}``.
"""

from __future__ import annotations

import base64
import io
import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import cattrs
from cattrs import transform_error
from cattrs.v import format_exception

from taskmgr_plugins.errors import InvalidValueError, TaskmgrError
from taskmgr_plugins.fields import Array, File, Image, Points

INLINE_ARRAY_BYTES = 16 * 1024
NPY = "application/x-npy"


class ValueConverter:
    """Turns the JSON of fields into what a task gets, and what it gives into JSON.

    Attributes:
        paths: where each artifact lies on this machine, by digest.
        folder: where new files are written.
    """

    def __init__(self, folder: Path) -> None:
        self.paths: Mapping[str, str] = {}
        self.folder = folder
        self._written = 0
        self._converter = cattrs.Converter(detailed_validation=True)
        self._register_scalars()
        self._register_files()

    def structure(self, document: Any, annotation: Any, place: str) -> Any:
        """JSON to a value of the annotated type.

        Arguments:
            document: the JSON value.
            annotation: the field's type.
            place: the field's name, for the message.

        Raises:
            InvalidValueError: with the place of each fault inside the value.
        """
        try:
            return self._converter.structure(self._loaded(document), annotation)
        except TaskmgrError as error:
            raise InvalidValueError(f"{place}: {error}") from error
        except Exception as error:  # cattrs raises groups of anything
            raise InvalidValueError(
                "; ".join(transform_error(error, path=place, format_exception=_say))
            ) from error

    def unstructure(self, value: Any, annotation: Any, place: str) -> Any:
        """A value of the annotated type to JSON; files go into the working folder.

        Raises:
            InvalidValueError: the value is not of that type, or not finite.
        """
        try:
            document = self._converter.unstructure(value, unstructure_as=annotation)
        except TaskmgrError as error:
            raise InvalidValueError(f"{place}: {error}") from error
        except (AttributeError, TypeError, ValueError, KeyError) as error:
            raise InvalidValueError(
                f"{place}: {_shown(value)} is not {_type_name(annotation)} ({error})"
            ) from error
        for inner, number in non_finite(document, place):
            raise InvalidValueError(f"{inner}: {number} is not a finite number, as JSON needs it")
        return document

    def _loaded(self, document: Any) -> Any:
        """The document itself, read from its file where it was large."""
        if isinstance(document, dict) and document.get("media_type") == "application/json":
            return json.loads(self._path(document).read_bytes())
        return document

    def _path(self, document: Any) -> Path:
        if not isinstance(document, Mapping) or "$artifact" not in document:
            raise InvalidValueError(f"{_shown(document)} is no reference to an artifact")
        digest = str(document["$artifact"])
        if digest not in self.paths:
            raise InvalidValueError(f"the artifact {digest} was not handed over")
        return Path(self.paths[digest])

    def _register_scalars(self) -> None:
        converter = self._converter
        for scalar, allowed in ((bool, bool), (int, int), (float, (int, float)), (str, str)):
            converter.register_structure_hook(scalar, _strict(scalar, allowed))
            converter.register_unstructure_hook(scalar, _plain)
        converter.register_structure_hook(Points, lambda rows, _: Points(rows))
        converter.register_unstructure_hook(
            Points, lambda value: [list(row) for row in value.coordinates]
        )
        converter.register_unstructure_hook_func(_is_numpy_scalar, _plain)

    def _register_files(self) -> None:
        converter = self._converter
        for file_type in (File, Image):
            converter.register_structure_hook(
                file_type,
                lambda document, wanted: wanted(self._path(document), document.get("name")),
            )
            converter.register_unstructure_hook(file_type, self._write_file)
        converter.register_structure_hook(Array, lambda document, _: self._read_array(document))
        converter.register_unstructure_hook(Array, self._write_array)
        converter.register_unstructure_hook_func(_is_numpy_array, self._write_array)

    def _read_array(self, document: Any) -> Any:
        import numpy

        inline = document.get("$array") if isinstance(document, Mapping) else None
        if inline is None:
            return numpy.load(self._path(document), mmap_mode="r", allow_pickle=False)
        content = base64.b64decode(inline["base64"], validate=True)
        return numpy.frombuffer(content, inline["dtype"]).reshape(inline["shape"])

    def _write_array(self, value: Any) -> dict[str, Any]:
        import numpy

        array = numpy.asarray(value)
        if array.dtype.hasobject:
            raise InvalidValueError(f"an array of dtype {array.dtype} cannot be passed on")
        shape, dtype = list(array.shape), array.dtype.str
        if array.nbytes <= INLINE_ARRAY_BYTES:
            content = base64.b64encode(numpy.ascontiguousarray(array).tobytes()).decode()
            return {"$array": {"dtype": dtype, "shape": shape, "base64": content}}
        buffer = io.BytesIO()
        numpy.save(buffer, array, allow_pickle=False)
        written = self._write(buffer.getvalue(), ".npy", NPY, "")
        return {**written, "dtype": dtype, "shape": shape}

    def _write_file(self, value: File) -> dict[str, Any]:
        if not isinstance(value, File):
            raise InvalidValueError(f"{_shown(value)} is no File or Image")
        if value.in_memory:
            image = isinstance(value, Image)
            content = value.read_bytes()
            return self._write(content, "", media_type(content) if image else "", value.name)
        if not value.path.is_file():
            raise InvalidValueError(f"the file {value.path} is not there")
        target = self.folder / self._new_name(value.path.suffix)
        shutil.copyfile(value.path, target)
        with target.open("rb") as opened:
            kind = media_type(opened.read(16))
        return {"$file": target.name, "media_type": kind, "name": value.name}

    def _write(self, content: bytes, suffix: str, kind: str, name: str) -> dict[str, Any]:
        target = self.folder / self._new_name(suffix)
        target.write_bytes(content)
        return {"$file": target.name, "media_type": kind or media_type(content), "name": name}

    def _new_name(self, suffix: str) -> str:
        self._written += 1
        return f".value-{self._written}{suffix}"


def media_type(content: bytes) -> str:
    """The media type that the first 16 bytes of a file tell, or ``application/octet-stream``."""
    signatures = {
        b"\x89PNG\r\n\x1a\n": "image/png",
        b"\xff\xd8\xff": "image/jpeg",
        b"GIF8": "image/gif",
        b"BM": "image/bmp",
        b"II*\x00": "image/tiff",
        b"MM\x00*": "image/tiff",
        b"\x93NUMPY": NPY,
    }
    for signature, found in signatures.items():
        if content.startswith(signature):
            return found
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return "application/octet-stream"


def non_finite(document: Any, place: str) -> Iterator[tuple[str, float]]:
    """Every NaN and infinity inside a JSON value, with its place."""
    if isinstance(document, float):
        if not math.isfinite(document):
            yield place, document
    elif isinstance(document, Mapping):
        for key, each in document.items():
            yield from non_finite(each, f"{place}.{key}")
    elif isinstance(document, list | tuple):
        for index, each in enumerate(document):
            yield from non_finite(each, f"{place}[{index}]")


def _strict(scalar: type, allowed: Any) -> Callable[[Any, Any], Any]:
    def structure(document: Any, _: Any) -> Any:
        wrong_boolean = isinstance(document, bool) and scalar is not bool
        if wrong_boolean or not isinstance(document, allowed):
            raise InvalidValueError(f"{_shown(document)} is not of type {scalar.__name__}")
        return scalar(document)

    return structure


def _plain(value: Any) -> Any:
    """A numpy scalar as Python's own."""
    return value.item() if hasattr(value, "item") else value


def _is_numpy_scalar(candidate: Any) -> bool:
    return (
        getattr(candidate, "__module__", "") == "numpy"
        and hasattr(candidate, "item")
        and (not _is_numpy_array(candidate))
    )


def _is_numpy_array(candidate: Any) -> bool:
    return getattr(candidate, "__module__", "") == "numpy" and getattr(
        candidate, "__name__", ""
    ) in ("ndarray", "memmap")


def _say(error: BaseException, wanted: type | None) -> str:
    if isinstance(error, TaskmgrError):
        return str(error)
    if isinstance(error, KeyError):
        return "required field missing"
    return str(format_exception(error, wanted))


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def _type_name(annotation: Any) -> str:
    if attrs.has(annotation) if isinstance(annotation, type) else False:
        return f"a {annotation.__name__}"
    return getattr(annotation, "__name__", None) or str(annotation)
