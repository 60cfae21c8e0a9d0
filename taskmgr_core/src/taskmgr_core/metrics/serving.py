"""Metrics over HTTP, for a platform without a REST API."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from taskmgr_core.errors import SettingsError, TaskmgrError

PATH = "/metrics"
_PLAIN = "text/plain; charset=utf-8"
# A client that says nothing holds a thread for no longer.
_SOCKET_SECONDS = 10.0

MetricsText = Callable[[str], tuple[bytes, str]]


@contextmanager
def serving(host: str, port: int, text: MetricsText) -> Iterator[str]:
    """Serve metrics while the block goes on; gives the address that they are at.

    Arguments:
        host: a name or address of this machine.
        port: 0 for one that is free.
        text: gives the metrics for a header ``Accept``, and their content type.

    Raises:
        SettingsError: the address is taken, or none of this machine.
    """
    try:
        server = http.server.ThreadingHTTPServer((host, port), _handler(text))
    except OSError as error:
        raise SettingsError(
            f"--host {host} --serve {port}: {error.strerror or error}; "
            "give another port, 0 for one that is free"
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}{PATH}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(text: MetricsText) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        """Answers GET of one path."""

        timeout = _SOCKET_SECONDS

        def do_GET(self) -> None:
            """The metrics; 503 while the store is away, so that ``up`` is 0."""
            if self.path.partition("?")[0] != PATH:
                self._answer(404, f"there is only {PATH}\n".encode(), _PLAIN)
                return
            try:
                body, kind = text(self.headers.get("Accept", ""))
            except TaskmgrError as error:
                self._answer(503, f"{error}\n".encode(), _PLAIN)
            else:
                self._answer(200, body, kind)

        def log_message(self, *_: object) -> None:
            """Say nothing of each scrape."""

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
