"""What is told to the broker: one round trip for all that threads want to tell at a time."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from redis import Redis
from redis.exceptions import RedisError

from taskmgr_core.combining import Combiner, Request
from taskmgr_core.queue.celery.wire import Wire, packed

Command = tuple[str, ...]


class Outbox:
    """Sends commands whose answers nobody needs.

    Arguments:
        client: of the broker.
    """

    def __init__(self, client: Redis) -> None:
        self._wire = Wire(client)
        self._combiner = Combiner(self._carry_out)

    def send(self, commands: Sequence[Command]) -> None:
        """Send commands, in their order, and wait until the broker has done them.

        Raises:
            RedisError: some may not have been done.
        """
        self._combiner.run(tuple(commands))

    def close(self) -> None:
        """Close the connection; the next command opens another one."""
        self._wire.close()

    def _carry_out(self, group: Sequence[Request[tuple[Command, ...]]]) -> None:
        commands = [command for each in group for command in each.payload]
        try:
            self._wire.ask(*map(packed, commands))
        except (RedisError, OSError) as error:
            for each in group:
                each.fail(copy.copy(error) if len(group) > 1 else error)
            return
        for each in group:
            each.succeed()
