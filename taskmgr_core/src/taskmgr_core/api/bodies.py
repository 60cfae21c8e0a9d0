"""Bodies of requests: read whole within their limits, checked against a model, every fault told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import attrs
import msgspec
from anyio.to_thread import run_sync
from litestar import Request
from litestar.datastructures import UploadFile
from litestar.exceptions import ClientException

from taskmgr_core.api.limits import Limits
from taskmgr_core.api.problems import RequestError, pointer
from taskmgr_core.documents import InvalidDocumentError, structure
from taskmgr_core.errors import Problem
from taskmgr_plugins.fields import File

JSON = "application/json"
MULTIPART = "multipart/form-data"
REQUEST_PART = "request"

T = TypeVar("T")
AnyRequest = Request[Any, Any, Any]
_COPY_BYTES = 1 << 20


@attrs.frozen
class Upload:
    """A part of a form that is a file.

    Attributes:
        field: the name of the part: the input that it is for.
        file: what was sent, on this machine's disk or in memory.
        name: the file's own name, as the sender has it.
    """

    field: str
    file: UploadFile
    name: str


def content_type(request: AnyRequest) -> str:
    """The media type of the body, without its parameters."""
    return request.content_type[0]


async def json_body(request: AnyRequest, model: type[T]) -> T:
    """A body of JSON as a model.

    Raises:
        RequestError: it is of another type, no JSON, or does not fit, with every fault.
    """
    if content_type(request) != JSON:
        raise unsupported(request, JSON)
    return fitted(await request.body(), model)


def fitted(content: bytes | str, model: type[T]) -> T:
    """JSON as a model.

    Raises:
        RequestError: it is no JSON, or does not fit, with every fault.
    """
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        said = f"the body is no JSON: {error}"
        raise RequestError("invalid-request", said, [Problem("", str(error))]) from error
    try:
        return structure(document, model, "the body does not fit")
    except InvalidDocumentError as error:
        problems = [attrs.evolve(each, place=pointer(each.place)) for each in error.problems]
        raise RequestError("invalid-value", "the body does not fit", problems) from error


def unsupported(request: AnyRequest, *allowed: str) -> RequestError:
    """The body is of a type that the route does not take."""
    found = request.headers.get("content-type", "none")
    return RequestError(
        "unsupported-media-type",
        f"the Content-Type is {found!r}; allowed is {' or '.join(allowed)}",
        headers={"Accept": ", ".join(allowed)},
    )


async def form_body(
    request: AnyRequest, model: type[T], limits: Limits
) -> tuple[T, tuple[Upload, ...]]:
    """A form: one part of JSON named ``request``, and files.

    Raises:
        RequestError: it cannot be read, has other parts, or too many.
    """
    try:
        form = await request.form()
    except (ClientException, ValueError, UnicodeError, LookupError) as error:
        said = f"the form cannot be read: {error}; is it whole, and its boundary the same?"
        raise RequestError("invalid-request", said) from error
    found = list(form.multi_items())
    files = tuple(
        Upload(name, value, value.filename or name)
        for name, value in found
        if isinstance(value, UploadFile)
    )
    texts = [(name, value) for name, value in found if not isinstance(value, UploadFile)]
    if len(files) > limits.uploads:
        raise RequestError("too-large", f"{len(files)} files; at most {limits.uploads} are taken")
    if [name for name, _ in texts] != [REQUEST_PART]:
        names = ", ".join(repr(name) for name, _ in texts) or "none"
        raise RequestError(
            "invalid-request",
            f"the parts that are no files are {names}; allowed is one, {REQUEST_PART!r}, with the "
            "JSON of the submission; each file is a part with a filename, named as its input",
        )
    if len(texts[0][1]) > limits.body_bytes:
        raise RequestError("too-large", f"the part {REQUEST_PART!r} is larger than the limit")
    return fitted(texts[0][1], model), files


async def request_body(request: AnyRequest, model: type[T]) -> tuple[T, tuple[Upload, ...]]:
    """A body of JSON, or a form with that and files.

    Raises:
        RequestError: it is of another type, or does not fit, with every fault.
    """
    limits: Limits = request.app.state["limits"]
    kind = content_type(request)
    if kind == JSON:
        return await json_body(request, model), ()
    if kind == MULTIPART:
        return await form_body(request, model, limits)
    raise unsupported(request, JSON, MULTIPART)


def with_files(inputs: Mapping[str, Any], files: Mapping[str, list[File]]) -> dict[str, Any]:
    """The inputs of a request with the files that were sent with it.

    Raises:
        RequestError: one is both in the JSON and a file.
    """
    twice = [Problem(f"/inputs/{each}", "is given twice") for each in files if each in inputs]
    if twice:
        raise RequestError("invalid-value", "an input is both in the JSON and a file", twice)
    return {**inputs, **{name: each[0] if len(each) == 1 else each for name, each in files.items()}}


@contextmanager
def on_disk(uploads: tuple[Upload, ...]) -> Iterator[dict[str, list[File]]]:
    """Uploads as files of a folder that goes away: input -> its files, in their order.

    The names on the disk are ours: nothing of what the sender says leads anywhere.
    """
    if not uploads:  # a folder costs more than half of what recording a run does
        yield {}
        return
    with TemporaryDirectory(prefix="taskmgr-upload-") as folder:
        found: dict[str, list[File]] = {}
        for number, each in enumerate(uploads):
            path = Path(folder) / f"{number}"
            with path.open("wb") as written:
                while chunk := each.file.file.read(_COPY_BYTES):
                    written.write(chunk)
            found.setdefault(each.field, []).append(File(path, each.name.replace("\\", "/")))
        yield found


async def closed(uploads: tuple[Upload, ...]) -> None:
    """Let go of what was sent."""
    for each in uploads:
        await run_sync(each.file.file.close)
