"""The Celery application, and the messages that tell workers of ready steps."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import attrs
from celery import Celery
from kombu.exceptions import KombuError

from taskmgr_core.queue.celery.address import (
    CONNECT_SECONDS,
    PRIORITIES,
    SENT_AT,
    SEPARATOR,
    broker_priority,
    broker_queue,
    translated,
)
from taskmgr_core.specs import ReadyStep
from taskmgr_core.specs.resources import as_text


def make_application(url: str) -> Celery:
    """The application: JSON alone, no results, one priority list for each of ours.

    Arguments:
        url: ``redis://user:password@host:port/number``, or ``rediss://`` for TLS.
    """
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
        with translated(self.place), _translated_kombu():
            self.application.send_task(
                step.task,
                args=(step.run, step.id),
                queue=broker_queue(step.queue, as_text(step.resources)),
                priority=broker_priority(step.priority),
                headers={SENT_AT: time.time()},
                ignore_result=True,
                retry=False,
            )


@contextlib.contextmanager
def _translated_kombu() -> Iterator[None]:
    try:
        yield
    except KombuError as error:
        raise OSError(str(error)) from error
