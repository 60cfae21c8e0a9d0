"""Limits and cached results."""

from __future__ import annotations

from typing import Annotated, Any

from anyio.to_thread import run_sync
from litestar import Request, delete, get, put
from litestar.params import FromPath, QueryParameter

from taskmgr_core.accounts.policy import Permission
from taskmgr_core.api.access import client_of, record
from taskmgr_core.api.bodies import json_body
from taskmgr_core.api.describing import route
from taskmgr_core.api.models.operating import (
    CacheCleared,
    CacheStats,
    CacheUseView,
    LimitList,
    LimitOrder,
    LimitSaid,
    LimitView,
    Removed,
)
from taskmgr_core.operating import caching, limits

AnyRequest = Request[Any, Any, Any]


@get("/limits", sync_to_thread=True, **route(Permission.READ, "limit.list"))
def list_limits(request: AnyRequest) -> LimitList:
    """Every limit that is set or used: who says it, how many of its steps run, how many wait."""
    return LimitList(tuple(map(LimitView.of, limits.uses(client_of(request)))))


@put(
    "/limits/{name:str}",
    **route(Permission.OPERATE, "limit.set", "not-found", "invalid-value", body=LimitOrder),
)
async def set_limit(request: AnyRequest, name: FromPath[str]) -> LimitSaid:
    """Set the limit of `task:NAME` or `queue:NAME`, in place of what was said before.

    It holds over all workers, which hear of it with their next beat.
    """
    asked = await json_body(request, LimitOrder)
    return await run_sync(_set, request, name, asked)


def _set(request: AnyRequest, name: str, asked: LimitOrder) -> LimitSaid:
    limit = limits.put(client_of(request), name, asked.max or 0, asked.rate or "")
    said = LimitSaid.of(limit)
    record(request, name, note=f"max {said.max}, rate {said.rate}")
    return said


@delete(
    "/limits/{name:str}",
    status_code=200,
    sync_to_thread=True,
    **route(Permission.OPERATE, "limit.remove", "not-found"),
)
def remove_limit(request: AnyRequest, name: FromPath[str]) -> Removed:
    """Remove a limit; what the task's class says holds again."""
    limits.remove(client_of(request), name)
    record(request, name)
    return Removed(name)


@get("/cache", sync_to_thread=True, **route(Permission.READ, "cache.stats"))
def cache_stats(request: AnyRequest) -> CacheStats:
    """How much is cached of each task, and what that has spared."""
    return CacheStats(tuple(map(CacheUseView.of, caching.uses(client_of(request)))))


@delete(
    "/cache",
    status_code=200,
    sync_to_thread=True,
    **route(Permission.OPERATE, "cache.clear", "not-found"),
)
def clear_cache(
    request: AnyRequest,
    task: Annotated[
        str | None, QueryParameter(description="Only what is cached of this task.")
    ] = None,
) -> CacheCleared:
    """Remove what is cached: the next runs compute it. What runs recorded stays."""
    cleared = caching.clear(client_of(request), task)
    record(request, task or "", note=f"{sum(each.entries for each in cleared)} results")
    return CacheCleared(tuple(map(CacheUseView.of, cleared)))


ROUTES = (list_limits, set_limit, remove_limit, cache_stats, clear_cache)
