"""The web page and the API as one application."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from litestar.types import ASGIApp, ControllerRouterHandler


def routes() -> list[ControllerRouterHandler]:
    """What ``make_application`` of the API serves beside its own routes."""
    from taskmgr_core.web.routes import page_routes

    return [page_routes()]


def with_cookies(application: ASGIApp) -> ASGIApp:
    """An application to which browsers show their token in a cookie."""
    from taskmgr_core.web.sessions import CookieTokens

    return CookieTokens(application)
