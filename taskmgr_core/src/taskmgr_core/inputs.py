"""What a user hands in becomes the inputs of a run: checked, files stored."""

from __future__ import annotations

import json
import re
import stat
import tempfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from taskmgr_core.errors import ArtifactError, InvalidValueError, Problem, TaskmgrError, nearest
from taskmgr_core.orchestrator.compatibility import type_name
from taskmgr_core.orchestrator.validation import Validator
from taskmgr_core.specs import Graph
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.values import reference, take_files
from taskmgr_plugins import installed_types
from taskmgr_plugins.converter import NPY, ValueConverter, media_type
from taskmgr_plugins.fields import Array, Box, File, Image, Points
from taskmgr_plugins.schemas import TYPE_KEY, schema_of
from taskmgr_plugins.strict_types import plain, shown
from taskmgr_plugins.value_types import ValueType

# Plugins are asked for no other kind than these.
_OUR_KINDS = (None, "Array", "Box", "File", "Image", "Points")
_LONGEST_PATH = 200


class InvalidInputsError(InvalidValueError):
    """The inputs of a run do not fit, with every fault at once.

    Arguments:
        name: the pipeline or task.
        problems: each with the input's name as its place.
    """

    def __init__(self, name: str, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        lines = "".join(f"\n  {each}" for each in problems)
        super().__init__(f"{name} cannot run with these inputs:{lines}")


@attrs.frozen
class InputReader:
    """Turns what a user hands in into JSON documents.

    Attributes:
        artifacts: where files are stored.
        validator: checks documents against schemas.
        megapixels: how many million pixels a picture may have.
        working: the folder that relative paths start from.
        paths: whether a text may name a file of this machine; not for those who are not on it.
    """

    artifacts: ArtifactStore
    validator: Validator
    megapixels: int
    working: Path
    paths: bool = True

    def read(self, graph: Graph, given: Mapping[str, Any], option: str = "") -> dict[str, Any]:
        """The document of each input.

        Arguments:
            graph: whose inputs they are.
            given: name -> a JSON value; for ``Image``, ``File`` and ``Array``, wherever in a
                value they are, also a path, a file's bytes, or the digest of something stored;
                for ``Image`` and ``Array`` also a numpy array.
            option: what stands before ``name=value`` where they are given, for the message.

        Raises:
            InvalidInputsError: with every fault.
        """
        problems = unknown_inputs(graph, given)
        read: dict[str, Any] = {}
        for name, schema in graph.inputs.items():
            if name not in given:
                if name not in graph.optional:
                    problems.append(_missing(schema, name, option))
                continue
            try:
                read[name] = self._document(schema, given[name], name)
            except InvalidValueError as error:
                problems.append(_placed(str(error), name))
            except RecursionError:
                problems.append(Problem(name, "it is nested too deeply"))
            else:
                problems.extend(self.validator.validate(read[name], schema, name))
        if problems:
            raise InvalidInputsError(graph.name, tuple(problems))
        return read

    def _document(self, schema: Mapping[str, Any], value: Any, name: str) -> Any:
        kind = schema.get(TYPE_KEY)
        if kind in ("Image", "File") or (kind == "Array" and _is_file_or_stored(value)):
            return self._file(value, name, kind)
        if kind == "Array":
            return self._array(value, name)
        if kind not in _OUR_KINDS:
            announced = installed_types.installed().types.get(str(kind))
            if announced is not None:
                return self._announced(schema, announced, value, name)
        if is_file(schema):
            return self._file(value, name, "File")
        if isinstance(value, Box):
            return attrs.asdict(value)
        if isinstance(value, Points):
            return [list(pair) for pair in value.coordinates]
        if value is not None and len(members := _members(schema)) == 1:
            return self._document(members[0], value, name)
        return self._composed(schema, value, name)

    def _composed(self, schema: Mapping[str, Any], value: Any, name: str) -> Any:
        """A list or an object, with what is in it, or a plain value."""
        items: Any = schema.get("items")
        if isinstance(value, list | tuple) and _has_kinds(items):
            return [self._document(items, each, f"{name}[{at}]") for at, each in enumerate(value)]
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return {key: self._entry(schema, key, each, name) for key, each in value.items()}
        return plain(value)

    def _entry(self, schema: Mapping[str, Any], key: str, value: Any, name: str) -> Any:
        """What an object has under a key."""
        properties = schema.get("properties", {})
        found = properties.get(key, schema.get("additionalProperties"))
        return self._document(found, value, f"{name}.{key}") if _has_kinds(found) else plain(value)

    def _announced(
        self, schema: Mapping[str, Any], announced: ValueType, value: Any, name: str
    ) -> Any:
        """A value of a type that a plugin of this process announces, or what carries one."""
        if isinstance(value, announced.annotation):
            with tempfile.TemporaryDirectory() as folder:
                converter = ValueConverter(Path(folder))
                document = converter.unstructure(value, announced.annotation, name)
                return take_files(document, Path(folder), self.artifacts)
        mark = schema_of(announced.carried).get(TYPE_KEY)
        carried = {word: each for word, each in schema.items() if word != TYPE_KEY}
        return self._document(carried if mark is None else {**carried, TYPE_KEY: mark}, value, name)

    def _file(self, value: Any, name: str, kind: str) -> dict[str, Any]:
        if isinstance(value, Mapping) and "$artifact" in value:
            return self._stored(str(value["$artifact"]), name, kind)
        if isinstance(value, str) and value.startswith("sha256:"):
            return self._stored(value, name, kind)
        if isinstance(value, str) and not self.paths:
            raise InvalidValueError(
                f"{name}: {shown(value)} is no file here; upload it as a part of a form that is "
                "named as the input, or give the digest of one that is stored, as sha256:..."
            )
        if isinstance(value, str | Path):
            return self._path(self.working / _expanded(value, name), name, kind)
        if kind == "Image" and isinstance(value, dict | list | int | float | bool | None):
            raise InvalidValueError(
                f"{name}: {shown(value)} is no picture; give a path, bytes or a numpy array"
            )
        try:
            made = value if isinstance(value, File) else (Image if kind == "Image" else File)(value)
            if not made.in_memory:
                return self._path(self.working / made.path, name, kind, made.name)
            content = made.read_bytes()
        except TaskmgrError as error:
            raise _under(name, error) from error
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "content"
            path.write_bytes(content)
            return self._checked(path, name, kind, made.name or name)

    def _path(self, path: Path, name: str, kind: str, file_name: str = "") -> dict[str, Any]:
        if (problem := _problem_of(path)) is not None:
            raise InvalidValueError(f"{name}: the file {_short(path)} {problem}")
        return self._checked(path, name, kind, file_name or path.name)

    def _stored(self, digest: str, name: str, kind: str) -> dict[str, Any]:
        try:
            path = self.artifacts.local_path(digest)
        except ArtifactError as error:
            raise _under(name, error) from error
        return self._checked(path, name, kind, name)

    def _checked(self, path: Path, name: str, kind: str, file_name: str) -> dict[str, Any]:
        """Store a file that is what the field takes."""
        try:
            with path.open("rb") as opened:
                found = media_type(opened.read(16))
        except OSError as error:
            raise InvalidValueError(
                f"{name}: the file {_short(path)} cannot be read: {error.strerror}"
            ) from error
        if kind == "Array" and found != NPY:
            raise InvalidValueError(
                f"{name}: {file_name} is no array ({found}); give an .npy file, as numpy.save "
                "writes it, or a numpy array"
            )
        if kind == "Image":
            self._check_picture(path, name, file_name)
        return reference(self.artifacts.put_file(path, file_name), found)

    def _check_picture(self, path: Path, name: str, file_name: str) -> None:
        # Pillow takes as long to import as all else here, and workers never need it.
        from taskmgr_core.pictures import check_picture

        try:
            check_picture(path, file_name, self.megapixels)
        except InvalidValueError as error:
            raise _under(name, error) from error

    def _array(self, value: Any, name: str) -> Any:
        if isinstance(value, Mapping):
            return value
        with tempfile.TemporaryDirectory() as folder:
            document = ValueConverter(Path(folder)).unstructure(value, Array, name)
            return take_files(document, Path(folder), self.artifacts)


def unknown_inputs(graph: Graph, names: Iterable[str]) -> list[Problem]:
    """What is said of the names that are no input."""
    return [
        Problem(name, f"there is no such input; {nearest(name, graph.inputs)}")
        for name in names
        if name not in graph.inputs
    ]


def missing_inputs(graph: Graph, names: Collection[str], option: str = "") -> list[Problem]:
    """What is said of the inputs that have to be given and are not among some names.

    Arguments:
        graph: whose inputs they are.
        names: of what is given.
        option: what stands before ``name=value`` where they are given.
    """
    return [
        _missing(schema, name, option)
        for name, schema in graph.inputs.items()
        if name not in names and name not in graph.optional
    ]


def _missing(schema: Mapping[str, Any], name: str, option: str) -> Problem:
    return Problem(name, f"is missing; give {option}{name}=<{type_name(schema)}>")


def is_file(schema: Mapping[str, Any]) -> bool:
    """Whether values of a schema are files, as those of ``File`` and all that is carried so."""
    properties = schema.get("properties")
    return isinstance(properties, Mapping) and "$artifact" in properties


def _is_file_or_stored(value: Any) -> bool:
    """Whether it names, or is, a file; arrays and lists of numbers are neither."""
    return isinstance(value, str | Path | bytes | File) or (
        isinstance(value, Mapping) and "$artifact" in value
    )


def _has_kinds(schema: Any) -> bool:
    """Whether values of a schema may have a file, an array or the like in them."""
    if isinstance(schema, Mapping):
        return TYPE_KEY in schema or any(map(_has_kinds, schema.values()))
    return isinstance(schema, list | tuple) and any(map(_has_kinds, schema))


def _members(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The alternatives of a schema but null."""
    return [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]


def _expanded(value: str | Path, name: str) -> Path:
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise InvalidValueError(f"{name}: {str(value)!r} names no user's folder") from error


def _problem_of(path: Path) -> str | None:
    """Why a path is no file that can be stored."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return "does not exist"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if stat.S_ISREG(mode):
        return None
    return "is a folder" if stat.S_ISDIR(mode) else "is no regular file"


def _short(path: Path) -> str:
    """A path for a message; somebody may have given a file's content instead."""
    return _short_text(str(path), _LONGEST_PATH)


def _short_text(text: str, most: int = 20) -> str:
    return text if len(text) <= most else f"{text[:most]}..."


def _placed(message: str, name: str) -> Problem:
    """What is wrong with an input, with its place where the message begins with that."""
    place, _, said = message.partition(": ")
    if re.fullmatch(rf"{re.escape(name)}(\[\d+\]|\.\w+)*", place) is None:
        return Problem("", message)
    return Problem(place, said.removeprefix(f"{place}: "))


def _under(name: str, error: TaskmgrError) -> InvalidValueError:
    return InvalidValueError(f"{name}: {error}")


def from_text(schema: Mapping[str, Any], text: str) -> Any:
    """The value that a user typed behind ``field=``.

    Text for a field that takes text (or a file's path), JSON for all others.

    Arguments:
        schema: the field's.
        text: as typed.

    Raises:
        InvalidValueError: it is nested too deeply.
    """
    members = _members(schema)
    if members and text != "null":
        schema = members[0] if len(members) == 1 else schema
    if schema.get("type") == "string" or is_file(schema):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
    except RecursionError as error:
        raise InvalidValueError(f"{_short_text(text)} is nested too deeply") from error
