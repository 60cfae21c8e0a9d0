"""What a test hands over becomes what a runner is sent, and the answer what a test looks at."""

from __future__ import annotations

import hashlib
import json
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from taskmgr_plugins import strict_types
from taskmgr_plugins.converter import ValueConverter, non_finite
from taskmgr_plugins.definitions import SINGLE_OUTPUT, FieldDefinition, TaskDefinition
from taskmgr_plugins.errors import InvalidValueError, nearest
from taskmgr_plugins.fields import Array, File, Image
from taskmgr_plugins.strict_types import is_numpy_array, shown

_SCALARS = (str, int, float, bool, type(None))


class Documents:
    """The values of one call as JSON, their files in a folder.

    Arguments:
        folder: where files are written.
        converter: one that is there; it learns each type once.

    Attributes:
        paths: where each file lies, by its digest, as a runner is told it.
    """

    def __init__(self, folder: Path, converter: ValueConverter | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._converter = converter or ValueConverter(folder)
        self._converter.folder = folder
        self.paths: dict[str, str] = {}

    def given(
        self, fields: tuple[FieldDefinition, ...], values: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The JSON of inputs.

        Arguments:
            fields: the inputs that a task has.
            values: name -> a value as the task takes it, or its JSON; for a ``File`` or an
                ``Image`` also a path or bytes, for an ``Array`` the path of an .npy file.

        Raises:
            InvalidValueError: no such input, or a value that does not fit.
        """
        known = {field.name: field for field in fields}
        for name in values:
            if name not in known:
                raise InvalidValueError(f"there is no input {name!r}; {nearest(name, known)}")
        return {name: self._given(known[name], value) for name, value in values.items()}

    def _given(self, field: FieldDefinition, value: Any) -> Any:
        annotation = strict_types.bare(field.annotation)
        value = _native(value, annotation, field.name)
        if _is_json(value):
            for place, number in non_finite(value, field.name):
                raise InvalidValueError(
                    f"{place}: {number} is not a finite number, as JSON needs it"
                )
            return json.loads(json.dumps(value))
        return self.stored(
            self._converter.unstructure(value, field.annotation, field.name),
            self._converter.folder,
        )

    def stored(self, document: Any, folder: Path) -> Any:
        """A document whose files, which lie in a folder, are named by their digests."""
        if isinstance(document, Mapping):
            if "$file" not in document:
                return {key: self.stored(each, folder) for key, each in document.items()}
            path = folder / document["$file"]
            digest = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
            self.paths[digest] = str(path)
            kept = {key: each for key, each in document.items() if key != "$file"}
            return {"$artifact": digest, **kept}
        if isinstance(document, list):
            return [self.stored(each, folder) for each in document]
        return document

    def output(self, definition: TaskDefinition, documents: Mapping[str, Any]) -> Any:
        """What a task gave: an object of its output class, or its only value.

        Arguments:
            definition: the task.
            documents: the JSON of each output.
        """
        self._converter.paths = self.paths
        values = {
            field.name: self._converter.structure(
                documents[field.name], field.annotation, field.name
            )
            for field in definition.outputs
        }
        if definition.output_class is None:
            return values[SINGLE_OUTPUT]
        names = {each.name: each.alias for each in attrs.fields(definition.output_class)}
        return definition.output_class(**{names[name]: each for name, each in values.items()})

    def repeatable(self, document: Any) -> Any:
        """A document as a user would type it: files by their paths."""
        return _mapped(document, lambda found: self.paths[str(found["$artifact"])])


def _mapped(document: Any, change: Callable[[Mapping[str, Any]], Any]) -> Any:
    if isinstance(document, Mapping):
        if "$artifact" in document:
            return change(document)
        return {key: _mapped(each, change) for key, each in document.items()}
    return [_mapped(each, change) for each in document] if isinstance(document, list) else document


def _native(value: Any, annotation: Any, name: str) -> Any:
    """What stands for a file, as that file; lists of them, too."""
    arguments = typing.get_args(annotation)
    for wanted in (annotation, *arguments) if _is_optional(annotation) else (annotation,):
        if isinstance(wanted, type) and issubclass(wanted, File) and value is not None:
            return _file(value, wanted, name)
        if wanted is Array and isinstance(value, str | Path):
            return _array(Path(value), name)
    if isinstance(value, list | tuple) and len(arguments) == 1:
        return [_native(each, arguments[0], f"{name}[{n}]") for n, each in enumerate(value)]
    return value


def _is_optional(annotation: Any) -> bool:
    return type(None) in typing.get_args(annotation)


def _file(value: Any, wanted: type[File], name: str) -> File:
    if isinstance(value, wanted):
        return value
    if isinstance(value, File):
        return wanted(value.read_bytes() if value.in_memory else value.path, value.name)
    if isinstance(value, str | Path | bytes) or (wanted is Image and is_numpy_array(type(value))):
        return wanted(value)
    raise InvalidValueError(
        f"{name}: {shown(value)} is no {wanted.__name__}; give a path, bytes or "
        f"{'an Image' if wanted is Image else 'a File'}"
    )


def _array(path: Path, name: str) -> Any:
    import numpy

    try:
        return numpy.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InvalidValueError(
            f"{name}: {path} is no array ({error}); give an .npy file or a numpy array"
        ) from error


def _is_json(value: Any) -> bool:
    """Whether it is JSON as it stands, so that it may be a document in place of a value."""
    if type(value) in _SCALARS:
        return True
    if type(value) is list:
        return all(map(_is_json, value))
    return type(value) is dict and all(
        isinstance(key, str) and _is_json(each) for key, each in value.items()
    )
