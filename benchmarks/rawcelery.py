"""The same work in plain Celery: tasks that do nothing, results kept, acknowledged late.

``celery --app benchmarks.rawcelery worker`` reads the broker's address from the
environment. The settings are those that a user who wants no task lost would take.
"""

from __future__ import annotations

import os

from celery import Celery

BROKER = "TASKMGR_BENCH_BROKER"
RESULTS = "TASKMGR_BENCH_RESULTS"

application = Celery(
    "raw",
    broker=os.environ.get(BROKER, "redis://127.0.0.1:6379/1"),
    backend=os.environ.get(RESULTS, "redis://127.0.0.1:6379/2"),
    set_as_current=False,
)
application.conf.update(
    accept_content=["json"],
    task_serializer="json",
    result_serializer="json",
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)


def _noop(number: int) -> int:
    """Give back what it is given, as our own task does."""
    return number


def _gather(numbers: list[int]) -> int:
    """Take the results of those before."""
    return sum(numbers)


noop = application.task(_noop, name="noop", shared=False)
gather = application.task(_gather, name="gather", shared=False)
