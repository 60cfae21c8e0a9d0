"""What the dashboard asks over HTTP, as it asks the stores on this machine.

Each question costs the server what it costs there: a few queries, each served by an index. The
documents are the models of the platform, which other programs are not promised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import attrs
from anyio.to_thread import run_sync
from litestar import Request, Response, get, post
from litestar.params import FromPath, FromQuery, QueryParameter

from taskmgr_core import documents
from taskmgr_core.accounts.policy import Permission
from taskmgr_core.api.access import client_of
from taskmgr_core.api.bodies import json_body
from taskmgr_core.api.describing import route
from taskmgr_core.api.models.dashboard import (
    FoundRuns,
    KnownTimes,
    LatestSteps,
    Lines,
    RunMark,
    Runs,
    SeenPicture,
    SeenWorker,
    SeenWorkers,
    Served,
    Services,
    Versions,
)
from taskmgr_core.api.routes.lineage import Digest
from taskmgr_core.api.routes.runs import RUN_ID
from taskmgr_core.attending import tasks
from taskmgr_core.health import ServiceHealth
from taskmgr_core.specs import RunStatus
from taskmgr_core.watching import LATEST_RUNS, LOG_PAGE, LocalWatcher

AnyRequest = Request[Any, Any, Any]
Answer = Response[Any]
Before = Annotated[
    str | None, QueryParameter(pattern=RUN_ID, description="Only runs with smaller ids.")
]
Limit = Annotated[int, QueryParameter(ge=1, le=1000)]


def _watcher(request: AnyRequest) -> LocalWatcher:
    return LocalWatcher(client_of(request), request.app.state["health"])


def _told(document: Any) -> Answer:
    return Response(documents.dumps(document).encode(), media_type="application/json")


@get("/dashboard/picture", sync_to_thread=True, **route(Permission.READ, "dashboard.picture"))
def show_picture(request: AnyRequest) -> Answer:
    """Workers, queues and counts as they are now."""
    return _told(SeenPicture.of(_watcher(request).picture()))


@get("/dashboard/services", **route(Permission.READ, "dashboard.services"))
async def show_services(request: AnyRequest) -> Answer:
    """How each service of the platform is; it may take seconds."""
    look: Callable[[], list[ServiceHealth]] = request.app.state["health"]
    # Their addresses are for operators of the machines.
    found = [attrs.evolve(each, address="", advice="") for each in await run_sync(look)]
    return _told(Services(tuple(found)))


@post(
    "/dashboard/times",
    status_code=200,
    **route(Permission.READ, "dashboard.times", "invalid-value", body=KnownTimes),
)
async def read_times(request: AnyRequest) -> Answer:
    """When the steps of the newest runs became ready, began and ended, without what is known."""
    asked = await json_body(request, KnownTimes) if await request.body() else KnownTimes()
    read = client_of(request).metadata.latest_times
    return _told(LatestSteps(tuple(await run_sync(read, LATEST_RUNS, asked.runs[:LATEST_RUNS]))))


@get("/dashboard/runs", sync_to_thread=True, **route(Permission.READ, "dashboard.runs"))
def page_of_runs(
    request: AnyRequest,
    status: FromQuery[RunStatus | None] = None,
    name: FromQuery[str | None] = None,
    before: Before = None,
    text: Annotated[
        str | None, QueryParameter(description="Only runs with it in an input.")
    ] = None,
    limit: Limit = 50,
) -> Answer:
    """A page of runs, newest first."""
    watcher = _watcher(request)
    if text is None:
        found = watcher.runs(status=status, name=name, before=before, limit=limit)
        return _told(Runs(tuple(found)))
    return _told(
        FoundRuns.of(watcher.with_input(text, status=status, name=name, before=before, limit=limit))
    )


@get(
    "/dashboard/runs/{run:str}",
    sync_to_thread=True,
    **route(Permission.READ, "dashboard.run", "not-found"),
)
def whole_run(request: AnyRequest, run: FromPath[str]) -> Answer:
    """Everything that is recorded of a run but its log."""
    return _told(_watcher(request).run(run))


@get(
    "/dashboard/runs/{run:str}/mark",
    sync_to_thread=True,
    **route(Permission.READ, "dashboard.mark", "not-found"),
)
def mark_of_run(
    request: AnyRequest,
    run: FromPath[str],
    after: Annotated[int, QueryParameter(ge=0, le=2**53)] = 0,
) -> Answer:
    """Whether a run has changed: two small queries, where the whole run may be large."""
    metadata = client_of(request).metadata
    found = metadata.summary(run)
    return _told(RunMark(found, bool(metadata.log(found.id, after, 1))))


@get(
    "/dashboard/runs/{run:str}/log",
    sync_to_thread=True,
    **route(Permission.READ, "dashboard.log", "not-found"),
)
def lines_of_run(
    request: AnyRequest,
    run: FromPath[str],
    after: Annotated[int, QueryParameter(ge=0, le=2**53)] = 0,
) -> Answer:
    """The next lines of a run's log."""
    metadata = client_of(request).metadata
    found = metadata.summary(run)
    return _told(Lines(tuple(metadata.log(found.id, after, LOG_PAGE))))


@get(
    "/dashboard/runs/{run:str}/served",
    sync_to_thread=True,
    **route(Permission.READ, "dashboard.served", "not-found"),
)
def is_served(request: AnyRequest, run: FromPath[str]) -> Answer:
    """Whether living workers take each step of a run; if not, it waits for one."""
    client = client_of(request)
    return _told(Served(tasks.served(client, client.metadata.run(run).graph)))


@get("/dashboard/workers", sync_to_thread=True, **route(Permission.READ, "dashboard.workers"))
def seen_workers(request: AnyRequest) -> Answer:
    """Every worker that has not said that it stopped."""
    return _told(SeenWorkers(tuple(SeenWorker(*each) for each in _watcher(request).workers())))


@get("/dashboard/tasks", sync_to_thread=True, **route(Permission.READ, "dashboard.tasks"))
def whole_tasks(request: AnyRequest) -> Answer:
    """Every task in the version that new runs get."""
    return _told(Versions(tuple(client_of(request).tasks())))


@get(
    "/dashboard/tasks/{name:str}",
    sync_to_thread=True,
    **route(Permission.READ, "dashboard.task", "not-found"),
)
def whole_task(request: AnyRequest, name: FromPath[str]) -> Answer:
    """A task: its versions and who gets them, its latest runs."""
    return _told(tasks.look(client_of(request), name))


@get(
    "/dashboard/tasks/{name:str}/version",
    sync_to_thread=True,
    **route(Permission.READ, "dashboard.version", "not-found"),
)
def whole_version(
    request: AnyRequest, name: FromPath[str], version: FromQuery[str | None] = None
) -> Answer:
    """A version of a task, or the one that new runs get."""
    return _told(client_of(request).metadata.version(name, version))


@get(
    "/dashboard/lineage/{digest:str}",
    sync_to_thread=True,
    **route(Permission.READ, "dashboard.lineage", "not-found", "invalid-value"),
)
def whole_trace(
    request: AnyRequest,
    digest: Digest,
    cursor: Annotated[
        str | None, QueryParameter(description="The `next` of one direction: its next page alone.")
    ] = None,
) -> Answer:
    """What a value came from and led to, over all runs."""
    watcher = _watcher(request)
    if cursor is not None:
        return _told(watcher.trace_further(cursor))
    return _told(watcher.trace(digest))


ROUTES = (
    show_picture,
    show_services,
    read_times,
    page_of_runs,
    whole_run,
    mark_of_run,
    lines_of_run,
    is_served,
    seen_workers,
    whole_tasks,
    whole_task,
    whole_version,
    whole_trace,
)
