"""Files of runs, by their digests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import attrs
from litestar import Request, Response, get
from litestar import route as litestar_route
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter
from litestar.response import Stream

from taskmgr_core.accounts.policy import Permission
from taskmgr_core.api.access import client_of
from taskmgr_core.api.describing import route
from taskmgr_core.api.problems import RequestError
from taskmgr_core.api.ranges import Span, UnsatisfiableError, is_known, span_of
from taskmgr_core.client import Client

AnyRequest = Request[Any, Any, Any]
BYTES = "application/octet-stream"


@attrs.frozen
class Link:
    """Where a file can be fetched for ``seconds``, by anybody who has the address."""

    url: str
    seconds: int


_PART_BYTES = 256 << 10
Digest = Annotated[
    str,
    PathParameter(
        pattern="^sha256:[0-9a-f]{64}$", description="Of a file, as a run has recorded it."
    ),
]


@litestar_route(
    "/artifacts/{digest:str}",
    http_method=["GET", "HEAD"],
    sync_to_thread=True,
    media_type=BYTES,
    **route(
        Permission.READ,
        "artifact.read",
        "not-found",
        "range-not-satisfiable",
        also={
            206: ResponseSpec(
                bytes, description="A part of it", media_type=BYTES, generate_examples=False
            ),
            304: ResponseSpec(
                None, description="The client has it already", generate_examples=False
            ),
        },
    ),
)
def read_artifact(request: AnyRequest, digest: Digest) -> Response[Any]:
    """The content of a file that a run was given or has made, whole or a part (`Range`).

    It never changes: its digest is its entity tag. Files of no run, as wheels and weights,
    are not given here.
    """
    tag = f'"{digest}"'
    headers = {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Disposition": f'attachment; filename="{digest[7:19]}"',
        "X-Content-Type-Options": "nosniff",
    }
    path = _file(client_of(request), digest)
    if is_known(tag, request.headers.get("if-none-match")):
        return Response(b"", status_code=304, headers=headers, media_type=BYTES)
    size = path.stat().st_size
    span = _span(request, tag, size)
    if span is not None:
        headers["Content-Range"] = span.header
    wanted = span or Span(0, size, size)
    headers["Content-Length"] = str(wanted.length)
    parts = iter(()) if request.method == "HEAD" else _parts(path, wanted)
    status = 200 if span is None else 206
    return Stream(parts, status_code=status, headers=headers, media_type=BYTES)


@get(
    "/artifacts/{digest:str}/link",
    sync_to_thread=True,
    **route(Permission.READ, "artifact.link", "not-found"),
)
def link_artifact(
    request: AnyRequest,
    digest: Digest,
    seconds: Annotated[int, QueryParameter(ge=1, le=3600, description="How long it holds.")] = 300,
) -> Link:
    """An address in the artifact store itself, for large files; only where that is an S3 server."""
    client = client_of(request)
    _check(client, digest)
    url = client.artifacts.link(digest, seconds)
    if not url:
        raise RequestError(
            "not-found",
            "the artifacts of this server are in a folder, which has no addresses; "
            f"GET /v1/artifacts/{digest} gives the content",
        )
    return Link(url, seconds)


def _file(client: Client, digest: str) -> Path:
    """The file on this machine, verified."""
    _check(client, digest)
    return client.artifacts.local_path(digest)


def _check(client: Client, digest: str) -> None:
    """Refuse what no run has recorded, and what is no file."""
    client.metadata.digest(digest)
    if not client.artifacts.exists(digest):
        raise RequestError(
            "not-found",
            f"{digest} is no file but a value; it stands in the run's values: GET "
            f"/v1/lineage/{digest} says of which runs",
        )


def _span(request: AnyRequest, tag: str, size: int) -> Span | None:
    if request.headers.get("if-range", tag) != tag:
        return None
    try:
        return span_of(request.headers.get("range"), size)
    except UnsatisfiableError as error:
        raise RequestError(
            "range-not-satisfiable",
            f"the artifact has {size} bytes; ask for a part of them",
            headers={"Content-Range": str(error)},
        ) from error


def _parts(path: Path, span: Span) -> Iterator[bytes]:
    with path.open("rb") as opened:
        opened.seek(span.start)
        left = span.length
        while left and (part := opened.read(min(left, _PART_BYTES))):
            left -= len(part)
            yield part


ROUTES = (read_artifact, link_artifact)
