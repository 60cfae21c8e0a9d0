"""Who looks at a page: the token of a login, kept by the browser in a cookie.

The API knows tokens from the header ``Authorization`` alone. A browser sends none for a page, a
picture or a stream of events, so a cookie stands for it here, before the API. It is for this site
alone (``SameSite=Strict``), no script can read it, and a request that changes something has to say
that it comes from a page of ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie

import attrs
from litestar.types import ASGIApp, Receive, Scope, Send

COOKIE = "taskmgr_token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@attrs.frozen
class CookieTokens:
    """Implements an ASGI application: passes requests on, with the token of their cookie.

    Attributes:
        application: what answers.
    """

    application: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        method = scope.get("method")  # what is no request over HTTP has none
        if isinstance(method, str):
            headers = [(name.lower(), value) for name, value in scope["headers"]]
            token = token_of(headers)
            if token and may_speak(method, headers):
                bearer = (b"authorization", f"Bearer {token}".encode())
                scope["headers"] = [*scope["headers"], bearer]
        await self.application(scope, receive, send)


def token_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The token of the cookie; empty where there is none, or a token stands in a header."""
    found = ""
    for name, value in headers:
        if name == b"authorization":
            return ""
        if name == b"cookie":
            found = _cookie(value.decode("latin-1")) or found
    return found


def may_speak(method: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a cookie counts: a page of another site must not act with it.

    Browsers say where a request that changes something comes from, and let no script lie.

    Arguments:
        method: of the request.
        headers: its headers, their names in small letters.
    """
    if method in SAFE_METHODS:
        return True
    told = dict(headers)
    site = told.get(b"sec-fetch-site")
    if site is not None:
        return site == b"same-origin"
    origin, host = told.get(b"origin"), told.get(b"host")
    return origin is not None and host is not None and origin.partition(b"://")[2] == host


def _cookie(text: str) -> str:
    try:
        found = SimpleCookie(text).get(COOKIE)
    except CookieError:
        return ""
    value = "" if found is None else found.value
    return value if value.isascii() and value.isprintable() and " " not in value else ""


def login_cookie(token: str, *, secure: bool) -> str:
    """The header that has the browser keep a token until it is closed; empty ends it.

    Arguments:
        token: the token.
        secure: whether the page came over TLS, so that the cookie goes no other way.
    """
    ended = "" if token else "; Max-Age=0"
    only = "; Secure" if secure else ""
    return f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict{only}{ended}"
