"""What a user hands in becomes the inputs of a run: checked, files stored."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from taskmgr_core.errors import InvalidValueError, Problem, nearest
from taskmgr_core.orchestrator.compatibility import type_name
from taskmgr_core.orchestrator.validation import Validator
from taskmgr_core.specs import Graph
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.values import reference, take_files
from taskmgr_plugins.converter import ValueConverter, media_type
from taskmgr_plugins.fields import Array, Box, File, Image, Points
from taskmgr_plugins.schemas import TYPE_KEY


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
    """

    artifacts: ArtifactStore
    validator: Validator
    megapixels: int
    working: Path

    def read(self, graph: Graph, given: Mapping[str, Any]) -> dict[str, Any]:
        """The document of each input.

        Arguments:
            graph: whose inputs they are.
            given: name -> a JSON value; for ``Image``, ``File`` and ``Array`` also a
                path, bytes, a numpy array, or the digest of something stored.

        Raises:
            InvalidInputsError: with every fault.
        """
        problems = [
            Problem(name, f"there is no such input; {nearest(name, graph.inputs)}")
            for name in given
            if name not in graph.inputs
        ]
        read: dict[str, Any] = {}
        for name, schema in graph.inputs.items():
            if name not in given:
                if name not in graph.optional:
                    wanted = type_name(schema)
                    problems.append(Problem(name, f"is missing; give {name}=<{wanted}>"))
                continue
            try:
                read[name] = self._document(schema, given[name], name)
            except InvalidValueError as error:
                problems.append(Problem("", str(error)))
            else:
                problems.extend(self.validator.validate(read[name], schema, name))
        if problems:
            raise InvalidInputsError(graph.name, tuple(problems))
        return read

    def _document(self, schema: Mapping[str, Any], value: Any, name: str) -> Any:
        kind = schema.get(TYPE_KEY)
        if kind in ("Image", "File"):
            return self._file(value, name, is_image=kind == "Image")
        if kind == "Array":
            return self._array(value, name)
        if isinstance(value, Box):
            return attrs.asdict(value)
        if isinstance(value, Points):
            return [list(pair) for pair in value.coordinates]
        return value

    def _file(self, value: Any, name: str, *, is_image: bool) -> Any:
        if isinstance(value, Mapping) and "$artifact" in value:
            return self._stored(str(value["$artifact"]), name, is_image=is_image)
        if isinstance(value, str) and value.startswith("sha256:"):
            return self._stored(value, name, is_image=is_image)
        if isinstance(value, str | Path):
            return self._path(self.working / Path(value).expanduser(), name, is_image=is_image)
        if is_image and isinstance(value, dict | list | int | float | bool | None):
            raise InvalidValueError(
                f"{name}: {value!r} is no picture; give a path, bytes or a numpy array"
            )
        try:
            made = value if isinstance(value, File) else (Image if is_image else File)(value)
        except InvalidValueError as error:
            raise InvalidValueError(f"{name}: {error}") from error
        if not made.in_memory:
            return self._path(made.path, name, is_image=is_image)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / (made.name or name)
            path.write_bytes(made.read_bytes())
            return self._path(path, name, is_image=is_image)

    def _path(self, path: Path, name: str, *, is_image: bool) -> dict[str, Any]:
        if not path.is_file():
            problem = "is a folder" if path.is_dir() else "does not exist"
            raise InvalidValueError(f"{name}: the file {path} {problem}")
        try:
            with path.open("rb") as opened:
                kind = media_type(opened.read(16))
        except OSError as error:
            raise InvalidValueError(
                f"{name}: the file {path} cannot be read: {error.strerror}"
            ) from error
        if is_image:
            try:
                self._check_picture(path, path.name)
            except InvalidValueError as error:
                raise InvalidValueError(f"{name}: {error}") from error
        return reference(self.artifacts.put_file(path), kind)

    def _stored(self, digest: str, name: str, *, is_image: bool) -> dict[str, Any]:
        path = self.artifacts.local_path(digest)
        if is_image:
            self._check_picture(path, f"{name}: {digest}")
        return reference(self.artifacts.put_file(path, name), "application/octet-stream")

    def _check_picture(self, path: Path, name: str) -> None:
        # Pillow takes as long to import as all else here, and workers never need it.
        from taskmgr_core.pictures import check_picture

        check_picture(path, name, self.megapixels)

    def _array(self, value: Any, name: str) -> Any:
        if isinstance(value, Mapping):
            return value
        if isinstance(value, str | Path):
            return self._path(self.working / Path(value).expanduser(), name, is_image=False)
        with tempfile.TemporaryDirectory() as folder:
            document = ValueConverter(Path(folder)).unstructure(value, Array, name)
            return take_files(document, Path(folder), self.artifacts)


def from_text(schema: Mapping[str, Any], text: str) -> Any:
    """The value that a user typed behind ``field=``.

    Text for a field that takes text (or a file's path), JSON for all others.

    Arguments:
        schema: the field's.
        text: as typed.
    """
    takes_text = schema.get("type") == "string" or schema.get(TYPE_KEY) in ("Image", "File")
    if takes_text:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
