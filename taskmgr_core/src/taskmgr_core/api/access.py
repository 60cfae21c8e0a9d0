"""Who may ask what: the permission that a route declares, and the guard that sees to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, Protocol, TypeAlias

import attrs
from anyio.to_thread import run_sync
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from taskmgr_core.accounts.administration import Administration
from taskmgr_core.accounts.interface import (
    LOCAL,
    Accounts,
    Allowance,
    Asked,
    Principal,
    RateLimiter,
)
from taskmgr_core.accounts.limiting import headers_of
from taskmgr_core.accounts.policy import Permission
from taskmgr_core.api.problems import RequestError
from taskmgr_core.client import Client
from taskmgr_core.errors import PermissionDeniedError, Problem, nearest
from taskmgr_core.specs.accounts import AuditOutcome, Workspace

PERMISSION = "permission"
ACTION = "action"
# Whether it takes somebody who is of no single workspace.
OF_PLATFORM = "of_platform"
# What load balancers ask, and what says how to ask.
PUBLIC: Literal["public"] = "public"
WORKSPACE_HEADER = "taskmgr-workspace"

Needed: TypeAlias = Permission | Literal["public"]
AnyConnection = ASGIConnection[Any, Any, Any, Any]
AnyRequest = Request[Any, Any, Any]


class Office(Protocol):
    """What administers accounts and workspaces."""

    def administration(self, by: Principal, where: str = "local") -> Administration:
        """What a principal may administer."""

    def new_workspace(self, admin: Administration, name: str) -> Workspace:
        """Make a workspace with its stores."""

    def remove_workspace(self, admin: Administration, name: str) -> int:
        """Remove a workspace with all that is in it; how many tokens were revoked."""

    def check_unserved(self, name: str) -> None:
        """Refuse where workers serve a workspace."""


@attrs.frozen
class Access:
    """Who somebody is, and what they reach.

    Attributes:
        client_of: the client for a principal's workspace.
        accounts: who knows tokens; None where everybody of this machine may do everything.
        limiter: how often somebody may ask; None for any number of times.
        office: what administers accounts; None where there are none.
    """

    client_of: Callable[[Principal], Client]
    accounts: Accounts | None = None
    limiter: RateLimiter | None = None
    office: Office | None = None


def needs(permission: Needed, action: str) -> dict[str, Any]:
    """What a route declares: the permission, and what the audit log calls what it does."""
    return {PERMISSION: permission, ACTION: action}


async def guard(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Let a request through that is admitted and has no parameter that the route has not.

    One guard, and a coroutine: the framework copies the handler for each, and calls any other
    function in a thread.

    Raises:
        AuthenticationError, PermissionDeniedError, RequestError: it is not let through.
    """
    await admit(connection, handler)
    know(connection, handler)


def know(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Refuse a parameter that the route has not: a mistyped filter would find everything.

    Raises:
        RequestError: with the nearest name.
    """
    if not connection.query_params:
        return
    known = set(handler.parsed_fn_signature.parameters) - {"request", *connection.path_params}
    for name in connection.query_params:
        if name not in known:
            said = f"unknown parameter {name!r}; {nearest(name, known)}"
            raise RequestError("invalid-parameter", said, [Problem(name, said)])


async def admit(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Let in whoever has the permission that the route declares.

    Raises:
        AuthenticationError, PermissionDeniedError: they have it not.
        RequestError: they ask too often.
    """
    needed: Needed = handler.opt[PERMISSION]  # a route without one answers nobody
    access: Access = connection.app.state["access"]
    if needed == PUBLIC or access.accounts is None:
        connection.state["principal"] = connection.state["bearer"] = LOCAL
        return
    admitted = partial(_admitted, access.accounts, access.limiter, connection, handler, needed)
    state = connection.state
    state["bearer"], state["principal"], state["allowance"] = await run_sync(admitted)


def _admitted(
    accounts: Accounts,
    limiter: RateLimiter | None,
    connection: AnyConnection,
    handler: BaseRouteHandler,
    needed: Permission,
) -> tuple[Principal, Principal, Allowance | None]:
    where = connection.client.host if connection.client else ""
    principal = accounts.authenticate(_bearer(connection), where)
    allowance = None if limiter is None else limiter.take(principal)
    if allowance is not None and not allowance.allowed:
        raise RequestError(
            "too-many-requests",
            f"more than {allowance.limit} requests within {allowance.window:g} s; ask again in "
            f"{allowance.retry_after:.1f} s",
            headers=dict(headers_of(allowance)),
        )
    target = str(next(iter(connection.path_params.values()), ""))
    asked = Asked(str(handler.opt[ACTION]), target, where)
    workspace = connection.headers.get(WORKSPACE_HEADER)
    entered = accounts.authorize(principal, needed, asked, workspace)
    if handler.opt.get(OF_PLATFORM) and not principal.is_of_the_platform:
        accounts.record(entered, asked, "denied", "needs a token of every workspace")
        raise PermissionDeniedError(
            f"the token of {principal.name} is for the workspace {principal.workspace!r}, and "
            f"{asked.action} needs one of every workspace; ask an admin of the platform"
        )
    return principal, entered, allowance


def _bearer(connection: AnyConnection) -> str:
    """The token, once: of several, who knows which one a proxy has checked. Empty for none."""
    found = connection.headers.getall("authorization", [])
    scheme, _, token = (found[0] if len(found) == 1 else "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def principal_of(request: AnyRequest) -> Principal:
    """Who asks."""
    principal: Principal = request.state["principal"]
    return principal


def office_of(request: AnyRequest) -> tuple[Office, Administration]:
    """What administers accounts, and what of it whoever asks may: as their token says.

    It does not matter which workspace they have entered.

    Raises:
        RequestError: the server has no accounts.
    """
    access: Access = request.app.state["access"]
    if access.office is None:
        raise RequestError(
            "conflict",
            "this server asks nobody for a token (--no-accounts), so it administers none; start "
            "it without that, or use the commands on its machine",
        )
    bearer: Principal = request.state["bearer"]
    return access.office, access.office.administration(bearer, where_of(request))


def where_of(request: AnyRequest) -> str:
    """The client's address."""
    return request.client.host if request.client else ""


def client_of(request: AnyRequest) -> Client:
    """The client of the workspace of who asks."""
    access: Access = request.app.state["access"]
    return access.client_of(principal_of(request))


def record(
    request: AnyRequest, target: str, outcome: AuditOutcome = "done", note: str = ""
) -> None:
    """Write a change down in the audit log, where there is one."""
    access: Access = request.app.state["access"]
    if access.accounts is not None:
        asked = Asked(str(request.route_handler.opt[ACTION]), target, where_of(request))
        access.accounts.record(principal_of(request), asked, outcome, note)
