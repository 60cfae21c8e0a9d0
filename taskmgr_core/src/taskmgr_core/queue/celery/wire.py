"""A connection to the broker on which little more is done than to write and to read.

The client's own way of a command (retries, measuring, a pool of connections) takes ten times as
long as to write it and read its answer, and a worker asks for the next message hundreds of
times a second.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from typing import Any

from redis import Redis
from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError as NoConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as NoAnswerError


def packed(arguments: Sequence[str | bytes | int | float]) -> bytes:
    """A command as it is sent.

    Source: "Redis serialization protocol specification", an array of bulk strings.
    """
    texts = [each if isinstance(each, bytes) else str(each).encode() for each in arguments]
    parts = [b"*%d\r\n" % len(texts)]
    parts += [b"$%d\r\n%b\r\n" % (len(each), each) for each in texts]
    return b"".join(parts)


class Wire:
    """One connection, for one command at a time. Safe to use from many threads.

    Arguments:
        client: of the broker; what it connects with is used, and none of its connections.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._connection: AbstractConnection | None = None

    def ask(self, *commands: bytes) -> list[Any]:
        """Send commands, as ``packed`` gives them, and wait for the answer to each.

        Raises:
            RedisError, OSError: the broker cannot be asked, or refuses one; then the others may
                have been done.
        """
        with self._lock:
            try:
                return self._ask(commands)
            except (NoConnectionError, NoAnswerError, OSError):
                # The broker, or a proxy before it, may have closed a connection that rested.
                self._close()
                return self._ask(commands)

    def close(self) -> None:
        """Close the connection; the next command opens another one."""
        with self._lock:
            self._close()

    def _ask(self, commands: Sequence[bytes]) -> list[Any]:
        if self._connection is None:
            connection: AbstractConnection = self._client.connection_pool.make_connection()  # type: ignore[assignment]
            connection.connect()  # type: ignore[no-untyped-call]
            self._connection = connection
        # Whatever keeps an answer from being read closes the connection, and so no later
        # command is given it.
        self._connection.send_packed_command(commands, check_health=False)  # type: ignore[no-untyped-call]
        answers = [self._answer(self._connection) for _ in commands]
        for each in answers:
            if isinstance(each, ResponseError):
                raise each
        return answers

    @staticmethod
    def _answer(connection: AbstractConnection) -> Any:
        try:
            return connection.read_response()
        except ResponseError as error:
            return error

    def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(RedisError, OSError):
                self._connection.disconnect()  # type: ignore[no-untyped-call]
            self._connection = None
