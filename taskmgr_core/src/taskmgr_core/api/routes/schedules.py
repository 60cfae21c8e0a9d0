"""Schedules: listed, added, paused, removed."""

from __future__ import annotations

import time
from typing import Annotated, Any

from anyio.to_thread import run_sync
from litestar import Request, delete, get, post
from litestar.params import FromPath, QueryParameter

from taskmgr_core.accounts.policy import Permission
from taskmgr_core.api.access import client_of, record
from taskmgr_core.api.bodies import Upload, closed, on_disk, request_body, with_files
from taskmgr_core.api.describing import route
from taskmgr_core.api.models.operating import Removed, ScheduleOrder
from taskmgr_core.api.models.platform import FiringList, FiringView, ScheduleList, ScheduleView
from taskmgr_core.client import Client
from taskmgr_core.schedules.deciding import next_time
from taskmgr_core.schedules.managing import Schedules, moment_in
from taskmgr_core.specs import Schedule

AnyRequest = Request[Any, Any, Any]


@get("/schedules", sync_to_thread=True, **route(Permission.READ, "schedule.list"))
def list_schedules(request: AnyRequest) -> ScheduleList:
    """Every schedule, with its next time and the last that was fired."""
    client = client_of(request)
    return ScheduleList(tuple(_view(client, each) for each in _schedules(client).listing()))


@post(
    "/schedules",
    status_code=201,
    **route(
        Permission.OPERATE, "schedule.add", "not-found", "invalid-inputs", "conflict",
        body=ScheduleOrder, form=True,
    ),
)  # fmt: skip
async def add_schedule(request: AnyRequest) -> ScheduleView:
    """Add a schedule: JSON, or a form with the files among its inputs, as a submission.

    A file is stored now: each run gets it as it is now.
    """
    asked, uploads = await request_body(request, ScheduleOrder)
    try:
        return await run_sync(_added, request, asked, uploads)
    finally:
        await closed(uploads)


def _added(request: AnyRequest, asked: ScheduleOrder, uploads: tuple[Upload, ...]) -> ScheduleView:
    client = client_of(request)
    since = None if asked.since is None else moment_in(asked.since, asked.zone)
    with on_disk(uploads) as files, client.artifacts.files.using():
        made = _schedules(client).add(
            asked.name,
            client.graph(asked.what),
            asked.cron,
            with_files(asked.inputs, files),
            zone=asked.zone,
            catch_up=asked.catch_up,
            since=since,
        )
    record(request, asked.name, note=f"{asked.what} {asked.cron}")
    return _view(client, made)


@post(
    "/schedules/{name:str}/pause",
    status_code=200,
    sync_to_thread=True,
    **route(Permission.OPERATE, "schedule.pause", "not-found", "conflict"),
)
def pause_schedule(request: AnyRequest, name: FromPath[str]) -> ScheduleView:
    """Have a schedule run nothing for now."""
    client = client_of(request)
    found = _schedules(client).pause(name)
    record(request, name)
    return _view(client, found)


@post(
    "/schedules/{name:str}/resume",
    status_code=200,
    sync_to_thread=True,
    **route(Permission.OPERATE, "schedule.resume", "not-found", "conflict"),
)
def resume_schedule(request: AnyRequest, name: FromPath[str]) -> ScheduleView:
    """Have a schedule run again; the times in between were not missed."""
    client = client_of(request)
    found = _schedules(client).resume(name)
    record(request, name)
    return _view(client, found)


@delete(
    "/schedules/{name:str}",
    status_code=200,
    sync_to_thread=True,
    **route(Permission.OPERATE, "schedule.remove", "not-found"),
)
def remove_schedule(request: AnyRequest, name: FromPath[str]) -> Removed:
    """Remove a schedule; its runs stay."""
    _schedules(client_of(request)).remove(name)
    record(request, name)
    return Removed(name)


@get(
    "/schedules/{name:str}/firings",
    sync_to_thread=True,
    **route(Permission.READ, "schedule.firings", "not-found"),
)
def list_firings(
    request: AnyRequest,
    name: FromPath[str],
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 50,
) -> FiringList:
    """What a schedule has fired, the latest time first."""
    found = _schedules(client_of(request)).firings(name, limit)
    return FiringList(tuple(map(FiringView.of, found)))


def _schedules(client: Client) -> Schedules:
    return Schedules(client.metadata.schedules, client.reader)


def _view(client: Client, schedule: Schedule) -> ScheduleView:
    last = next(iter(client.metadata.schedules.firings(schedule.name, 1)), None)
    return ScheduleView.of(schedule, next_time(schedule, time.time()), last)


ROUTES = (
    list_schedules,
    add_schedule,
    pause_schedule,
    resume_schedule,
    remove_schedule,
    list_firings,
)
