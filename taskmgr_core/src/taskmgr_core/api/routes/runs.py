"""Runs: submitted, listed, shown, cancelled, done again."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from anyio.to_thread import run_sync
from litestar import Request, Response, get, post
from litestar.params import FromPath, FromQuery, HeaderParameter, QueryParameter

from taskmgr_core.accounts.policy import Permission
from taskmgr_core.api.access import client_of, principal_of, record
from taskmgr_core.api.bodies import (
    JSON,
    Upload,
    closed,
    content_type,
    json_body,
    on_disk,
    request_body,
    with_files,
)
from taskmgr_core.api.describing import route
from taskmgr_core.api.idempotency import Key, once
from taskmgr_core.api.models.runs import (
    Again,
    RunDetailView,
    RunPage,
    RunView,
    Submission,
    Submitted,
)
from taskmgr_core.api.together import Submit, Together, is_light
from taskmgr_core.attending import runs as attending
from taskmgr_core.client import Client
from taskmgr_core.errors import ConflictError, InvalidValueError
from taskmgr_core.specs import RunStatus
from taskmgr_core.stores.metadata import RunFilter
from taskmgr_core.submitting import Wanted

AnyRequest = Request[Any, Any, Any]
RUN_ID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
Wait = Annotated[
    float, QueryParameter(ge=0, le=60, description="Seconds to wait for the run to end, at most.")
]


@post(
    "/runs",
    status_code=201,
    **route(
        Permission.RUN, "run.submit", "not-found", "invalid-inputs", "conflict", "busy",
        body=Submission, form=True,
    ),
)  # fmt: skip
async def submit_run(
    request: AnyRequest,
    idempotency_key: Annotated[
        str | None,
        HeaderParameter(
            name="Idempotency-Key",
            min_length=1,
            max_length=200,
            description="A text of the client's own, new for each run: who sends the same "
            "request with it again, within a day, is given the same run.",
        ),
    ] = None,
) -> Response[Submitted]:
    """Submit a run of a pipeline or task: JSON, or a form with the files among its inputs.

    A form has the JSON in its part `request`, and each file in a part that is named as
    its input. Files that are stored already are named by their digest.
    """
    asked, uploads = await request_body(request, Submission)
    if not uploads and content_type(request) == JSON and is_light(await request.body()):
        return _answer(*await _together(request, asked, idempotency_key))
    try:
        run_id, again = await run_sync(
            _submitted, request, asked, uploads, idempotency_key,
            limiter=_submitting(request).threads,
        )  # fmt: skip
    finally:
        await closed(uploads)
    return _answer(run_id, again)


def _answer(run_id: str, again: bool) -> Response[Submitted]:
    headers = {"Location": f"/v1/runs/{run_id}", **({"Idempotent-Replay": "true"} if again else {})}
    return Response(Submitted(run_id, "running"), status_code=201, headers=headers)


def _submitting(request: AnyRequest) -> Together:
    found: Together = request.app.state["submitting"]
    return found


async def _together(request: AnyRequest, asked: Submission, key: str | None) -> tuple[str, bool]:
    principal = principal_of(request)
    submit = Submit(
        Wanted(asked.name, asked.inputs, asked.version),
        None if key is None else Key.of(principal, key, asked, {}),
        partial(record, request),
    )
    reach = partial(client_of, request)
    return await _submitting(request).submit(principal.workspace, reach, submit)


def _submitted(
    request: AnyRequest, asked: Submission, uploads: tuple[Upload, ...], key: str | None
) -> tuple[str, bool]:
    client = client_of(request)
    with on_disk(uploads) as files:
        given = with_files(asked.inputs, files)
        submit = partial(client.submit, asked.name, given, asked.version)
        if key is None:
            run_id, again = submit(), False
        else:
            run_id, again = once(
                client.metadata, Key.of(principal_of(request), key, asked, files), submit
            )
    if not again:
        record(request, run_id)
    return run_id, again


@get("/runs", sync_to_thread=True, **route(Permission.READ, "run.list"))
def list_runs(
    request: AnyRequest,
    status: FromQuery[RunStatus | None] = None,
    name: Annotated[str | None, QueryParameter(description="Of the pipeline or task.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 50,
    cursor: Annotated[
        str | None, QueryParameter(pattern=RUN_ID, description="The `next` of the page before.")
    ] = None,
) -> RunPage:
    """Runs, newest first."""
    found = client_of(request).runs(RunFilter(status, name, cursor, limit + 1))
    more = len(found) > limit
    views = tuple(map(RunView.of, found[:limit]))
    return RunPage(views, views[-1].run_id if more else None)


@get("/runs/{run:str}", **route(Permission.READ, "run.show", "not-found"))
async def show_run(request: AnyRequest, run: FromPath[str], wait: Wait = 0.0) -> RunDetailView:
    """Everything that is recorded of a run, when it has ended or the time is over."""
    client = client_of(request)
    if wait:
        await request.app.state["watching"](client).ended(run, wait)
    return await run_sync(_shown, client, run)


def _shown(client: Client, run: str) -> RunDetailView:
    return RunDetailView.of(client.detail(run))


@post(
    "/runs/{run:str}/cancel",
    status_code=200,
    sync_to_thread=True,
    **route(Permission.RUN, "run.cancel", "not-found"),
)
def cancel_run(request: AnyRequest, run: FromPath[str]) -> RunView:
    """Ask for a run to be cancelled; durable when it is answered. A run that has ended stays."""
    found = client_of(request).cancel(run)
    record(request, found.id)
    return RunView.of(found)


@post(
    "/runs/{run:str}/retry",
    status_code=201,
    **route(Permission.RUN, "run.retry", "not-found", "conflict", "invalid-value", body=Again),
)
async def retry_run(request: AnyRequest, run: FromPath[str]) -> Response[Submitted]:
    """Do a run that has ended again from where it failed, as a new run."""
    asked = await json_body(request, Again) if await request.body() else Again()
    try:
        run_id = await run_sync(client_of(request).retry, run, asked.step)
    except InvalidValueError as error:  # it goes on, or has nothing to be done again
        raise ConflictError(str(error)) from error
    record(request, run_id, note=f"again: {run}")
    headers = {"Location": f"/v1/runs/{run_id}"}
    return Response(Submitted(run_id, "running"), status_code=201, headers=headers)


@post(
    "/runs/{run:str}/again",
    status_code=201,
    sync_to_thread=True,
    **route(Permission.RUN, "run.again", "not-found", "conflict"),
)
def run_again(request: AnyRequest, run: FromPath[str]) -> Response[Submitted]:
    """Submit a new run of the same with the inputs of a run; it gets the versions of now."""
    try:
        run_id = attending.again(client_of(request), run)
    except InvalidValueError as error:
        raise ConflictError(str(error)) from error
    record(request, run_id, note=f"again: {run}")
    headers = {"Location": f"/v1/runs/{run_id}"}
    return Response(Submitted(run_id, "running"), status_code=201, headers=headers)


ROUTES = (submit_run, list_runs, show_run, cancel_run, retry_run, run_again)
