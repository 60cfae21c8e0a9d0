"""Every kind of server: how one is started, given, and shared by tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType

import attrs

from servers import mongodb_server, redis_server, s3_server
from servers.server import Recipe, Server, given
from servers.shares import Share, mongodb_share, redis_share, s3_share


@attrs.frozen
class Kind:
    """A kind of server.

    Attributes:
        variable: the environment variable for the address of one that is there already.
        start: starts one that keeps its data in a folder.
        recipe: how one that is there already is asked whether it answers.
        share: gives a part of one, which is removed afterwards.
    """

    variable: str
    start: Callable[[Path], Server]
    recipe: Recipe
    share: Callable[[Server], AbstractContextManager[Share]]


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "redis": Kind(
            redis_server.VARIABLE, redis_server.start_redis, redis_server.RECIPE, redis_share
        ),
        "mongodb": Kind(
            mongodb_server.VARIABLE,
            mongodb_server.start_mongodb,
            mongodb_server.RECIPE,
            mongodb_share,
        ),
        "s3": Kind(s3_server.VARIABLE, s3_server.start_s3, s3_server.GIVEN, s3_share),
    }
)


def open_server(kind: str, folder: Path, environment: Mapping[str, str]) -> Server:
    """The server whose address is given in the environment, or one that is started.

    Arguments:
        kind: a key of ``KINDS``.
        folder: for the data of one that is started.
        environment: where the variables are looked up.

    Raises:
        ServerUnavailableError: there is neither an address nor a program.
        ServerError: it does not answer or does not start.
    """
    known = KINDS[kind]
    if url := environment.get(known.variable):
        return given(known.recipe.name, known.variable, url, known.recipe)
    return known.start(folder)
