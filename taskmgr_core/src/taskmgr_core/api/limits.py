"""What a request may be: its size, the time that it may take, the host that it is for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from taskmgr_core.api.problems import MEDIA_TYPE, document, problem
from taskmgr_core.index.server import is_loopback

MEGABYTE = 1_000_000
FORM = b"multipart/form-data"
# Set by the server for each request: ends its connection without waiting for the client.
ABORT = "taskmgr.abort"
# The same: says whether the client has to take something before more can be sent.
FULL = "taskmgr.full"


@attrs.frozen
class Limits:
    """What a client may ask of a server at once.

    Attributes:
        body_bytes: of a body of JSON.
        upload_bytes: of a form with files, all together.
        uploads: how many files a form may have.
        patience: seconds within which a body has to arrive, and a client has to take each
            part of what it is sent.
        streams: how many event streams are open at once.
    """

    body_bytes: int = 2 * MEGABYTE
    upload_bytes: int = 256 * MEGABYTE
    uploads: int = 64
    patience: float = 30.0
    streams: int = 2000


@attrs.frozen
class Gate:
    """Stands before the application, and lets through what is within the limits.

    Attributes:
        application: what it stands before.
        limits: the limits.
        local_only: whether only requests for this machine by its own name are answered: then
            no page that a browser here has open can ask anything.
    """

    application: ASGIApp
    limits: Limits
    local_only: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        kind: str = scope["type"]
        if kind != "http":
            await self.application(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if self.local_only and (fault := foreign(headers)):
            await _refuse(send, "misdirected", fault)
            return
        most = self._most(headers)
        if int(headers.get(b"content-length", b"0") or b"0") > most:
            await _refuse(send, "too-large", _larger(most), close=True)
            return
        await self._answer(scope, receive, send, headers, most)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, headers: dict[bytes, bytes], most: int
    ) -> None:
        body = headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers
        reading = _Reading(receive, most, self.limits.patience)
        extensions: dict[str, Any] = scope.get("extensions") or {}
        full = extensions.get(FULL, _may_be_full)
        answering = _Answering(send, self.limits.patience, reading, extensions.get(ABORT), full)
        try:
            await self.application(scope, reading if body else receive, answering)
        except Exception:
            if not answering.stalled and reading.failed is None:
                raise
        if reading.failed is not None and not answering.begun:
            await _refuse(send, *reading.failed, close=True)

    def _most(self, headers: dict[bytes, bytes]) -> int:
        form = headers.get(b"content-type", b"").lower().startswith(FORM)
        return self.limits.upload_bytes if form else self.limits.body_bytes


@attrs.define
class _Reading:
    """Gives a body on while it is within its limits.

    What fails is answered by the gate: the application cannot know why its body ends.
    """

    receive: Receive
    most: int
    seconds: float
    failed: tuple[str, str] | None = None
    _read: int = 0
    _ends: float = 0.0
    _whole: bool = False

    async def __call__(self) -> Any:
        """The next part of the body; afterwards whatever the server says."""
        if self._whole:
            return await self.receive()
        now = asyncio.get_running_loop().time()
        self._ends = self._ends or now + self.seconds
        try:
            async with asyncio.timeout_at(self._ends):
                message = await self.receive()
        except TimeoutError:
            said = f"the body has not arrived within {self.seconds:g} s; send it faster, or less"
            return self._failed("slow-request", said)
        if message["type"] == "http.request":
            self._read += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._read > self.most:
                return self._failed("too-large", _larger(self.most))
        return message

    def _failed(self, kind: str, said: str) -> Any:
        self.failed = (kind, said)
        self._whole = True
        return {"type": "http.disconnect"}


@attrs.define
class _Answering:
    """Sends an answer on, each part within a time; nothing where the body was refused.

    Attributes:
        abort: ends the connection; closing it politely would wait for who takes nothing.
        full: whether sending may have to wait; a timer costs as much as sending itself.
    """

    send: Send
    seconds: float
    reading: _Reading
    abort: Callable[[], None] | None
    full: Callable[[], bool]
    begun: bool = False
    stalled: bool = False

    async def __call__(self, message: Message) -> None:
        """Send a part.

        Raises:
            TimeoutError: the client does not take it.
        """
        if self.reading.failed is not None and not self.begun:
            return
        self.begun = True
        if not self.full():
            await self.send(message)
            return
        try:
            async with asyncio.timeout(self.seconds):
                await self.send(message)
        except TimeoutError:
            self.stalled = True
            if self.abort is not None:
                self.abort()
            raise


def _may_be_full() -> bool:
    """Where no server says."""
    return True


def foreign(headers: dict[bytes, bytes]) -> str:
    """Why a request is none that a program of this machine makes; empty where it may be.

    A page that a browser has open can send forms to this machine, and can have a name of its
    own lead here; it cannot hide its own name.
    """
    host = _name_in(headers.get(b"host", b"localhost").decode("latin-1"))
    if not is_loopback(host):
        return f"the request is for {host!r}; this server answers on this machine only: 127.0.0.1"
    origin = headers.get(b"origin", b"").decode("latin-1")
    if origin and not is_loopback(_name_in(origin.partition("://")[2])):
        return f"the page {origin!r} may not use this server"
    return ""


def _name_in(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


def _larger(most: int) -> str:
    return f"the body is larger than {most} bytes, the most that is taken; send less at once"


async def _refuse(
    send: Callable[[Any], Awaitable[None]], kind: str, said: str, *, close: bool = False
) -> None:
    view = problem(kind, said)
    body = json.dumps(document(view)).encode()
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        *([(b"connection", b"close")] if close else []),
    ]
    await send({"type": "http.response.start", "status": view.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
