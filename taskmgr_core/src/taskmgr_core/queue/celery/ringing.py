"""Rings that nobody answers: what is lost of them is found by looking a little later."""

from __future__ import annotations

import contextlib
import threading

from redis import Redis
from redis.connection import AbstractConnection
from redis.exceptions import RedisError


class Ringer:
    """Publishes without waiting for the broker: to wait would cost a step more than the ring.

    Arguments:
        client: of the broker; the ringer has a connection of its own, on which it answers
            nothing.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._connection: AbstractConnection | None = None

    def ring(self, channel: str, message: str) -> None:
        """Publish.

        Raises:
            RedisError, OSError: the broker cannot be reached.
        """
        with self._lock:
            try:
                self._send(channel, message)
            except (RedisError, OSError):
                # The broker, or a proxy before it, may have closed a connection that rested.
                self._close()
                self._send(channel, message)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._close()

    def _send(self, channel: str, message: str) -> None:
        if self._connection is None:
            connection: AbstractConnection = self._client.connection_pool.make_connection()  # type: ignore[assignment]
            connection.connect()  # type: ignore[no-untyped-call]
            connection.send_command("CLIENT", "REPLY", "OFF")  # type: ignore[no-untyped-call]
            self._connection = connection
        self._connection.send_command(  # type: ignore[no-untyped-call]
            "PUBLISH", channel, message, check_health=False
        )

    def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(RedisError, OSError):
                self._connection.disconnect()  # type: ignore[no-untyped-call]
            self._connection = None
