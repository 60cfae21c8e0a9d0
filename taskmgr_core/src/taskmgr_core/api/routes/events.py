"""Logs and events of runs, as pages and as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from anyio.to_thread import run_sync
from litestar import Request, get
from litestar.params import FromPath, HeaderParameter, QueryParameter
from litestar.response import Stream

from taskmgr_core.accounts.policy import Permission
from taskmgr_core.api.access import client_of
from taskmgr_core.api.changes import Changes
from taskmgr_core.api.describing import route
from taskmgr_core.api.limits import Limits
from taskmgr_core.api.models.runs import LogLineView, LogPage
from taskmgr_core.api.problems import RequestError

AnyRequest = Request[Any, Any, Any]
EVENTS = "text/event-stream"
MOST_NUMBER = 2**53
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@get(
    "/runs/{run:str}/logs",
    sync_to_thread=True,
    **route(Permission.READ, "run.logs", "not-found"),
)
def run_logs(
    request: AnyRequest,
    run: FromPath[str],
    after: Annotated[
        int, QueryParameter(ge=0, le=MOST_NUMBER, description="Only lines with greater numbers.")
    ] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 1000,
) -> LogPage:
    """What the tasks of a run have written so far."""
    client = client_of(request)
    found = client.metadata.log(client.metadata.summary(run).id, after, limit)
    lines = tuple(map(LogLineView.of, found))
    return LogPage(lines, lines[-1].number if len(lines) == limit else None)


@get(
    "/runs/{run:str}/events",
    media_type=EVENTS,
    **route(Permission.READ, "run.events", "not-found", "busy"),
)
async def run_events(
    request: AnyRequest,
    run: FromPath[str],
    logs: Annotated[
        bool, QueryParameter(description="Whether lines of the log are wanted.")
    ] = True,
    after: Annotated[
        int, QueryParameter(ge=0, le=MOST_NUMBER, description="Only lines with greater numbers.")
    ] = 0,
    last_event_id: Annotated[
        str | None,
        HeaderParameter(
            name="Last-Event-ID",
            pattern="^[0-9]{1,15}$",
            description="The number of the last line that was received, as browsers send it.",
        ),
    ] = None,
) -> Stream:
    """Follow a run until it ends: `log` for each line, `run` when it has changed, and `end`.

    Server-sent events. The data of `log` is a line as in a page of the log, that of the
    others is the run as in the list of runs.
    """
    limits: Limits = request.app.state["limits"]
    client = client_of(request)
    changes: Changes = request.app.state["watching"](client)
    if changes.streams >= limits.streams:
        raise RequestError(
            "busy", f"{limits.streams} streams are open already; close some, or come later"
        )
    found = await run_sync(client.metadata.summary, run)
    told = changes.follow(found.id, max(after, int(last_event_id or 0)), logs=logs)
    return Stream(_begun(told), media_type=EVENTS, headers=_HEADERS)


async def _begun(told: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield b"retry: 2000\n\n"
    async for each in told:
        yield each


ROUTES = (run_logs, run_events)
