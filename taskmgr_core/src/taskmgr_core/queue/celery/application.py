"""The Celery application, and the messages that tell workers of ready steps."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import attrs
from celery import Celery
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from taskmgr_core.errors import QueueError, SettingsError
from taskmgr_core.specs import ReadyStep

PRIORITIES = 10
SEPARATOR = ":"
CONNECT_SECONDS = 5.0
SENT_AT = "sent_at"
SCHEMES = ("redis", "rediss")


def make_application(url: str) -> Celery:
    """The application: JSON alone, no results, one priority list for each of ours.

    Arguments:
        url: ``redis://user:password@host:port/number``, or ``rediss://`` for TLS.

    Raises:
        SettingsError: the URL cannot be used.
    """
    if urlsplit(url).scheme not in SCHEMES:
        raise SettingsError(
            f"{place_of(url)} is no address of a Redis server; as in redis://:password@host:6379/0"
        )
    application = Celery("taskmgr", broker=url, set_as_current=False)
    application.conf.update(
        accept_content=["json"],
        task_serializer="json",
        event_serializer="json",
        result_backend=None,
        task_ignore_result=True,
        # The store takes back what a worker leaves, sooner and safer than the broker could.
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_prefetch_count_reduction=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=CONNECT_SECONDS,
        broker_transport_options={
            "priority_steps": list(range(PRIORITIES)),
            "queue_order_strategy": "priority",
            "sep": SEPARATOR,
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": CONNECT_SECONDS * 2,
            "socket_keepalive": True,
        },
    )
    return application


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


@attrs.frozen
class Sender:
    """Sends one message for each ready step.

    Attributes:
        application: the Celery application.
        place: the server, without user and password.
    """

    application: Celery
    place: str

    def send(self, step: ReadyStep) -> None:
        """Send the ids of a step to its queue, under the name of its task.

        Raises:
            QueueError: the broker cannot be reached.
        """
        with translated(self.place):
            self.application.send_task(
                step.task,
                args=(step.run, step.id),
                queue=step.queue,
                priority=broker_priority(step.priority),
                headers={SENT_AT: time.time()},
                ignore_result=True,
                retry=False,
            )


@contextlib.contextmanager
def translated(place: str) -> Iterator[None]:
    """Our errors for those of the broker; none of them shows a password."""
    try:
        yield
    except (KombuError, RedisError, OSError) as error:
        raise QueueError(
            f"the broker {place} cannot be used ({str(error)[:300]}); start it, "
            "or correct TASKMGR_BROKER_URL"
        ) from error
