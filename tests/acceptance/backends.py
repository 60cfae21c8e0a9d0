"""What the platform runs on: a file and a folder, or a team's servers.

``TASKMGR_TEST_BACKEND=servers`` runs this suite with the metadata in MongoDB, the artifacts
in S3 and Redis between them; each home of a test gets a database, a bucket and a Redis
database of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import attrs

from servers import Server
from servers.services import SETTINGS
from servers.shares import mongodb_share, redis_database, s3_share
from taskmgr_core.settings import load
from taskmgr_core.wiring import Platform

VARIABLE = "TASKMGR_TEST_BACKEND"
EMBEDDED, SERVERS = "embedded", "servers"
WORKERS_ON_SERVERS = 2

_SHARES = MappingProxyType({"redis": redis_database, "mongodb": mongodb_share, "s3": s3_share})


class Backend(Protocol):
    """What the platform runs on."""

    @property
    def name(self) -> str:
        """``embedded`` or ``servers``."""

    @property
    def workers(self) -> int:
        """How many worker processes serve the home that tests share."""

    def place(self, folder: Path) -> AbstractContextManager[Mapping[str, str]]:
        """The settings of an empty platform.

        Arguments:
            folder: empty, for what it needs of this machine meanwhile.
        """


@attrs.frozen
class Embedded:
    """Everything lies in the home."""

    name: str = EMBEDDED
    workers: int = 0

    @contextmanager
    def place(self, folder: Path) -> Iterator[Mapping[str, str]]:
        """No settings at all: another home is another platform."""
        yield {}


@attrs.frozen
class OnServers:
    """A part of three servers for each platform.

    Attributes:
        servers: kind -> the server.
    """

    servers: Mapping[str, Server]
    name: str = SERVERS
    workers: int = WORKERS_ON_SERVERS

    @contextmanager
    def place(self, folder: Path) -> Iterator[Mapping[str, str]]:
        """Addresses with a database or bucket of their own, prepared."""
        with ExitStack() as stack:
            settings = {
                setting: stack.enter_context(_SHARES[kind](self.servers[kind])).url
                for setting, kind in SETTINGS.items()
            }
            _prepare(settings, folder)
            yield settings


def _prepare(settings: Mapping[str, str], folder: Path) -> None:
    """What ``taskmgr init`` does to the servers."""
    platform = Platform(load(settings, folder, folder))
    platform.initialize()
    platform.queue.close()
    platform.metadata.close()
