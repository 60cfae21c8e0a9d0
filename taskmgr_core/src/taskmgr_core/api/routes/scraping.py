"""Metrics, where those who ask for them look: outside of the API's own paths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from taskmgr_core.accounts.policy import Permission
from taskmgr_core.api.access import admit, client_of, needs
from taskmgr_core.client import Client

AnyRequest = Request[Any, Any, Any]


def metrics_route(text: Callable[[Client, str], tuple[bytes, str]]) -> HTTPRouteHandler:
    """``/metrics`` for Prometheus, of the workspace of the token that it shows.

    Arguments:
        text: gives the metrics and their content type, for a header ``Accept``.
    """

    @get(
        "/metrics",
        sync_to_thread=True,
        guards=[admit],
        include_in_schema=False,
        opt=needs(Permission.READ, "metrics.read"),
    )
    def read_metrics(request: AnyRequest) -> Response[bytes]:
        """What the platform counts."""
        content, kind = text(client_of(request), request.headers.get("accept", ""))
        return Response(content, headers={"Content-Type": kind}, media_type=kind)

    return read_metrics
