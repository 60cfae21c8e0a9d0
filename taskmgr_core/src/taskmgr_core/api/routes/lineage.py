"""Which value was made from which."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get
from litestar.params import FromPath, PathParameter, QueryParameter

from taskmgr_core.accounts.policy import Permission
from taskmgr_core.api.access import client_of
from taskmgr_core.api.describing import route
from taskmgr_core.api.models.lineage import DigestLineage, LineagePage, RunLineage
from taskmgr_core.client import TRACE_PAGE, Client
from taskmgr_core.tracing import Page

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[
    int, QueryParameter(ge=1, le=200, description="How many runs at most, in each direction.")
]

Digest = Annotated[
    str,
    PathParameter(
        pattern="^(sha256:)?[0-9a-fA-F]{8,64}$",
        description="Of a value or a file, or the beginning of it.",
    ),
]


@get(
    "/runs/{run:str}/lineage",
    sync_to_thread=True,
    **route(Permission.READ, "lineage.run", "not-found"),
)
def run_lineage(request: AnyRequest, run: FromPath[str]) -> RunLineage:
    """The values of a run and which was made from which."""
    client = client_of(request)
    return RunLineage.of(client.models.lineage().completed(client.detail(run)))


@get(
    "/lineage/{digest:str}",
    sync_to_thread=True,
    **route(Permission.READ, "lineage.digest", "not-found", "invalid-value"),
)
def digest_lineage(
    request: AnyRequest,
    digest: Digest,
    limit: Limit = TRACE_PAGE,
    cursor: Annotated[
        str | None, QueryParameter(description="The `next` of one direction: its next page alone.")
    ] = None,
) -> DigestLineage:
    """What a value or a file came from, and what came of it, over all runs."""
    client = client_of(request)
    if cursor is not None:
        page = client.trace_further(cursor, limit)
        names = _names(client, page)
        found = LineagePage.of(page, names)
        forwards = page.direction == "led_to"
        return DigestLineage(page.digest, None if forwards else found, found if forwards else None)
    traced = client.trace(digest, limit)
    names = _names(client, traced.made_from, traced.led_to)
    return DigestLineage(
        traced.digest,
        LineagePage.of(traced.made_from, names),
        LineagePage.of(traced.led_to, names),
    )


def _names(client: Client, *pages: Page) -> dict[str, str]:
    runs = dict.fromkeys(part.run for page in pages for part in page.parts)
    return {run: client.metadata.summary(run).name for run in runs}


ROUTES = (run_lineage, digest_lineage)
