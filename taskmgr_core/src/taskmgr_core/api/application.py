"""The web application: the routes under ``/v1``, and whatever else shares its process."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any

import attrs
from litestar import Litestar, Request, Response, Router, asgi, get
from litestar.datastructures import State
from litestar.types import ASGIApp, ControllerRouterHandler, Message, Receive, Scope, Send

from taskmgr_core.accounts.interface import Allowance
from taskmgr_core.accounts.limiting import headers_of
from taskmgr_core.api.access import PUBLIC, Access, guard
from taskmgr_core.api.changes import Changes
from taskmgr_core.api.describing import route
from taskmgr_core.api.limits import Gate, Limits
from taskmgr_core.api.openapi import openapi_document
from taskmgr_core.api.problems import handlers
from taskmgr_core.api.routes import (
    accounts,
    artifacts,
    catalog,
    dashboard,
    events,
    lineage,
    operating,
    platform,
    rollouts,
    runs,
    schedules,
)
from taskmgr_core.api.together import Together
from taskmgr_core.client import Client
from taskmgr_core.health import ServiceHealth

AnyRequest = Request[Any, Any, Any]


@attrs.define
class Watching:
    """What follows runs, one for each client: workspaces may share one."""

    _changes: dict[int, Changes] = attrs.field(factory=dict, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def __call__(self, client: Client) -> Changes:
        """What follows the runs of a client."""
        with self._lock:
            if id(client) not in self._changes:
                self._changes[id(client)] = Changes(client)
            return self._changes[id(client)]

    def close(self) -> None:
        """Stop following."""
        with self._lock:
            for each in self._changes.values():
                each.close()


@attrs.define
class _Document:
    """The OpenAPI file, made when somebody asks for it."""

    @cached_property
    def content(self) -> bytes:
        """Its bytes."""
        return json.dumps(openapi_document(routes())).encode()


@get("/openapi.json", sync_to_thread=True, **route(PUBLIC, "schema.read"))
def read_openapi(request: AnyRequest) -> Response[Any]:
    """This file."""
    content: bytes = request.app.state["document"].content
    return Response(content, media_type="application/json")


def routes() -> Router:
    """Every route of the API."""
    return Router(
        "/v1",
        route_handlers=[
            *runs.ROUTES,
            *events.ROUTES,
            *catalog.ROUTES,
            *artifacts.ROUTES,
            *lineage.ROUTES,
            *platform.ROUTES,
            *rollouts.ROUTES,
            *schedules.ROUTES,
            *operating.ROUTES,
            *accounts.ROUTES,
            *dashboard.ROUTES,
            read_openapi,
        ],
        guards=[guard],
        exception_handlers=handlers(),
    )


def make_application(
    access: Access,
    health: Callable[[], list[ServiceHealth]],
    limits: Limits | None = None,
    more: Sequence[ControllerRouterHandler] = (),
) -> Gate:
    """The API as an ASGI application.

    Arguments:
        access: who may ask, and what they reach.
        health: asks the services of the platform how they are.
        limits: what a request may be.
        more: further routes of the same process, as a web page, ``/metrics`` or what
            ``mounted`` gives; those under ``/v1`` declare their permission.
    """
    limits = limits or Limits()
    watching = Watching()

    @asynccontextmanager
    async def life(_: Litestar) -> AsyncIterator[None]:
        try:
            yield
        finally:
            watching.close()

    application = Litestar(
        [routes(), *more],
        openapi_config=None,
        logging_config=None,
        lifespan=[life],
        exception_handlers=handlers(),
        before_send=[] if access.limiter is None else [_tell_allowance],
        # What is larger does not come past the gate.
        request_max_body_size=None,
        multipart_form_part_limit=limits.uploads + 2,
        state=State(
            {
                "access": access,
                "health": health,
                "limits": limits,
                "watching": watching,
                "submitting": Together(),
                "document": _Document(),
            }
        ),
    )
    return Gate(application, limits, local_only=access.accounts is None)


def mounted(path: str, application: ASGIApp) -> ControllerRouterHandler:
    """Another application under a path of this process; it sees to its own access."""

    @asgi(path, is_mount=True, copy_scope=True)
    async def mount(scope: Scope, receive: Receive, send: Send) -> None:
        await application(scope, receive, send)

    return mount


async def _tell_allowance(message: Message, scope: Scope) -> None:
    """Say in each answer how much may be asked for until when."""
    allowance: Allowance | None = scope["state"].get("allowance")
    if message["type"] == "http.response.start" and allowance is not None:
        told = headers_of(allowance).items()
        message["headers"] = [
            *message["headers"],
            *((name.lower().encode(), value.encode()) for name, value in told),
        ]
