"""The broker: its address, the names of its lists, its errors as ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from urllib.parse import parse_qsl, urlsplit

from taskmgr_core.addresses import place_of
from taskmgr_core.errors import QueueError, SettingsError, nearest
from taskmgr_core.specs import ReadyStep
from taskmgr_core.specs.resources import as_text, from_text

PRIORITIES = 10
# The transport's own. With another one Flower and `celery inspect`, which are told of none,
# could not read what workers write, nor workers what those write.
SEPARATOR = "\x06\x16"
RESOURCES = "+"
CONNECT_SECONDS = 5.0
SENT_AT = "sent_at"
PASSES = "passes"
# Who waits for no run in particular, and who in this process takes steps of its own runs.
EVERYBODY = ""
TAKERS = "takers"
SCHEMES = ("redis", "rediss")
TLS_OPTIONS = (
    "ssl_ca_certs",
    "ssl_certfile",
    "ssl_keyfile",
    "ssl_cert_reqs",
    "ssl_check_hostname",
)


def check_address(url: str) -> None:
    """Refuse what is no Redis server's address.

    Raises:
        SettingsError: the URL cannot be used; the message has no secret.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its message has what stands where the port should
        usable = False
    if usable:
        _check_options(url, parse_qsl(parts.query, keep_blank_values=True))
    if not usable or "@" in parts.path + parts.query + parts.fragment:
        raise SettingsError(
            f"{place_of(url)} is no address of a Redis server; as in redis://:password@host:6379/0 "
            "(rediss:// for TLS), the characters / : @ ? # % of the password written as "
            "%2F %3A %40 %3F %23 %25"
        )


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


def list_key(queue: str, priority: int, prefix: str = "") -> str:
    """The key of the list in which messages of that queue and priority (ours) wait.

    Arguments:
        queue: the broker's.
        priority: ours.
        prefix: of all keys of one workspace.
    """
    number = broker_priority(priority)
    return f"{prefix}{queue}{SEPARATOR}{number}" if number else prefix + queue


def verified(url: str) -> str:
    """The address, such that the server's certificate is checked where nobody says otherwise.

    Of two clients of the broker that use one address, one checks by itself, the other does not.
    """
    parts = urlsplit(url)
    if parts.scheme != "rediss" or "ssl_cert_reqs" in dict(parse_qsl(parts.query)):
        return url
    return parts._replace(
        query="&".join(filter(None, [parts.query, "ssl_cert_reqs=required"]))
    ).geturl()


def _check_options(url: str, options: Sequence[tuple[str, str]]) -> None:
    """Refuse what would be passed over in silence: a misspelt option of TLS leaves it out."""
    for name, _ in options:
        if name not in TLS_OPTIONS:
            raise SettingsError(
                f"{place_of(url)} has the option {name!r}; {nearest(name, TLS_OPTIONS)}"
            )


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
