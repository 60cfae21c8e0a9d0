"""A part of a server for one test: a database, a bucket or a prefix of keys, empty at first."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
from minio.deleteobjects import DeleteObject

from servers import mongodb_server, redis_server, s3_server
from servers.errors import ServerError
from servers.server import Server

_GIVEN_DATABASES = 16  # as many as a Redis has that nobody has told otherwise


@attrs.frozen
class Share:
    """A part of a server.

    Attributes:
        server: whose.
        name: the database's or bucket's name; for Redis what keys have to begin with.
        url: the server's address with this database or bucket.
    """

    server: Server
    name: str
    url: str = attrs.field(repr=False)


def _new_name() -> str:
    return f"t-{secrets.token_hex(8)}"


@contextmanager
def redis_share(server: Server) -> Iterator[Share]:
    """A prefix of keys, in a database of its own where the server is ours."""
    share = Share(server, f"{_new_name()}:", _own_database(server) if server.ours else server.url)
    try:
        yield share
    finally:
        with redis_server.connected(share.url) as client:
            if server.ours:
                client.flushdb()
            else:
                for key in client.scan_iter(match=f"{share.name}*"):
                    client.delete(key)


@contextmanager
def redis_database(server: Server) -> Iterator[Share]:
    """A whole database, for who cannot be given a prefix; of a given server an empty one.

    Raises:
        ServerError: a given server has no empty one.
    """
    if server.ours:
        with redis_share(server) as share:
            yield share
        return
    url = _taken_database(server)
    try:
        yield Share(server, "", url)
    finally:
        with redis_server.connected(url) as client:
            client.flushdb()


def _taken_database(server: Server) -> str:
    """The address of an empty database, which from now on is not empty any more."""
    for number in range(1, _GIVEN_DATABASES):
        url = server.url_for(str(number))
        with redis_server.connected(url) as client:
            if client.dbsize() == 0 and client.setnx("taskmgr-test", "in use"):
                return url
    raise ServerError(
        f"the given Redis has no empty database among 1 to {_GIVEN_DATABASES - 1}; empty one, "
        "or unset TASKMGR_TEST_REDIS_URL to use a server that is started for you"
    )


def _own_database(server: Server) -> str:
    with redis_server.connected(server.url) as client:
        number = int(client.incr("taskmgr-test-shares"))
    return server.url_for(str(number % (redis_server.DATABASES - 1) + 1))


@contextmanager
def mongodb_share(server: Server) -> Iterator[Share]:
    """A database."""
    name = _new_name()
    try:
        yield Share(server, name, server.url_for(name))
    finally:
        with mongodb_server.connected(server.url) as client:
            client.drop_database(name)


@contextmanager
def s3_share(server: Server) -> Iterator[Share]:
    """A bucket, which is not made yet."""
    name = _new_name()
    try:
        yield Share(server, name, server.url_for(name))
    finally:
        _remove_bucket(server, name)


def _remove_bucket(server: Server, name: str) -> None:
    client = s3_server.connected(server.url)
    if client.bucket_exists(name):
        found = (each.object_name for each in client.list_objects(name, recursive=True))
        doomed = [DeleteObject(each) for each in found if each]
        for error in client.remove_objects(name, doomed):
            raise OSError(f"{name} cannot be cleared: {error}")
        client.remove_bucket(name)
