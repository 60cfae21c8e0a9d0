"""Takes messages off the broker's lists: as many in one round trip as there are free slots.

The transport's own way takes one, with two commands and a turn of its event loop for
each, which costs a worker more than all else that it does for a short step.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from redis import Redis, exceptions

from taskmgr_core.combining import Combiner, Request
from taskmgr_core.queue.celery.address import PRIORITIES, list_key
from taskmgr_core.queue.celery.wire import Wire, packed

# As many commands are kept as they are sent: by the turn of their queues, and how many are asked.
KEPT = 512


class Inbox:
    """The lists of some queues, for the thread that waits for messages and for the slots.

    Arguments:
        client: of the broker; Redis 7 or later.
        prefix: of the lists.
    """

    def __init__(self, client: Redis, prefix: str = "") -> None:
        self._client = client
        self._prefix = prefix
        self._waiting, self._glancing = Wire(client), Wire(client)
        self._turn = 0
        self._at_once = Combiner(self._taken_at_once)
        self._command = lru_cache(KEPT)(self._new_command)
        self.more = False

    def take(self, queues: Sequence[str], most: int, timeout: float) -> list[bytes]:
        """The next messages, the most urgent first, and of queues in turn; waits for the first.

        For one thread alone. ``more`` says afterwards whether others may be left.

        Arguments:
            queues: the broker's names.
            most: how many at most.
            timeout: seconds to wait.

        Raises:
            RedisError: the broker cannot be asked.
        """
        found = self._asked(self._waiting, tuple(queues), most, timeout)
        self.more = len(found) == most
        return found

    def take_at_once(self, queues: tuple[str, ...]) -> bytes | None:
        """The next message if there is one; threads that ask at the same time ask together.

        Arguments:
            queues: the broker's names.

        Raises:
            RedisError, OSError: the broker cannot be asked.
        """
        text: bytes | None = self._at_once.run(queues)
        return text

    def put_back(self, queue: str, priority: int, text: bytes) -> None:
        """Let a message wait again.

        Arguments:
            queue: the broker's.
            priority: ours.
            text: as it was taken.

        Raises:
            RedisError, OSError: the broker cannot be told.
        """
        self._glancing.ask(packed(["LPUSH", list_key(queue, priority, self._prefix), text]))

    def close(self) -> None:
        """Close the connections."""
        self._waiting.close()
        self._glancing.close()
        self._client.close()

    def _taken_at_once(self, group: Sequence[Request[tuple[str, ...]]]) -> None:
        try:
            found = self._asked(self._glancing, group[0].payload, len(group))
        except (exceptions.RedisError, OSError) as error:
            for each in group:
                each.fail(error)
            return
        self.more = len(found) == len(group)
        for number, each in enumerate(group):
            each.succeed(found[number] if number < len(found) else None)

    def _asked(
        self, wire: Wire, queues: tuple[str, ...], most: int, timeout: float | None = None
    ) -> list[bytes]:
        self._turn += 1
        command = self._command(queues, self._turn % max(len(queues), 1), most, timeout)
        try:
            (found,) = wire.ask(command)
        except exceptions.ResponseError as error:
            # To Celery's loop it is a broker that is away: it is told, and tried again.
            raise exceptions.ConnectionError(f"{error}; see `taskmgr health`") from error
        return [] if found is None else list(found[1])

    def _new_command(
        self, queues: tuple[str, ...], start: int, most: int, timeout: float | None
    ) -> bytes:
        ordered = [*queues[start:], *queues[:start]]
        keys = [
            list_key(queue, priority, self._prefix)
            for priority in reversed(range(PRIORITIES))
            for queue in ordered
        ]
        asked = ["LMPOP"] if timeout is None else ["BLMPOP", timeout]
        return packed([*asked, len(keys), *keys, "RIGHT", "COUNT", most])
