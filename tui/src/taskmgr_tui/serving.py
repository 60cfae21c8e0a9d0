"""The dashboard in a browser: textual-serve's terminal, behind a token.

Each window has a process of its own, which ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import attrs
import textual_serve
from aiohttp import web
from textual_serve.app_service import AppService
from textual_serve.server import Server, to_int

from taskmgr_tui.gate import HEADERS, Gate, Handler

MOST_WINDOWS = 16
END_SECONDS = 5.0
FULL = f"{MOST_WINDOWS} windows of this dashboard are open; close one.\n"
STATIC = Path(textual_serve.__file__).parent / "static"
PAGE = Path(__file__).parent / "page.html"


class Window(AppService):
    """The process of one window; one that does not end when it is asked to is killed."""

    async def stop(self) -> None:
        """End it, and wait for that; safe to call again."""
        process = self._process
        if process is None:
            return
        with contextlib.suppress(TimeoutError, ConnectionError):
            await asyncio.wait_for(super().stop(), END_SECONDS)
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), END_SECONDS)
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


class Windows(Server):
    """Opens a window for each browser that comes.

    Arguments:
        command: what a window runs.
    """

    def __init__(self, command: Sequence[str]) -> None:
        # The shell that textual-serve starts becomes the program: a signal reaches it.
        super().__init__(f"exec {shlex.join(command)}", title="taskmgr top")
        self.open: set[web.WebSocketResponse] = set()

    async def page(self, _: web.Request) -> web.StreamResponse:
        """The page with the terminal."""
        return web.FileResponse(PAGE)

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """A window, for as long as its browser is there."""
        if len(self.open) >= MOST_WINDOWS:
            raise web.HTTPServiceUnavailable(text=FULL)
        websocket = web.WebSocketResponse(heartbeat=15)
        await websocket.prepare(request)
        window = Window(
            self.command,
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=_closing(websocket),
            download_manager=self.download_manager,
        )
        self.open.add(websocket)
        try:
            size = [to_int(request.query.get(name, ""), 0) for name in ("width", "height")]
            await window.start(size[0] or 80, size[1] or 24)
            await self._process_messages(websocket, window)
        finally:
            self.open.discard(websocket)
            await window.stop()
        return websocket

    async def close_all(self) -> None:
        """Close every window."""
        for each in [*self.open]:
            await each.close()


def _closing(websocket: web.WebSocketResponse) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        await websocket.close()

    return close


@attrs.frozen
class Serving:
    """A dashboard that browsers open.

    Attributes:
        gate: lets them in.
        command: what each window runs.
    """

    gate: Gate
    command: Sequence[str]

    def application(self, windows: Windows) -> web.Application:
        """Pages, files and windows, all behind the gate."""

        @web.middleware
        async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
            answer = await self.gate.admit(request, handler)
            if not answer.prepared:
                answer.headers.update(HEADERS)
            return answer

        application = web.Application(middlewares=[admit])
        application.add_routes(
            [
                web.get("/", windows.page),
                web.get("/ws", windows.handle_websocket),
                web.get("/download/{key}", windows.handle_download),
                web.static("/static", STATIC),
            ]
        )
        return application

    def run(self, place: socket.socket, on_ready: Callable[[], object]) -> None:
        """Serve until SIGINT or SIGTERM; every window is closed then.

        Arguments:
            place: listening.
            on_ready: called when requests are answered, and a signal would end it cleanly.
        """
        asyncio.run(self._serve(place, on_ready))

    async def _serve(self, place: socket.socket, on_ready: Callable[[], object]) -> None:
        windows, ended = Windows(self.command), asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        runner = web.AppRunner(self.application(windows), shutdown_timeout=END_SECONDS)
        await runner.setup()
        try:
            await web.SockSite(runner, place).start()
            on_ready()
            await ended.wait()
        finally:
            await windows.close_all()
            await runner.cleanup()
