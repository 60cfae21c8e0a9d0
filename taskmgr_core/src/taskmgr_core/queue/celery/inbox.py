"""Takes messages off the broker's lists: as many in one round trip as there are free slots.

The transport's own way takes one, with two commands and a turn of its event loop for
each, which costs a worker more than all else that it does for a short step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import Redis, exceptions

from taskmgr_core.queue.celery.address import PRIORITIES, list_key


class Inbox:
    """The lists of some queues. Not for two threads at once.

    Arguments:
        client: of the broker; Redis 7 or later.
        prefix: of the lists.
    """

    def __init__(self, client: Redis, prefix: str = "") -> None:
        self._client = client
        self._prefix = prefix
        self._turn = 0

    def take(self, queues: Sequence[str], most: int, timeout: float) -> list[bytes]:
        """The next messages, the most urgent first, and of queues in turn; waits for the first.

        Arguments:
            queues: the broker's names.
            most: how many at most.
            timeout: seconds to wait.

        Raises:
            RedisError: the broker cannot be asked.
        """
        self._turn += 1
        start = self._turn % max(len(queues), 1)
        ordered = [*queues[start:], *queues[:start]]
        keys = [
            list_key(queue, priority, self._prefix)
            for priority in reversed(range(PRIORITIES))
            for queue in ordered
        ]
        try:
            found = self._client.blmpop(timeout, len(keys), *keys, direction="RIGHT", count=most)
        except exceptions.ResponseError as error:
            # To Celery's loop it is a broker that is away: it is told, and tried again.
            raise exceptions.ConnectionError(f"{error}; see `taskmgr health`") from error
        texts: Any = [] if found is None else found[1]
        return list(texts)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
