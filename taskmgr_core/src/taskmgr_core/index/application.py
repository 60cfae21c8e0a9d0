"""The web application: pages and wheels for whoever has the token."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any, Literal

import attrs
from litestar import Litestar, Request, Response, route
from litestar.datastructures.headers import Accept
from litestar.exceptions import HTTPException, NotFoundException
from litestar.response import File, Redirect
from litestar.types import ASGIApp, Receive, Scope, Send

from taskmgr_core.errors import ArtifactError, NotFoundError, StoreError, StoreUnavailableError
from taskmgr_core.index.catalogue import Catalogue
from taskmgr_core.index.files import project_name
from taskmgr_core.index.pages import HTML, MEDIA_TYPES, project_page, root_page
from taskmgr_core.index.tokens import Token, opens

REALM = "taskmgr index"
METADATA_SUFFIX = ".metadata"
# A wheel never changes under its digest; only its receiver may keep it.
_FOR_EVER = "private, max-age=31536000, immutable"
# What is published now is seen now; a page that has not changed is not sent again.
_ASK_AGAIN = "private, no-cache"
_GET: tuple[Literal["GET"], Literal["HEAD"]] = ("GET", "HEAD")

_LOGGER = logging.getLogger(__name__)

AnyRequest = Request[Any, Any, Any]
AnyResponse = Response[Any]


@attrs.frozen
class TokenGuard:
    """Lets nothing through without the token, not even a path that is not there.

    Attributes:
        application: what it stands before.
        token: what it asks for.
    """

    application: ASGIApp
    token: Token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        kind: str = scope["type"]
        if kind == "lifespan" or opens(_authorization(scope), self.token):
            await self.application(scope, receive, send)
            return
        said = b"the token of this index is wanted, as the password of any user, or as Bearer\n"
        headers = [
            (b"www-authenticate", f'Basic realm="{REALM}", charset="UTF-8"'.encode()),
            (b"www-authenticate", f'Bearer realm="{REALM}"'.encode()),
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(said)).encode()),
        ]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        body = b"" if scope.get("method") == "HEAD" else said
        await send({"type": "http.response.body", "body": body, "more_body": False})


def make_application(catalogue: Catalogue, token: Token, upstream: str = "") -> TokenGuard:
    """The index as an ASGI application.

    Arguments:
        catalogue: what it serves.
        token: what a client has to show.
        upstream: the simple page of the index that is asked for all names that can
            never be ours; empty for none.
    """
    pages = _Pages(catalogue, upstream.rstrip("/"))

    @route("/simple/", http_method=_GET, sync_to_thread=True)
    def root(request: AnyRequest) -> AnyResponse:
        return pages.root(request)

    @route("/simple/{name:str}/", http_method=_GET, sync_to_thread=True)
    def project(request: AnyRequest) -> AnyResponse:
        return pages.project(request, request.path_params["name"])

    @route("/files/{hexadecimal:str}/{filename:str}", http_method=_GET, sync_to_thread=True)
    def file(request: AnyRequest) -> AnyResponse:
        said = request.path_params
        return pages.file(request, f"sha256:{said['hexadecimal']}", said["filename"])

    application = Litestar(
        [root, project, file],
        openapi_config=None,
        logging_config=None,
        exception_handlers={
            HTTPException: _refused,
            NotFoundError: _not_found,
            StoreError: _away,
            ArtifactError: _away,
        },
    )
    return TokenGuard(application, token)


@attrs.frozen
class _Pages:
    catalogue: Catalogue
    upstream: str

    def root(self, request: AnyRequest) -> AnyResponse:
        if not _ends_with_slash(request):
            return Redirect("simple/", status_code=301)
        media_type = _wanted(request)
        return _page(request, root_page(self.catalogue.names(), media_type), media_type)

    def project(self, request: AnyRequest, name: str) -> AnyResponse:
        wanted = project_name(name)
        if wanted is None:
            raise NotFoundException(f"{name!r} is no name of a project")
        if not self.catalogue.is_ours(wanted):
            if self.upstream:
                return Redirect(f"{self.upstream}/{wanted}/", status_code=302)
            raise NotFoundException(f"no project {wanted!r} is published here")
        if not _ends_with_slash(request):
            return Redirect(f"{wanted}/", status_code=301)
        if wanted != name:
            return Redirect(f"../{wanted}/", status_code=301)
        media_type = _wanted(request)
        return _page(request, project_page(self.catalogue.project(name), media_type), media_type)

    def file(self, request: AnyRequest, digest: str, filename: str) -> AnyResponse:
        if filename.endswith(METADATA_SUFFIX):
            wheel = filename.removesuffix(METADATA_SUFFIX)
            core = self.catalogue.core_metadata(digest, wheel)
            headers = {"etag": f'"{core.digest}"', "cache-control": _FOR_EVER}
            return _unless_known(
                request, Response(core.content, headers=headers, media_type="binary/octet-stream")
            )
        path = self.catalogue.wheel(digest, filename)
        headers = {"etag": f'"{digest}"', "cache-control": _FOR_EVER}
        if _is_known(request, headers["etag"]):
            return _not_modified(headers)
        return File(path, filename=filename, headers=headers, media_type="binary/octet-stream")


def _ends_with_slash(request: AnyRequest) -> bool:
    """Whether relative links on the page lead where they should; the router minds no slash."""
    return bool(request.scope["raw_path"].endswith(b"/"))


def _wanted(request: AnyRequest) -> str:
    """What a client may be given.

    Raises:
        HTTPException: it accepts nothing that there is.
    """
    accepted = request.headers.get("accept") or HTML
    best = Accept(accepted).best_match(list(MEDIA_TYPES))
    if best is None:
        known = ", ".join(MEDIA_TYPES)
        said = f"no page of the type {accepted!r}; there are {known}"
        raise HTTPException(said, status_code=406)
    return MEDIA_TYPES[best]


def _page(request: AnyRequest, text: str, media_type: str) -> AnyResponse:
    content = text.encode()
    headers = {
        "etag": f'"{hashlib.sha256(content).hexdigest()}"',
        "cache-control": _ASK_AGAIN,
        "vary": "Accept",
    }
    return _unless_known(request, Response(content, headers=headers, media_type=media_type))


def _unless_known(request: AnyRequest, response: AnyResponse) -> AnyResponse:
    """The response, or only that the client has it already."""
    headers = {name: str(value) for name, value in response.headers.items()}
    return _not_modified(headers) if _is_known(request, headers["etag"]) else response


def _is_known(request: AnyRequest, tag: str) -> bool:
    known = [each.strip() for each in request.headers.get("if-none-match", "").split(",")]
    return tag in known or f"W/{tag}" in known or known == ["*"]


def _not_modified(headers: Mapping[str, str]) -> AnyResponse:
    return Response(None, status_code=304, headers=dict(headers), media_type="text/plain")


def _refused(_: AnyRequest, error: HTTPException) -> AnyResponse:
    return _told(error.detail, error.status_code)


def _not_found(_: AnyRequest, error: NotFoundError) -> AnyResponse:
    return _told(str(error), 404)


def _away(_: AnyRequest, error: StoreError | ArtifactError) -> AnyResponse:
    """Nothing is known of what is published, so nobody else is asked for it either."""
    _LOGGER.error("%s", error)
    lost = isinstance(error, ArtifactError) and not isinstance(error, StoreUnavailableError)
    said = "the wheel is damaged or lost" if lost else "a store does not answer"
    return _told(f"{said}; the log of the index says more", 500 if lost else 503)


def _told(said: str, status: int) -> AnyResponse:
    return Response(f"{said}\n", status_code=status, media_type="text/plain")


def _authorization(scope: Scope) -> str:
    """The header, once: of several, who knows which one a proxy has checked."""
    found = [value for name, value in scope["headers"] if name == b"authorization"]
    return found[0].decode("latin-1") if len(found) == 1 else ""
