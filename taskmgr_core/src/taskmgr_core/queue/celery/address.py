"""The broker: its address, the names of its lists, its errors as ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

from redis.exceptions import RedisError

from taskmgr_core.errors import QueueError, SettingsError
from taskmgr_core.specs import ReadyStep
from taskmgr_core.specs.resources import as_text, from_text

PRIORITIES = 10
SEPARATOR = ":"
RESOURCES = "+"
CONNECT_SECONDS = 5.0
SENT_AT = "sent_at"
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


def broker_queue(queue: str, needs: str) -> str:
    """The broker's queue of steps with the same needs: others do not wait behind them.

    Arguments:
        queue: the task's.
        needs: resources as text; neither has a ``+`` at its begin.
    """
    return f"{queue}{RESOURCES}{needs}" if needs else queue


def queue_of(step: ReadyStep) -> str:
    """The broker's queue of a step."""
    return broker_queue(step.queue, as_text(step.resources))


def needs_of(broker_queue: str) -> dict[str, int]:
    """The resources that steps of a broker's queue need."""
    return from_text(broker_queue.partition(RESOURCES)[2])


def list_key(queue: str, priority: int) -> str:
    """The key of the list in which messages of that queue and priority (ours) wait."""
    number = broker_priority(priority)
    return f"{queue}{SEPARATOR}{number}" if number else queue


@contextlib.contextmanager
def translated(place: str) -> Iterator[None]:
    """Our errors for those of the broker; none of them shows a password."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise QueueError(
            f"the broker {place} cannot be used ({str(error)[:300]}); start it, "
            "or correct TASKMGR_BROKER_URL"
        ) from error
