"""Real servers for pytest, each started when the first test asks for it.

``redis_server``, ``mongodb_server``, ``s3_server``: a part of a server that all tests of
one process share. ``own_redis_server``, ``own_mongodb_server``, ``own_s3_server``: one for
this test alone, which it may kill. Where a server cannot be had, the test is skipped; with
``CI`` set it fails.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# The package, and with it the servers' clients, is loaded when a server is asked for: the
# tests of the author SDK run where there are none.
if TYPE_CHECKING:
    from servers.server import Server
    from servers.shares import Share

_ABSENT = "no server: "
_ENVIRONMENT: pytest.StashKey[Mapping[str, str]] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    """Read the environment, before the tests hide the variables of whoever runs them."""
    config.stash[_ENVIRONMENT] = dict(os.environ)


def environment_of(config: pytest.Config) -> Mapping[str, str]:
    """The environment that the tests were started in."""
    return config.stash[_ENVIRONMENT]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once for each server that is absent how many tests were skipped for it."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = (each.longrepr[2] for each in reports if isinstance(each.longrepr, tuple))
    absent = Counter(each.partition(_ABSENT)[2] for each in reasons if _ABSENT in each)
    for reason, count in absent.items():
        terminalreporter.write_line(f"{count} tests were NOT RUN: {reason}", red=True, bold=True)


def _or_skip(config: pytest.Config, start: Callable[[], Server]) -> Server:
    from servers.errors import ServerUnavailableError

    try:
        return start()
    except ServerUnavailableError as error:
        if config.stash[_ENVIRONMENT].get("CI"):
            pytest.fail(str(error), pytrace=False)
        pytest.skip(f"{_ABSENT}{error}")


def _shared(
    kind: str, request: pytest.FixtureRequest, factory: pytest.TempPathFactory
) -> Iterator[Server]:
    from servers.kinds import open_server

    environment = request.config.stash[_ENVIRONMENT]
    folder = factory.mktemp(kind)
    server = _or_skip(request.config, lambda: open_server(kind, folder, environment))
    with server:
        yield server


def _part(kind: str, server: Server) -> Iterator[Share]:
    from servers.kinds import KINDS

    with KINDS[kind].share(server) as share:
        yield share


def _own(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Server]:
    from servers.kinds import KINDS

    server = _or_skip(request.config, lambda: KINDS[kind].start(folder / f"own-{kind}"))
    with server:
        yield server


@pytest.fixture(scope="session")
def shared_redis_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The Redis of this process."""
    yield from _shared("redis", request, tmp_path_factory)


@pytest.fixture(scope="session")
def shared_mongodb_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The MongoDB of this process."""
    yield from _shared("mongodb", request, tmp_path_factory)


@pytest.fixture(scope="session")
def shared_s3_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The S3 server of this process."""
    yield from _shared("s3", request, tmp_path_factory)


@pytest.fixture
def redis_server(shared_redis_server: Server) -> Iterator[Share]:
    """An empty part of a Redis."""
    yield from _part("redis", shared_redis_server)


@pytest.fixture
def mongodb_server(shared_mongodb_server: Server) -> Iterator[Share]:
    """An empty database."""
    yield from _part("mongodb", shared_mongodb_server)


@pytest.fixture
def s3_server(shared_s3_server: Server) -> Iterator[Share]:
    """A bucket's name that nobody has used."""
    yield from _part("s3", shared_s3_server)


@pytest.fixture
def own_redis_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A Redis for this test alone."""
    yield from _own("redis", request, tmp_path)


@pytest.fixture
def own_mongodb_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A MongoDB for this test alone."""
    yield from _own("mongodb", request, tmp_path)


@pytest.fixture
def own_s3_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """An S3 server for this test alone."""
    yield from _own("s3", request, tmp_path)
