"""The MongoDB protocol: ``mongod`` where there is one, else SecantusDB.

SecantusDB runs in its own process and is never imported. The path with ``mongod`` follows
its manual and was not tried: there was none where this was written.
"""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from servers.child import Command
from servers.ports import HOST
from servers.programs import beside_python, on_path, unavailable
from servers.server import Recipe, Server, launch
from servers.site import Account, Site, write_private

VARIABLE = "TASKMGR_TEST_MONGODB_URL"
_MILLISECONDS = 2000
_REPLICA_SET = "taskmgr"  # transactions need one, of one member


def start_mongodb(folder: Path) -> Server:
    """Start a server that keeps its data in a folder, and wants an account.

    Raises:
        ServerUnavailableError: there is no program for it.
        ServerError: it does not start.
    """
    marked = folder / "account.made"
    if not marked.exists():
        # An account can only be made while none is asked for.
        with launch(_OPEN_RECIPE, folder) as server:
            _make_account(server.url, Account.of(folder.absolute()))
        marked.touch()
    return launch(RECIPE, folder)


def connected(url: str) -> pymongo.MongoClient[dict[str, Any]]:
    """A client with short timeouts."""
    return pymongo.MongoClient(
        url, serverSelectionTimeoutMS=_MILLISECONDS, connectTimeoutMS=_MILLISECONDS
    )


def _make_account(url: str, account: Account) -> None:
    with connected(url) as client:
        # Stopped between making it and marking it: it is made anew.
        with contextlib.suppress(OperationFailure):
            client.admin.command("dropUser", account.user)
        client.admin.command(
            "createUser",
            account.user,
            pwd=account.password,
            roles=[{"role": "root", "db": "admin"}],
        )


def _configure(site: Site, *, auth: bool) -> Command:
    mongod = on_path("mongod")
    if mongod is not None:
        return Command((mongod, *_mongod_options(site, auth=auth)))
    secantus = beside_python("secantusd-py")
    if secantus is None:
        raise unavailable("MongoDB", "mongod", "SecantusDB", VARIABLE)
    options = (
        *("--host", HOST, "--port", str(site.port), "--storage-path", str(site.data)),
        *("--log-level", "WARNING", "--cache-size", "256M"),
        "--sync-on-commit",  # without it a SIGKILL loses writes that were acknowledged
    )
    return Command((secantus, *options, *(("--auth",) if auth else ())))


def _mongod_options(site: Site, *, auth: bool) -> tuple[str, ...]:
    options = (
        *("--bind_ip", HOST, "--port", str(site.port), "--dbpath", str(site.data)),
        *("--replSet", _REPLICA_SET, "--wiredTigerCacheSizeGB", "0.25", "--quiet"),
    )
    if not auth:
        return options
    key = site.folder / "replica-set.key"
    if not key.exists():
        write_private(key, secrets.token_hex(64))
    return (*options, "--auth", "--keyFile", str(key))


def _url(site: Site) -> str:
    user, password = (quote(each, safe="") for each in attrs.astuple(site.account))
    return (
        f"mongodb://{user}:{password}@{HOST}:{site.port}/taskmgr"
        "?authSource=admin&directConnection=true"
    )


def _open_url(site: Site) -> str:
    return f"mongodb://{HOST}:{site.port}/?directConnection=true"


def _probe(url: str) -> str:
    with connected(url) as client:
        hello = client.admin.command("hello")
        if not hello.get("isWritablePrimary"):
            raise PyMongoError("it is no primary yet")
        return f"MongoDB protocol {client.server_info()['version']}"


def _open_probe(url: str) -> str:
    with connected(url) as client:
        if not client.admin.command("hello").get("isWritablePrimary"):
            with contextlib.suppress(OperationFailure):  # it was done before
                _initiate(client)
    return _probe(url)


def _initiate(client: pymongo.MongoClient[dict[str, Any]]) -> None:
    member = {"_id": 0, "host": "{}:{}".format(*(client.address or (HOST, 0)))}
    client.admin.command("replSetInitiate", {"_id": _REPLICA_SET, "members": [member]})


RECIPE = Recipe(
    "MongoDB", 1, lambda site: _configure(site, auth=True), _url, _probe, (PyMongoError, OSError)
)
_OPEN_RECIPE = attrs.evolve(
    RECIPE, configure=lambda site: _configure(site, auth=False), url=_open_url, probe=_open_probe
)
