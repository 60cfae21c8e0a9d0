"""Workers, queues and health."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from anyio.to_thread import run_sync
from litestar import Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from taskmgr_core.accounts.policy import Permission
from taskmgr_core.api.access import PUBLIC, client_of, record
from taskmgr_core.api.bodies import json_body
from taskmgr_core.api.describing import route
from taskmgr_core.api.models.platform import (
    Alive,
    Leaving,
    QueueList,
    QueueView,
    Ready,
    ServiceView,
    WorkerList,
    WorkerView,
)
from taskmgr_core.attending import workers
from taskmgr_core.health import ServiceHealth
from taskmgr_core.monitoring import take

AnyRequest = Request[Any, Any, Any]


@get("/workers", sync_to_thread=True, **route(Permission.READ, "worker.list"))
def list_workers(request: AnyRequest) -> WorkerList:
    """Every worker that has not said that it stopped, lost ones included."""
    client = client_of(request)
    return WorkerList(tuple(WorkerView.of(each, client.alive(each)) for each in client.workers()))


@post(
    "/workers/{worker:str}/leave",
    status_code=200,
    **route(
        Permission.OPERATE, "worker.leave", "not-found", "conflict", "invalid-value", body=Leaving
    ),
)
async def tell_worker(request: AnyRequest, worker: FromPath[str]) -> WorkerView:
    """Tell a worker to leave: `drain`, it finishes what runs, or `now`, it gives that back."""
    asked = await json_body(request, Leaving)
    return await run_sync(_leave, request, worker, asked.how)


def _leave(request: AnyRequest, worker: str, how: Literal["drain", "now"]) -> WorkerView:
    client = client_of(request)
    meant = workers.tell(client, worker, how)
    record(request, meant.id, note=how)
    return WorkerView.of(meant, client.alive(meant))


@get("/queues", sync_to_thread=True, **route(Permission.READ, "queue.list"))
def list_queues(request: AnyRequest) -> QueueList:
    """What waits where, how many runs go on, and what came of those of the last minute."""
    client = client_of(request)
    seen = take(client.metadata, client.queue, client.lost_after)
    return QueueList(
        tuple(map(QueueView.of, seen.lines)),
        seen.overview.running,
        {str(status): count for status, count in seen.overview.ended.items()},
        "the broker could not be asked" if seen.problem else None,
    )


@get("/health/live", **route(PUBLIC, "health.live"))
async def live() -> Alive:
    """Whether the server answers at all; a server that does not is to be started anew."""
    return Alive()


@get(
    "/health/ready",
    **route(
        PUBLIC, "health.ready", also={503: ResponseSpec(Ready, False, "Something does not answer")}
    ),
)
async def ready(request: AnyRequest) -> Response[Ready]:
    """Whether the stores and the broker answer; 503 where they do not."""
    look: Callable[[], list[ServiceHealth]] = request.app.state["health"]
    found = [each for each in await run_sync(look) if each.service != "workers"]
    well = all(each.state != "fault" for each in found)
    said = Ready("ready" if well else "not ready", tuple(map(ServiceView.of, found)))
    return Response(said, status_code=200 if well else 503)


ROUTES = (list_workers, tell_worker, list_queues, live, ready)
