"""The API over HTTP: who may reach it, and the server's life."""

from __future__ import annotations

import contextlib
import resource
import signal
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

from taskmgr_core.accounts.opening import fault_without_accounts
from taskmgr_core.errors import SettingsError
from taskmgr_core.index.server import END_SECONDS, LOGGING, Listening, is_loopback
from taskmgr_core.settings import Settings

if TYPE_CHECKING:
    from litestar.types import ASGIApp

BACKLOG = 1024


def check_without_accounts(host: str, settings: Settings) -> None:
    """Refuse to let in everybody who comes, where that is more than this machine's own.

    Raises:
        SettingsError: with what to do.
    """
    embedded = not (settings.metadata_url or settings.artifacts_url or settings.broker_url)
    fault = fault_without_accounts(loopback=is_loopback(host), embedded=embedded)
    if fault:
        raise SettingsError(f"--no-accounts --host {host}: {fault}")


def serve(application: ASGIApp, place: Listening, on_ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; answers that have begun get some seconds to end.

    Arguments:
        application: what answers.
        place: where.
        on_ready: called when a signal would end it cleanly, before the first answer.
    """
    # Slow to import, and only this needs them.
    import uvicorn

    from taskmgr_core.api.connections import Connection

    _allow_open_files()
    place.socket.listen(BACKLOG)
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            http=Connection,
            ws="none",
            log_config=LOGGING,
            access_log=False,
            server_header=False,
            date_header=True,
            timeout_graceful_shutdown=END_SECONDS,
            lifespan="on",
        )
    )

    def end(_: int, __: FrameType | None) -> None:
        """Before the server listens to signals itself, and when it passes them on at its end."""
        server.should_exit = True

    before = {each: signal.signal(each, end) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        on_ready()
        server.run(sockets=[place.socket])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _allow_open_files() -> None:
    """As many as this machine allows: each open stream is one."""
    with contextlib.suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
