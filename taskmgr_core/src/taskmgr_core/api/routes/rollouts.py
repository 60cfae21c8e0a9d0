"""Which versions of a task new runs get: rolled out, rolled back, pinned, yanked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from anyio.to_thread import run_sync
from litestar import Request, delete, get, post, put
from litestar.params import FromPath, QueryParameter

from taskmgr_core.accounts.policy import Permission
from taskmgr_core.api.access import client_of, record
from taskmgr_core.api.bodies import json_body
from taskmgr_core.api.describing import route
from taskmgr_core.api.models.operating import (
    ChangeView,
    DiffView,
    PinOrder,
    RolloutOrder,
    RolloutView,
    YankOrder,
)
from taskmgr_core.errors import InvalidValueError
from taskmgr_core.orchestrator.routing import WHOLE
from taskmgr_core.rollouts import Rollouts

AnyRequest = Request[Any, Any, Any]


@get(
    "/tasks/{name:str}/rollout",
    sync_to_thread=True,
    **route(Permission.READ, "task.rollouts", "not-found"),
)
def show_rollout(request: AnyRequest, name: FromPath[str]) -> RolloutView:
    """Which versions of a task there are, and how many of a hundred new runs get each."""
    return RolloutView.of(name, *client_of(request).rollouts.versions(name))


@put(
    "/tasks/{name:str}/rollout",
    **route(
        Permission.OPERATE, "task.rollout", "not-found", "conflict", "invalid-value",
        body=RolloutOrder,
    ),
)  # fmt: skip
async def roll_out(request: AnyRequest, name: FromPath[str]) -> RolloutView:
    """Give new runs a version of a task: some of them, or all. Runs that are there keep theirs."""
    asked = await json_body(request, RolloutOrder)
    if not 1 <= asked.percent <= WHOLE:
        raise InvalidValueError(f"percent {asked.percent}: allowed is 1 to {WHOLE}")
    said = f"{asked.version} {asked.percent} %"
    return await run_sync(
        _changed,
        request,
        name,
        lambda rollouts: rollouts.roll_out(name, asked.version, asked.percent),
        said,
    )


@post(
    "/tasks/{name:str}/rollback",
    status_code=200,
    sync_to_thread=True,
    **route(Permission.OPERATE, "task.rollback", "not-found", "conflict"),
)
def roll_back(request: AnyRequest, name: FromPath[str]) -> RolloutView:
    """Give new runs what they got before the last rollout."""
    return _changed(request, name, lambda rollouts: rollouts.roll_back(name))


@put(
    "/tasks/{name:str}/pin",
    **route(
        Permission.OPERATE, "task.pin", "not-found", "conflict", "invalid-value", body=PinOrder
    ),
)
async def pin_version(request: AnyRequest, name: FromPath[str]) -> RolloutView:
    """Give all new runs one version, whatever is published or rolled out, until it is let go."""
    asked = await json_body(request, PinOrder)
    return await run_sync(
        _changed,
        request,
        name,
        lambda rollouts: rollouts.pin(name, asked.version),
        asked.version or "",
    )


@delete(
    "/tasks/{name:str}/pin",
    status_code=200,
    sync_to_thread=True,
    **route(Permission.OPERATE, "task.unpin", "not-found", "conflict"),
)
def let_go(request: AnyRequest, name: FromPath[str]) -> RolloutView:
    """Give new runs the highest version again, without pin and rollout."""
    return _changed(request, name, lambda rollouts: rollouts.let_go(name))


@put(
    "/tasks/{name:str}/versions/{version:str}/yank",
    **route(
        Permission.OPERATE, "task.yank", "not-found", "conflict", "invalid-value", body=YankOrder
    ),
)
async def yank_version(
    request: AnyRequest, name: FromPath[str], version: FromPath[str]
) -> RolloutView:
    """Keep a version from new runs that do not name it; nothing is removed."""
    asked = await json_body(request, YankOrder)
    reason = asked.reason.strip()
    if not reason:
        raise InvalidValueError("the reason is empty; say why, whoever meets the version reads it")
    return await run_sync(
        _changed,
        request,
        name,
        lambda rollouts: rollouts.yank(name, version, reason),
        f"{version}: {reason}",
    )


@delete(
    "/tasks/{name:str}/versions/{version:str}/yank",
    status_code=200,
    sync_to_thread=True,
    **route(Permission.OPERATE, "task.unyank", "not-found", "conflict"),
)
def take_back_yank(request: AnyRequest, name: FromPath[str], version: FromPath[str]) -> RolloutView:
    """Have a version as any other again."""
    return _changed(request, name, lambda rollouts: rollouts.take_back_yank(name, version), version)


@get(
    "/tasks/{name:str}/diff",
    sync_to_thread=True,
    **route(Permission.READ, "task.diff", "not-found"),
)
def diff_versions(
    request: AnyRequest,
    name: FromPath[str],
    old: Annotated[str, QueryParameter(description="A published version.")],
    new: Annotated[str, QueryParameter(description="Another one.")],
) -> DiffView:
    """What is different between two versions of a task, and whether it breaks who uses it."""
    found = tuple(map(ChangeView.of, client_of(request).rollouts.diff(name, old, new)))
    return DiffView(name, old, new, any(each.breaking for each in found), found)


def _changed(
    request: AnyRequest, task: str, change: Callable[[Rollouts], object], said: str = ""
) -> RolloutView:
    rollouts = client_of(request).rollouts
    change(rollouts)
    record(request, task, note=said)
    return RolloutView.of(task, *rollouts.versions(task))


ROUTES = (
    show_rollout,
    roll_out,
    roll_back,
    pin_version,
    let_go,
    yank_version,
    take_back_yank,
    diff_versions,
)
