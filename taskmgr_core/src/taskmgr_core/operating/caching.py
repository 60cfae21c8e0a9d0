"""The results that are kept, as operators see and clear them."""

from __future__ import annotations

import time

from taskmgr_core.client import Client
from taskmgr_core.errors import NotFoundError
from taskmgr_core.specs import CacheUse


def uses(client: Client) -> list[CacheUse]:
    """How much is cached of each task, and what that has spared."""
    return client.metadata.cache.uses(time.time())


def clear(client: Client, task: str | None = None) -> list[CacheUse]:
    """Remove what is cached: the next runs compute it. What runs recorded stays.

    Arguments:
        client: of the platform.
        task: only what is cached of it; None for everything.

    Returns:
        What was removed.

    Raises:
        NotFoundError: there is no such task: whoever misspelt it would believe it cleared.
    """
    cleared = client.metadata.cache.clear(task, time.time())
    if task is not None and not cleared:
        known = [each.name for each in client.tasks()]
        if task not in known:
            raise NotFoundError.named("task", task, known)
    return cleared
