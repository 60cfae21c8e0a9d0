"""The Celery application of a worker."""

from __future__ import annotations

from celery import Celery

from taskmgr_core.queue.celery.address import CONNECT_SECONDS, PRIORITIES


def make_application(url: str, prefix: str = "") -> Celery:
    """The application: JSON alone, no results, one priority list for each of ours.

    Arguments:
        url: ``redis://user:password@host:port/number``, or ``rediss://`` for TLS.
        prefix: of all keys and channels, to keep workspaces apart.
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
        # What it cancels are tasks that acknowledge late: none of ours. (False is deprecated.)
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_enable_prefetch_count_reduction=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=CONNECT_SECONDS,
        broker_transport_options={
            "priority_steps": list(range(PRIORITIES)),
            "queue_order_strategy": "priority",
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": CONNECT_SECONDS * 2,
            "socket_keepalive": True,
            **({"global_keyprefix": prefix} if prefix else {}),
        },
    )
    _drop_shared_tasks(application)
    return application


def _drop_shared_tasks(application: Celery) -> None:
    """Celery gives every application of a process the tasks that some library shares."""
    application.finalize()
    for name in list(application.tasks):
        if not name.startswith("celery."):
            del application.tasks[name]
