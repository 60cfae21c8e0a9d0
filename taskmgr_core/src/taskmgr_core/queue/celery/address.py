"""The broker: its address, the names of its lists, its errors as ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

from taskmgr_core.errors import QueueError, SettingsError

PRIORITIES = 10
# The transport's own. With another one Flower and `celery inspect`, which are told of none,
# could not read what workers write, nor workers what those write.
SEPARATOR = "\x06\x16"
CONNECT_SECONDS = 5.0
SENT_AT = "sent_at"
# Who waits for no run in particular.
EVERYBODY = ""
SCHEMES = ("redis", "rediss")


def check_address(url: str) -> None:
    """Refuse what is no Redis server's address.

    Raises:
        SettingsError: the URL cannot be used.
    """
    if urlsplit(url).scheme not in SCHEMES:
        raise SettingsError(
            f"{place_of(url)} is no address of a Redis server; as in redis://:password@host:6379/0"
        )


def place_of(url: str) -> str:
    """A server's address without user and password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def broker_priority(priority: int) -> int:
    """Our priorities count up to the most urgent, the transport's down."""
    return PRIORITIES - 1 - priority


def list_key(queue: str, priority: int) -> str:
    """The key of the list in which messages of that queue and priority (ours) wait."""
    number = broker_priority(priority)
    return f"{queue}{SEPARATOR}{number}" if number else queue


@contextlib.contextmanager
def translated(place: str) -> Iterator[None]:
    """Our errors for those of the broker; none of them shows a password."""
    from redis.exceptions import RedisError  # its client is slow to import

    try:
        yield
    except (RedisError, OSError) as error:
        raise QueueError(
            f"the broker {place} cannot be used ({str(error)[:300]}); start it, "
            "or correct TASKMGR_BROKER_URL"
        ) from error
