"""What admins and operators ask of a server; as ``requests``, pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from taskmgr_core.api.models.accounts import (
    AuditPage,
    NewTokenView,
    TokenList,
    TokenView,
    WorkspaceList,
    WorkspaceRemoved,
    WorkspaceView,
)
from taskmgr_core.api.models.operating import (
    CacheCleared,
    CacheStats,
    DiffView,
    LimitList,
    LimitSaid,
    Removed,
    RolloutView,
)
from taskmgr_core.api.models.platform import (
    FiringList,
    ScheduleList,
    ScheduleView,
    WorkerView,
)
from taskmgr_core.remote.requests import Asked, named, parts_of, reading, run_id_in


def again(run: str) -> Asked[str]:
    """A run once more; not repeatable, because each time is a new run."""
    return Asked("POST", f"/runs/{named(run)}/again", run_id_in, repeatable=False)


def tell_worker(worker: str, how: str) -> Asked[WorkerView]:
    """Tell a worker to leave."""
    path = f"/workers/{named(worker)}/leave"
    return Asked("POST", path, reading(WorkerView), body={"how": how})


def tokens() -> Asked[TokenList]:
    """Every token."""
    return Asked("GET", "/tokens", reading(TokenList))


def new_token(
    name: str,
    role: str,
    workspace: str | None,
    seconds: float | None,
    permissions: Sequence[str] | None,
) -> Asked[NewTokenView]:
    """A new token; not repeatable, because each time it is another one."""
    body = {
        "name": name,
        "role": role,
        "workspace": workspace,
        "seconds": seconds,
        "permissions": None if permissions is None else list(permissions),
    }
    return Asked("POST", "/tokens", reading(NewTokenView), body=body, repeatable=False)


def revoke_token(token: str) -> Asked[TokenView]:
    """Revoke a token."""
    return Asked("POST", "/tokens/revoke", reading(TokenView), body={"token": token})


def workspaces() -> Asked[WorkspaceList]:
    """Every workspace."""
    return Asked("GET", "/workspaces", reading(WorkspaceList))


def new_workspace(name: str) -> Asked[WorkspaceView]:
    """A new workspace."""
    return Asked(
        "POST", "/workspaces", reading(WorkspaceView), body={"name": name}, repeatable=False
    )


def remove_workspace(name: str) -> Asked[WorkspaceRemoved]:
    """Remove a workspace."""
    path = f"/workspaces/{named(name)}"
    return Asked("DELETE", path, reading(WorkspaceRemoved), repeatable=False)


def audit(workspace: str | None, limit: int, cursor: int | None) -> Asked[AuditPage]:
    """A page of the audit log."""
    params = {"limit": str(limit)}
    if workspace is not None:
        params["workspace"] = workspace
    if cursor is not None:
        params["cursor"] = str(cursor)
    return Asked("GET", "/audit", reading(AuditPage), params)


def rollout(task: str) -> Asked[RolloutView]:
    """Which versions new runs get."""
    return Asked("GET", _task(task, "rollout"), reading(RolloutView))


def roll_out(task: str, version: str, percent: int) -> Asked[RolloutView]:
    """Give new runs a version."""
    body = {"version": version, "percent": percent}
    return Asked("PUT", _task(task, "rollout"), reading(RolloutView), body=body)


def roll_back(task: str) -> Asked[RolloutView]:
    """Undo the last rollout; not repeatable, because it would undo the one before as well."""
    return Asked("POST", _task(task, "rollback"), reading(RolloutView), repeatable=False)


def pin(task: str, version: str | None) -> Asked[RolloutView]:
    """Pin a version."""
    body = {"version": version}
    return Asked("PUT", _task(task, "pin"), reading(RolloutView), body=body)


def let_go(task: str) -> Asked[RolloutView]:
    """Let a pin go."""
    return Asked("DELETE", _task(task, "pin"), reading(RolloutView))


def yank(task: str, version: str, reason: str) -> Asked[RolloutView]:
    """Yank a version."""
    path = _task(task, f"versions/{named(version)}/yank")
    return Asked("PUT", path, reading(RolloutView), body={"reason": reason})


def take_back_yank(task: str, version: str) -> Asked[RolloutView]:
    """Take a yank back."""
    path = _task(task, f"versions/{named(version)}/yank")
    return Asked("DELETE", path, reading(RolloutView), repeatable=False)


def diff(task: str, old: str, new: str) -> Asked[DiffView]:
    """What is different between two versions."""
    return Asked("GET", _task(task, "diff"), reading(DiffView), {"old": old, "new": new})


def schedules() -> Asked[ScheduleList]:
    """Every schedule."""
    return Asked("GET", "/schedules", reading(ScheduleList))


def firings(name: str, limit: int) -> Asked[FiringList]:
    """What a schedule has fired."""
    params = {"limit": str(limit)}
    return Asked("GET", f"/schedules/{named(name)}/firings", reading(FiringList), params)


def add_schedule(
    name: str,
    what: str,
    cron: str,
    inputs: Mapping[str, Any],
    zone: str,
    catch_up: str,
    since: str | None,
) -> Asked[ScheduleView]:
    """A new schedule; files among its inputs are sent with it."""
    given, parts = parts_of(inputs)
    body = {
        "name": name,
        "what": what,
        "cron": cron,
        "inputs": given,
        "zone": zone,
        "catch_up": catch_up,
        "since": since,
    }
    return Asked(
        "POST", "/schedules", reading(ScheduleView), body=body, parts=parts, repeatable=False
    )


def pause_schedule(name: str) -> Asked[ScheduleView]:
    """Pause a schedule."""
    return Asked("POST", f"/schedules/{named(name)}/pause", reading(ScheduleView))


def resume_schedule(name: str) -> Asked[ScheduleView]:
    """Have a schedule go on."""
    return Asked("POST", f"/schedules/{named(name)}/resume", reading(ScheduleView))


def remove_schedule(name: str) -> Asked[Removed]:
    """Remove a schedule."""
    return Asked("DELETE", f"/schedules/{named(name)}", reading(Removed), repeatable=False)


def limits() -> Asked[LimitList]:
    """Every limit."""
    return Asked("GET", "/limits", reading(LimitList))


def set_limit(name: str, most: int | None, rate: str | None) -> Asked[LimitSaid]:
    """Set a limit."""
    body = {"max": most, "rate": rate}
    return Asked("PUT", f"/limits/{named(name)}", reading(LimitSaid), body=body)


def remove_limit(name: str) -> Asked[Removed]:
    """Remove a limit."""
    return Asked("DELETE", f"/limits/{named(name)}", reading(Removed), repeatable=False)


def cache_uses() -> Asked[CacheStats]:
    """What is cached."""
    return Asked("GET", "/cache", reading(CacheStats))


def clear_cache(task: str | None) -> Asked[CacheCleared]:
    """Clear what is cached; not repeatable, because the second time it was nothing."""
    params = {} if task is None else {"task": task}
    return Asked("DELETE", "/cache", reading(CacheCleared), params, repeatable=False)


def _task(task: str, rest: str) -> str:
    return f"/tasks/{named(task)}/{rest}"
