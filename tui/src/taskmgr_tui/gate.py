"""Who may see the dashboard in a browser: whoever has the token, and comes from its own page."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import attrs
from aiohttp import web

PARAMETER = "token"
REFUSED = (
    "This dashboard is opened by the link that `taskmgr top --serve` printed when it was "
    "started; each start makes another one.\n"
)
FOREIGN = "A page of another site may not open this dashboard.\n"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self' data:; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@attrs.frozen
class Gate:
    """Lets in who shows the token: once in the link, from then on in a cookie.

    Attributes:
        port: of the server; cookies are a host's, whatever its ports serve.
        secure: whether a browser comes over TLS alone.
        token: random.
    """

    port: int
    secure: bool = False
    token: str = attrs.field(factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def cookie(self) -> str:
        """The cookie's name."""
        return f"taskmgr-top-{self.port}"

    def link(self, address: str) -> str:
        """What opens it.

        Arguments:
            address: as ``http://127.0.0.1:8322/``.
        """
        return f"{address}?{PARAMETER}={self.token}"

    def opens(self, shown: str) -> bool:
        """Whether it is the token; how long that takes says nothing of it."""
        return hmac.compare_digest(shown.encode(), self.token.encode())

    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request, or refuse it."""
        if self.opens(request.query.get(PARAMETER, "")):
            return self._welcome()
        if not self.opens(request.cookies.get(self.cookie, "")):
            raise web.HTTPForbidden(text=REFUSED, headers=HEADERS)
        origin = request.headers.get("Origin", "")
        if origin and urlsplit(origin).netloc != request.host:
            raise web.HTTPForbidden(text=FOREIGN, headers=HEADERS)
        return await handler(request)

    def _welcome(self) -> web.Response:
        """Keep the token in a cookie, and out of the address and of the browser's history."""
        answer = web.Response(status=303, headers={**HEADERS, "Location": "./"})
        answer.set_cookie(
            self.cookie, self.token, httponly=True, samesite="Lax", secure=self.secure, path="/"
        )
        return answer
