"""Field values as they are recorded: digest, size, files inside, large ones put aside."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from taskmgr_core import documents
from taskmgr_core.errors import InvalidValueError, RunnerError
from taskmgr_core.specs import FieldValue, StoredFile
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_plugins.converter import are_scalars
from taskmgr_plugins.fields import base_name

JSON_MEDIA_TYPE = "application/json"
_SCALARS = (str, int, float, bool, type(None))
UNKNOWN_MEDIA_TYPE = "application/octet-stream"

Transform = Callable[[Mapping[str, Any]], Any]


def recorded(port: str, document: Any, type_name: str, producer: str) -> FieldValue:
    """A value as it is recorded.

    Arguments:
        port: the port it belongs to.
        document: its JSON; files inside are ``{"$artifact": digest, ...}``.
        type_name: its type's name for users.
        producer: the id of the step that made it; empty for a pipeline input.

    Raises:
        InvalidValueError: no JSON can stand for it, or it is a file of no size.
    """
    if isinstance(document, Mapping) and "$artifact" in document:
        digest, size = str(document["$artifact"]), _size(document, port)
        artifacts: tuple[str, ...] = (digest,)
    else:
        content = _content(document, port)
        digest, size = documents.digest_of(content), len(content)
        artifacts = tuple(dict.fromkeys(str(each["$artifact"]) for each in references(document)))
    return FieldValue(
        port=port,
        digest=digest,
        size=size,
        type=type_name,
        producer=producer,
        document=document,
        artifacts=artifacts,
    )


def put_aside(value: FieldValue, limit: int, artifacts: ArtifactStore) -> FieldValue:
    """The value, with its JSON in a file where it has more than ``limit`` bytes.

    A value that has files inside stays as it is, so that they are found in it.
    """
    if value.size <= limit or value.artifacts:
        return value
    stored = artifacts.put_bytes(documents.canonical(value.document), value.port)
    return attrs.evolve(
        value, document=reference(stored, JSON_MEDIA_TYPE), artifacts=(stored.digest,)
    )


def fetched(document: Any, artifacts: ArtifactStore) -> Any:
    """The document itself, where it was put aside."""
    aside = isinstance(document, Mapping) and "$artifact" in document
    if aside and document.get("media_type") == JSON_MEDIA_TYPE:
        return json.loads(artifacts.read(str(document["$artifact"])))
    return document


def reference(stored: StoredFile, media_type: str, **more: Any) -> dict[str, Any]:
    """The JSON that stands for a stored file."""
    return {
        "$artifact": stored.digest,
        "media_type": media_type,
        "size": stored.size,
        "name": stored.name,
        **more,
    }


def take_files(
    document: Any,
    folder: Path,
    artifacts: ArtifactStore,
    known: Collection[str] | None = None,
) -> Any:
    """Store the files that a task has written, and refer to them by digest.

    Arguments:
        document: JSON in which ``{"$file": name}`` names a file of the folder.
        folder: the runner's working folder.
        artifacts: where they are stored.
        known: the digests that the document may refer to by itself; None for any.

    Raises:
        RunnerError: a name that is no regular file of the folder, one that is no file's
            name, or a digest that is not known.
        ArtifactError: the store cannot be written.
    """

    def store(found: Mapping[str, Any]) -> dict[str, Any]:
        name = found["$file"]
        if not isinstance(name, str) or Path(name).name != name:
            raise _not_there(name)
        kind = found.get("media_type")
        with _held(folder / name) as path:
            stored = artifacts.put_file(path, _name_of(found) or name.lstrip("."))
        more = {key: found[key] for key in ("dtype", "shape") if key in found}
        return reference(stored, kind if isinstance(kind, str) else UNKNOWN_MEDIA_TYPE, **more)

    if known is not None:
        for found in references(document):
            if "$file" not in found and found["$artifact"] not in known:
                raise RunnerError(
                    f"the task returned the artifact {str(found['$artifact'])[:100]!r}, which it "
                    "was not given; return a File, an Image or an Array",
                    "invalid-output",
                    retryable=False,
                )
    return _mapped(document, "$file", store)


def _name_of(found: Mapping[str, Any]) -> str:
    """The name that a file has for users; empty where it was given none."""
    given = found.get("name")
    try:
        return base_name(str(given)) if given else ""
    except InvalidValueError as error:
        raise RunnerError(
            f"the task returned a file whose name cannot be: {error}",
            "invalid-output",
            retryable=False,
        ) from error


def is_written_aside(document: Any) -> bool:
    """Whether an output's JSON was so large that the runner wrote it into a file."""
    written = isinstance(document, Mapping) and "$file" in document
    return written and document.get("media_type") == JSON_MEDIA_TYPE


def references(document: Any) -> Iterator[Mapping[str, Any]]:
    """Every reference to an artifact inside a document."""
    if isinstance(document, _SCALARS):  # most are, and it takes long to see that one is no mapping
        return
    if isinstance(document, Mapping):
        if "$artifact" in document:
            yield document
        else:
            for each in document.values():
                yield from references(each)
    elif isinstance(document, list | tuple) and not are_scalars(document):
        for each in document:
            yield from references(each)


def _content(document: Any, port: str) -> bytes:
    try:
        return documents.canonical(document)
    except UnicodeEncodeError as error:
        wrong = error.object[error.start : error.end]
        raise InvalidValueError(
            f"{port}: a text with {wrong!r} in it is no valid Unicode; "
            "decode it with errors='replace'"
        ) from error
    except (ValueError, TypeError) as error:
        raise InvalidValueError(f"{port}: no JSON value: {error}") from error


def _size(document: Mapping[str, Any], port: str) -> int:
    size = document.get("size", 0)
    if type(size) is not int or size < 0:
        raise InvalidValueError(
            f"{port}: the file {document['$artifact']} has the size {size!r}; it must be a number "
            "of bytes"
        )
    return size


@contextlib.contextmanager
def _held(path: Path) -> Iterator[Path]:
    """Another path to a regular file, which stays the same one whatever the task does meanwhile.

    The task may still run, and sees less than we do: a link that it puts in the file's
    place must not be followed.

    Raises:
        RunnerError: it is none, or a link to one.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _not_there(path.name) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _not_there(path.name)
        yield Path(f"/dev/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _not_there(name: object) -> RunnerError:
    return RunnerError(
        f"the runner answered with a file {str(name)[:100]!r} that is not in its working folder",
        "invalid-output",
    )


def _mapped(document: Any, key: str, transform: Transform) -> Any:
    if isinstance(document, _SCALARS):
        return document
    if isinstance(document, Mapping):
        if key in document:
            return transform(document)
        return {name: _mapped(each, key, transform) for name, each in document.items()}
    if isinstance(document, list) and not are_scalars(document):
        return [_mapped(each, key, transform) for each in document]
    return document
