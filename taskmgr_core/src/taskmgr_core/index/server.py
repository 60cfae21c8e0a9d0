"""The index over HTTP: the address that it listens at, and the server's life."""

from __future__ import annotations

import functools
import ipaddress
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs

from taskmgr_core.errors import SettingsError

if TYPE_CHECKING:
    from taskmgr_core.index.catalogue import Catalogue
    from taskmgr_core.index.tokens import Token

END_SECONDS = 5

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {
        "uvicorn.error": {"level": "WARNING", "handlers": ["stderr"], "propagate": False},
        "uvicorn.access": {"level": "INFO", "handlers": ["stderr"], "propagate": False},
        "taskmgr_core": {"level": "WARNING", "handlers": ["stderr"], "propagate": False},
    },
}


@attrs.frozen
class Listening:
    """A socket that clients can come to.

    Attributes:
        socket: listening.
        url: of what is served, as a client gives it.
    """

    socket: socket.socket
    url: str


@contextmanager
def listening(
    host: str, port: int, *, behind_tls: bool = False, path: str = "/simple/"
) -> Iterator[Listening]:
    """Take an address.

    Arguments:
        host: a name or address of this machine.
        port: 0 for a free one.
        behind_tls: whether something before it speaks TLS with the clients.
        path: of what is served there.

    Raises:
        SettingsError: it is taken, is none of this machine, or other machines would
            reach it and send the token for everybody to read.
    """
    if not behind_tls and not is_loopback(host):
        raise SettingsError(
            f"--host {host}: other machines could reach it, and the token would go over the "
            "network for everybody to read. Put a proxy that speaks TLS before it (Caddy, nginx, "
            "Traefik), on this machine with --host 127.0.0.1; where the proxy is on another "
            "machine or in another container, say --behind-tls as well"
        )
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        opened = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise SettingsError(
            f"--host {host} --port {port}: {error.strerror or error}; "
            "give another --port, 0 for one that is free"
        ) from error
    with opened:
        # Connections inherit it; asyncio, which sets it by itself, knows them not by a socket
        # that was made elsewhere, and an answer of two parts would wait 40 ms for the second.
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = f"[{host}]" if ":" in host else host
        yield Listening(opened, f"http://{name}:{opened.getsockname()[1]}{path}")


@functools.lru_cache(64)  # every request is asked for whom it is
def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def checked_upstream(url: str) -> str:
    """The address of another index.

    Raises:
        SettingsError: it is no address of the web, or has a password, which every client
            would be told.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(
            f"--upstream {url!r}: allowed is the address of a simple index, as "
            "https://index.example/simple"
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingsError(
            f"--upstream: the address at {parts.hostname} must have no user, password, ? or #: "
            "clients are sent there with it; they give their own password by netrc or keyring"
        )
    return url.rstrip("/")


def serve(
    catalogue: Catalogue,
    token: Token,
    place: Listening,
    upstream: str = "",
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGINT or SIGTERM; downloads that have begun get some seconds to end.

    Arguments:
        catalogue: what is served.
        token: what a client has to show.
        place: where.
        upstream: as ``checked_upstream`` gives it.
        on_ready: called when a signal would end it cleanly, before the first answer.
    """
    # Slow to import, and only this needs them.
    import uvicorn

    from taskmgr_core.index.application import make_application

    server = uvicorn.Server(
        uvicorn.Config(
            make_application(catalogue, token, upstream),
            log_config=LOGGING,
            server_header=False,
            date_header=True,
            timeout_graceful_shutdown=END_SECONDS,
            lifespan="off",
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
