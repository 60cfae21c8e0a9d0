"""The only place where field values become JSON and back.

Large values do not travel as JSON: a value that lies in a file is written as
``{"$artifact": digest, ...}`` where the platform keeps it, and as
``{"$file": name, ...}`` where a task has just written it into its working
folder; large JSON without files inside is such a file itself. Small arrays
travel inline, byte for byte, as ``{"$array": {"dtype", "shape", "base64"}}``.
"""

from __future__ import annotations

import base64
import enum
import io
import json
import math
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import cattrs
from cattrs import transform_error
from cattrs.v import format_exception

from taskmgr_plugins import installed_types, pixels, strict_types
from taskmgr_plugins.errors import InvalidValueError, TaskmgrError, is_disk_full
from taskmgr_plugins.fields import Array, File, Image, Points
from taskmgr_plugins.strict_types import is_numpy_array, shown, type_name

INLINE_ARRAY_BYTES = 16 * 1024
LARGE_JSON_BYTES = 1_000_000
NPY = "application/x-npy"
JSON = "application/json"

_SCALARS = frozenset({str, int, float, bool, type(None)})


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
        strict_types.register(self._converter)
        self._register_fields()

    def structure(self, document: Any, annotation: Any, place: str) -> Any:
        """JSON to a value of the annotated type.

        Arguments:
            document: the JSON value.
            annotation: the field's type.
            place: the field's name, for the message.

        Raises:
            InvalidValueError: with the place of each fault inside the value.
        """
        annotation = strict_types.bare(annotation)
        try:
            return self._converter.structure(self._loaded(document, annotation), annotation)
        except Exception as error:  # cattrs raises groups of anything
            lines = transform_error(error, path=place, format_exception=_say)
            raise InvalidValueError("; ".join(map(_placed, lines))) from error

    def unstructure(self, value: Any, annotation: Any, place: str) -> Any:
        """A value of the annotated type to JSON; files go into the working folder.

        JSON of more than ``LARGE_JSON_BYTES`` goes there too, unless it names files:
        those have to be found in it. It is checked here as far as it will be, and
        its bytes are canonical, so that equal values have equal digests.

        Raises:
            InvalidValueError: the value is not of that type, or no JSON can stand
                for it (a NaN, bytes, ...); with the place inside the value.
        """
        annotation = strict_types.bare(annotation)
        try:
            document = self._converter.unstructure(value, unstructure_as=annotation)
        except Exception as error:
            if is_disk_full(error):
                raise  # the value is not to blame
            inner, message = self._fault(value, annotation, place, error)
            raise InvalidValueError(f"{inner}: {message}") from error
        for inner, message in _not_json(document, place):
            raise InvalidValueError(f"{inner}: {message}")
        return self._put_aside(document, place)

    def _put_aside(self, document: Any, place: str) -> Any:
        if not isinstance(document, str | list | tuple | dict) or _names_files(document):
            return document
        try:
            content = canonical(document)
        except UnicodeEncodeError as error:
            wrong = error.object[error.start : error.end]
            raise InvalidValueError(
                f"{place}: a text with {wrong!r} in it is no valid Unicode; "
                "decode it with errors='replace'"
            ) from error
        if len(content) <= LARGE_JSON_BYTES:
            return document
        return self._write(content, ".json", JSON, f"{place}.json")

    def _fault(self, value: Any, annotation: Any, place: str, error: Exception) -> tuple[str, str]:
        """The innermost part that cannot be converted: its place, and why."""
        for inner, part, wanted in strict_types.parts(value, annotation):
            try:
                self._converter.unstructure(part, unstructure_as=wanted)
            except Exception as cause:  # noqa: BLE001 - a value's own code may raise anything
                return self._fault(part, wanted, place + inner, cause)
        if isinstance(error, TaskmgrError):
            return place, str(error)
        return place, f"{shown(value)} is not {type_name(annotation)} ({error})"

    def _loaded(self, document: Any, annotation: Any) -> Any:
        """The document itself, read from its file where it was large."""
        large = isinstance(document, dict) and "$artifact" in document
        if large and document.get("media_type") == JSON and not _takes_file(annotation):
            return json.loads(self._path(document).read_bytes())
        return document

    def _path(self, document: Any) -> Path:
        if not isinstance(document, Mapping) or "$artifact" not in document:
            raise InvalidValueError(f"{shown(document)} is no reference to an artifact")
        digest = str(document["$artifact"])
        if digest not in self.paths:
            raise InvalidValueError(f"the artifact {digest} was not handed over")
        return Path(self.paths[digest])

    def _register_fields(self) -> None:
        converter = self._converter
        for file_type in (File, Image):
            converter.register_structure_hook(
                file_type,
                lambda document, wanted: wanted(self._path(document), document.get("name")),
            )
            converter.register_unstructure_hook(file_type, self._write_file)
        converter.register_structure_hook(Array, lambda document, _: self._read_array(document))
        converter.register_unstructure_hook(Array, self._write_array)
        converter.register_unstructure_hook_func(is_numpy_array, self._write_array)
        converter.register_structure_hook(
            Points, lambda rows, _: Points(converter.structure(rows, list[tuple[float, float]]))
        )
        converter.register_unstructure_hook(
            Points, lambda value: [list(row) for row in value.coordinates]
        )
        converter.register_structure_hook_factory(is_foreign, self._unpacker)
        converter.register_unstructure_hook_factory(is_foreign, self._packer)

    def _unpacker(self, annotation: Any) -> Any:
        """Reads values of a class that a plugin announces."""
        announced = installed_types.installed().of(annotation)
        if announced is None:
            raise InvalidValueError(f"no plugin announces {type_name(annotation)}")
        carried = strict_types.bare(announced.carried)
        read = self._converter.get_structure_hook(carried)
        return lambda document, _: announced.unpack(read(document, carried))

    def _packer(self, annotation: Any) -> Any:
        announced = installed_types.installed().of(annotation)
        if announced is None:
            return lambda value: value  # the check that it is JSON says what is wrong
        carried = strict_types.bare(announced.carried)

        def pack(value: Any) -> Any:
            if not isinstance(value, announced.annotation):
                raise InvalidValueError(f"{shown(value)} is not {type_name(annotation)}")
            return self._converter.unstructure(announced.pack(value), unstructure_as=carried)

        return pack

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
        shape, dtype = list(array.shape), array.dtype.str
        described = numpy.lib.format.dtype_to_descr(array.dtype)
        if array.dtype.hasobject or numpy.lib.format.descr_to_dtype(described) != array.dtype:
            raise InvalidValueError(f"an array of dtype {array.dtype} cannot be passed on")
        # The short name of a structured dtype leaves its fields out.
        if array.nbytes <= INLINE_ARRAY_BYTES and array.dtype.names is None:
            content = base64.b64encode(numpy.ascontiguousarray(array).tobytes()).decode()
            return {"$array": {"dtype": dtype, "shape": shape, "base64": content}}
        buffer = io.BytesIO()
        numpy.save(buffer, array, allow_pickle=False)
        written = self._write(buffer.getvalue(), ".npy", NPY, "")
        return {**written, "dtype": dtype, "shape": shape}

    def _write_file(self, value: File) -> dict[str, Any]:
        if not isinstance(value, File):
            raise InvalidValueError(f"{shown(value)} is no File or Image")
        if value.in_memory:
            written = self._write(value.read_bytes(), "", "", value.name)
        elif value.path.is_file():
            target = self.folder / self._new_name(value.path.suffix)
            import shutil  # with its archives a twentieth of a runner's start

            shutil.copyfile(value.path, target)
            with target.open("rb") as opened:
                kind = media_type(opened.read(16))
            written = {"$file": target.name, "media_type": kind, "name": _utf8(value.name)}
        else:
            raise InvalidValueError(f"the file {value.path} is not there")
        if isinstance(value, Image) and not value.from_array:
            self._check_picture(written, value)
        return written

    def _check_picture(self, written: Mapping[str, Any], value: Image) -> None:
        """Refuse what no other task, and no report, could open."""
        if not written["media_type"].startswith("image/"):
            raise InvalidValueError(
                f"{value!r} is no picture; its content is of no known format: "
                "allowed are PNG, JPEG, WebP, BMP, GIF and TIFF"
            )
        if pixels.is_damaged(self.folder / written["$file"]):
            raise InvalidValueError(
                f"{value!r} is no picture; its content ({written['media_type']}) cannot be decoded"
            )

    def _write(self, content: bytes, suffix: str, kind: str, name: str) -> dict[str, Any]:
        target = self.folder / self._new_name(suffix)
        target.write_bytes(content)
        kind = kind or media_type(content)
        return {"$file": target.name, "media_type": kind, "name": _utf8(name)}

    def _new_name(self, suffix: str) -> str:
        self._written += 1
        return f".value-{self._written}{_utf8(suffix)}"


def is_foreign(annotation: Any) -> bool:
    """Whether a class is one that the SDK has no word for, so that plugins are asked for it."""
    return (
        isinstance(annotation, type)
        and typing.get_origin(annotation) is None
        and annotation.__module__ not in ("builtins", "typing")
        and not attrs.has(annotation)
        and not issubclass(annotation, File | enum.Enum | Mapping | Sequence)
        and annotation not in (Array, Points)
        and not is_numpy_array(annotation)
        and not strict_types.is_numpy_scalar(annotation)
    )


def canonical(document: Any) -> bytes:
    """JSON as its digest is taken of: sorted keys, no spaces, UTF-8."""
    return json.dumps(
        document, allow_nan=False, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()


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


def are_scalars(values: Sequence[Any]) -> bool:
    """Whether a list has nothing in it but numbers, texts, booleans and None.

    Of ten thousand numbers this is known in a fraction of the time that it takes to go
    into each of them.
    """
    return _SCALARS.issuperset(map(type, values))


def _are_finite_scalars(values: Sequence[Any]) -> bool:
    return are_scalars(values) and all(
        math.isfinite(each) for each in values if type(each) is float
    )


def non_finite(document: Any, place: str) -> Iterator[tuple[str, float]]:
    """Every NaN and infinity inside a JSON value, with its place."""
    if isinstance(document, float):
        if not math.isfinite(document):
            yield place, document
    elif isinstance(document, Mapping):
        for key, each in document.items():
            yield from non_finite(each, f"{place}.{key}")
    elif isinstance(document, list | tuple) and not _are_finite_scalars(document):
        for index, each in enumerate(document):
            yield from non_finite(each, f"{place}[{index}]")


def _not_json(document: Any, place: str) -> Iterator[tuple[str, str]]:
    """Every part that JSON has no word for: its place, and what is wrong with it."""
    if isinstance(document, Mapping):
        for key, each in document.items():
            if not isinstance(key, str):
                yield place, f"the key {shown(key)} is not a str, as JSON needs it"
            yield from _not_json(each, f"{place}.{key}")
    elif isinstance(document, list | tuple):
        if _are_finite_scalars(document):
            return
        for index, each in enumerate(document):
            yield from _not_json(each, f"{place}[{index}]")
    elif isinstance(document, float) and not math.isfinite(document):
        yield place, f"{document} is not a finite number, as JSON needs it"
    elif not isinstance(document, str | int | float | None):
        yield place, f"{shown(document)} is not a JSON value"


def _names_files(document: Any) -> bool:
    if isinstance(document, Mapping):
        marked = "$file" in document or "$artifact" in document
        return marked or any(map(_names_files, document.values()))
    if not isinstance(document, list | tuple) or are_scalars(document):
        return False
    return any(map(_names_files, document))


def _utf8(text: str) -> str:
    """A file's name as it can be stored: one that is no UTF-8 has half characters in it."""
    return text.encode("utf-8", "backslashreplace").decode()


def _takes_file(annotation: Any) -> bool:
    members = typing.get_args(annotation) or (annotation,)
    return any(isinstance(each, type) and issubclass(each, File) for each in members)


def _say(error: BaseException, wanted: type | None) -> str:
    if isinstance(error, KeyError):
        return "required field missing"
    if isinstance(error, TypeError | AttributeError):
        return str(format_exception(error, wanted))
    return str(error)


def _placed(line: str) -> str:
    """cattrs says ``message @ faces_array[2].bbox.x``."""
    message, _, place = line.rpartition(" @ ")
    return re.sub(r"\['([^']*)'\]", r".\1", place) + f": {message}"
