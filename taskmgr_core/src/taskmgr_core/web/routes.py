"""The addresses of the web page."""

from __future__ import annotations

import time
from typing import Annotated, Any
from urllib.parse import quote

from litestar import Request, Response, get, post
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Redirect
from litestar.router import Router
from litestar.types import ExceptionHandlersMap

from taskmgr_core.accounts.policy import Permission
from taskmgr_core.api.access import PUBLIC, Access, client_of, guard, needs, principal_of
from taskmgr_core.api.problems import KINDS, kind_of, problem_of
from taskmgr_core.errors import AuthenticationError
from taskmgr_core.monitoring import take
from taskmgr_core.report.html import told_of
from taskmgr_core.specs import RunStatus
from taskmgr_core.web import pages, views
from taskmgr_core.web.sessions import login_cookie, may_speak

AnyRequest = Request[Any, Any, Any]
HTML = "text/html; charset=utf-8"
# No script but ours, nothing from elsewhere; SVG and the report colour by style attributes.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' "
    "data: blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_FORM_BYTES = 4096
_RUN_ID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
Cursor = Annotated[str | None, QueryParameter(max_length=1_500_000)]


def _page(request: AnyRequest, template: str, place: str, **context: Any) -> Response[str]:
    access: Access = request.app.state["access"]
    accounts = access.accounts is not None
    page = pages.render(
        template,
        place=place,
        who=principal_of(request).name if accounts else "",
        workspace=principal_of(request).workspace if accounts else "",
        may_run=not accounts or principal_of(request).may(Permission.RUN),
        **context,
    )
    return Response(page, media_type=HTML, headers=HEADERS)


@get("/", opt=needs(PUBLIC, "page.home"))
async def home() -> Redirect:
    """The list of runs."""
    return Redirect("/runs")


@get("/runs", sync_to_thread=True, opt=needs(Permission.READ, "page.runs"))
def runs_page(
    request: AnyRequest,
    status: FromQuery[RunStatus | None] = None,
    name: FromQuery[str | None] = None,
    before: Annotated[str | None, QueryParameter(pattern=_RUN_ID)] = None,
) -> Response[str]:
    """Runs, newest first."""
    listed = views.run_list(client_of(request), status, name or None, before or "")
    return _page(
        request,
        "runs",
        "runs",
        listed=listed,
        status=status,
        name=name or "",
        before=before,
        statuses=views.STATUSES,
    )


@get("/runs/{run:str}", sync_to_thread=True, opt=needs(Permission.READ, "page.run"))
def run_page(request: AnyRequest, run: FromPath[str]) -> Response[str]:
    """A run: picture, result, graph, timeline, steps, lineage, log."""
    client = client_of(request)
    detail = client.detail(run)
    shown = told_of(detail, client.artifacts.local_path)
    return _page(request, "run", "runs", linked=True, **shown)


@get("/runs/{run:str}/sections", sync_to_thread=True, opt=needs(Permission.READ, "page.run"))
def run_sections(request: AnyRequest, run: FromPath[str]) -> Response[str]:
    """The part of a run's page that changes while it runs."""
    client = client_of(request)
    detail = client.detail(run)
    shown = told_of(detail, client.artifacts.local_path)
    return _page(request, "live", "runs", linked=True, **shown)


@get("/lineage/{digest:str}", sync_to_thread=True, opt=needs(Permission.READ, "page.lineage"))
def lineage_page(
    request: AnyRequest, digest: FromPath[str], cursor: Cursor = None
) -> Response[str]:
    """What a value came from, and what came of it."""
    whole, ways = views.ways_of(client_of(request), digest, cursor)
    return _page(request, "lineage", "runs", digest=whole, ways=ways, further=cursor is not None)


@get("/tasks", sync_to_thread=True, opt=needs(Permission.READ, "page.tasks"))
def tasks_page(request: AnyRequest) -> Response[str]:
    """Pipelines and tasks."""
    client = client_of(request)
    return _page(request, "tasks", "tasks", pipelines=client.pipelines(), tasks=client.tasks())


@get("/tasks/{name:str}", sync_to_thread=True, opt=needs(Permission.READ, "page.task"))
def task_page(
    request: AnyRequest, name: FromPath[str], version: FromQuery[str | None] = None
) -> Response[str]:
    """A task, with a form to try it."""
    form = views.form_of_task(client_of(request), name, version or None)
    return _page(request, "form", "tasks", form=form)


@get("/pipelines/{name:str}", sync_to_thread=True, opt=needs(Permission.READ, "page.pipeline"))
def pipeline_page(request: AnyRequest, name: FromPath[str]) -> Response[str]:
    """A pipeline, with a form to run it."""
    return _page(request, "form", "tasks", form=views.form_of_pipeline(client_of(request), name))


@get("/workers", sync_to_thread=True, opt=needs(Permission.READ, "page.workers"))
def workers_page(request: AnyRequest) -> Response[str]:
    """Queues and workers."""
    client = client_of(request)
    seen = take(client.metadata, client.queue, client.lost_after)
    return _page(request, "workers", "workers", seen=seen, now=time.time())


@get("/login", opt=needs(PUBLIC, "page.login"))
async def login_page(to: FromQuery[str] = "/runs") -> Response[str]:
    """A field for a token."""
    return _login(_own(to))


def _login(to: str, problem: str = "", status: int = 200) -> Response[str]:
    page = pages.render(
        "login", place="", who="", workspace="", may_run=False, to=to, problem=problem
    )
    return Response(page, media_type=HTML, headers=HEADERS, status_code=status)


@post("/login", status_code=200, opt=needs(PUBLIC, "page.login"))
async def login(request: AnyRequest) -> Response[Any]:
    """Keep a token, if it is one."""
    access: Access = request.app.state["access"]
    headers = [(name.lower(), value) for name, value in request.scope["headers"]]
    if access.accounts is None or not may_speak("POST", headers):
        return Redirect("/runs", status_code=303)
    given = await request.form()
    token, to = str(given.get("token", "")).strip(), _own(str(given.get("to", "")))
    where = request.client.host if request.client else ""
    try:
        access.accounts.authenticate(token, where)
    except AuthenticationError as error:
        return _login(to, str(error), 401)
    secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
    cookie = {"Set-Cookie": login_cookie(token, secure=secure)}
    return Redirect(to, status_code=303, headers=cookie)


@post("/logout", status_code=303, opt=needs(PUBLIC, "page.logout"))
async def logout() -> Redirect:
    """Forget the token."""
    return Redirect(
        "/login", status_code=303, headers={"Set-Cookie": login_cookie("", secure=False)}
    )


@get("/assets/{mark:str}/{name:str}", opt=needs(PUBLIC, "page.asset"))
async def asset(mark: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """A script or style; its address is another when its content is."""
    if name not in pages.TYPES or pages.asset_address(name) != f"/assets/{mark}/{name}":
        raise HTTPException(status_code=404, detail="there is no such file")
    kept = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(pages.asset(name), media_type=pages.TYPES[name], headers=kept)


ROUTES: tuple[HTTPRouteHandler, ...] = (
    home, runs_page, run_page, run_sections, lineage_page, tasks_page, task_page, pipeline_page,
    workers_page, login_page, login, logout, asset,
)  # fmt: skip


def page_routes() -> Router:
    """Every address of the web page."""
    return Router(
        "/", route_handlers=ROUTES, guards=[guard], exception_handlers=_handlers(),
        include_in_schema=False,
    )  # fmt: skip


def _handlers() -> ExceptionHandlersMap:
    return {Exception: _answered, HTTPException: _answered}


def _answered(request: AnyRequest, error: Exception) -> Response[Any]:
    """The page of an error; who has not said who they are is asked."""
    if isinstance(error, AuthenticationError):
        to = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return Redirect(f"/login?to={quote(to)}", status_code=303)
    view = problem_of(request, error)
    page = pages.render(
        "error", place="", who="", workspace="", may_run=False, problem=view,
        status=KINDS[kind_of(error)].status,
    )  # fmt: skip
    return Response(page, media_type=HTML, headers=HEADERS, status_code=view.status)


def _own(to: str) -> str:
    """An address of ours; the list of runs for any other."""
    ours = to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable()
    return to if ours else "/runs"
