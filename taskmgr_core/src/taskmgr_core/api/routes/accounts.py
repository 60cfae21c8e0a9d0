"""Tokens, workspaces and the audit log, for admins.

What is changed is written down by ``Administration`` itself, before it is answered.
"""

from __future__ import annotations

import time
from typing import Annotated, Any

from anyio.to_thread import run_sync
from litestar import Request, Response, delete, get, post
from litestar.params import FromPath, QueryParameter

from taskmgr_core.accounts.policy import Permission, permission_named, role_named
from taskmgr_core.api.access import office_of, principal_of
from taskmgr_core.api.bodies import json_body
from taskmgr_core.api.describing import route
from taskmgr_core.api.models.accounts import (
    AuditLineView,
    AuditPage,
    NewTokenView,
    Revocation,
    TokenList,
    TokenOrder,
    TokenView,
    WorkspaceList,
    WorkspaceOrder,
    WorkspaceRemoved,
    WorkspaceView,
)
from taskmgr_core.errors import NotFoundError
from taskmgr_core.specs.accounts import DEFAULT_WORKSPACE, Workspace

AnyRequest = Request[Any, Any, Any]
DEFAULT = Workspace(DEFAULT_WORKSPACE, 0.0, "")


@get("/tokens", sync_to_thread=True, **route(Permission.ADMINISTER, "token.list", "conflict"))
def list_tokens(request: AnyRequest) -> TokenList:
    """The tokens of the workspaces that whoever asks reaches; none of them can be seen."""
    _, admin = office_of(request)
    now = time.time()
    return TokenList(tuple(TokenView.of(each, now) for each in admin.tokens()))


@post(
    "/tokens",
    status_code=201,
    **route(
        Permission.ADMINISTER, "token.new", "conflict", "not-found", "invalid-value",
        body=TokenOrder,
    ),
)  # fmt: skip
async def create_token(request: AnyRequest) -> Response[NewTokenView]:
    """Make a token, and show it this once: only its hash is kept.

    It opens no more than the token that asks for it, in no workspace that that does not reach.
    """
    made = await run_sync(_made, request, await json_body(request, TokenOrder))
    return Response(made, status_code=201, headers={"Cache-Control": "no-store"})


def _made(request: AnyRequest, asked: TokenOrder) -> NewTokenView:
    _, admin = office_of(request)
    workspace = principal_of(request).workspace if asked.workspace is None else asked.workspace
    role = role_named(asked.role)  # a text that fits no enum is read as a text
    kept = None if asked.permissions is None else [*map(permission_named, asked.permissions)]
    made = admin.new_token(asked.name, role, workspace, asked.seconds, kept)
    return NewTokenView.of_new(made, time.time())


@post(
    "/tokens/revoke",
    status_code=200,
    **route(
        Permission.ADMINISTER,
        "token.revoke",
        "conflict",
        "not-found",
        "invalid-value",
        body=Revocation,
    ),
)
async def revoke_token(request: AnyRequest) -> TokenView:
    """Have a token open nothing any more. Other servers know within five seconds.

    It is named in the body, since an address is written to logs, and it may be the token itself.
    """
    asked = await json_body(request, Revocation)
    return await run_sync(_revoked, request, asked.token)


def _revoked(request: AnyRequest, token: str) -> TokenView:
    _, admin = office_of(request)
    return TokenView.of(admin.revoke_token(token), time.time())


@get(
    "/workspaces",
    sync_to_thread=True,
    **route(Permission.ADMINISTER, "workspace.list", "conflict"),
)
def list_workspaces(request: AnyRequest) -> WorkspaceList:
    """The workspaces that whoever asks reaches."""
    _, admin = office_of(request)
    default = [DEFAULT] if admin.by.reaches(DEFAULT_WORKSPACE) else []
    return WorkspaceList(tuple(map(WorkspaceView.of, [*default, *admin.workspaces()])))


@post(
    "/workspaces",
    status_code=201,
    **route(
        Permission.ADMINISTER, "workspace.new", "conflict", "invalid-value",
        body=WorkspaceOrder, of_platform=True,
    ),
)  # fmt: skip
async def create_workspace(request: AnyRequest) -> WorkspaceView:
    """Make a workspace. Its steps are run by workers that are started for it."""
    asked = await json_body(request, WorkspaceOrder)
    return await run_sync(_workspace_made, request, asked.name)


def _workspace_made(request: AnyRequest, name: str) -> WorkspaceView:
    office, admin = office_of(request)
    return WorkspaceView.of(office.new_workspace(admin, name))


@delete(
    "/workspaces/{name:str}",
    status_code=200,
    sync_to_thread=True,
    **route(Permission.ADMINISTER, "workspace.remove", "conflict", "not-found", of_platform=True),
)
def remove_workspace(request: AnyRequest, name: FromPath[str]) -> WorkspaceRemoved:
    """Remove a workspace with its tasks, runs, files and keys, for good; its tokens are revoked.

    Refused while workers serve it.
    """
    office, admin = office_of(request)
    known = [each.name for each in admin.workspaces()]
    if name not in known:
        raise NotFoundError.named("workspace", name, known)
    office.check_unserved(name)
    return WorkspaceRemoved(name, office.remove_workspace(admin, name))


@get("/audit", sync_to_thread=True, **route(Permission.ADMINISTER, "audit.list", "conflict"))
def list_audit(
    request: AnyRequest,
    workspace: Annotated[
        str | None, QueryParameter(description="Only lines that are about this workspace.")
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 50,
    cursor: Annotated[
        int | None,
        QueryParameter(ge=1, le=2**53, description="The `next` of the page before."),
    ] = None,
) -> AuditPage:
    """Who did what, when, from where; the newest line first.

    Changes that were asked for over the API, what is done to tokens and workspaces, and
    everything that was denied.
    """
    _, admin = office_of(request)
    found = admin.audit_page(cursor, limit + 1, workspace)
    views = tuple(map(AuditLineView.of, found[:limit]))
    return AuditPage(views, views[-1].number if len(found) > limit else None)


ROUTES = (
    list_tokens,
    create_token,
    revoke_token,
    list_workspaces,
    create_workspace,
    remove_workspace,
    list_audit,
)
