"""Changes that processes on many machines hear of: Redis publish and subscribe.

Runs end a thousand times as often as anything else changes, and only who waits for runs
wants to hear of them: they have a channel of their own, to which no worker listens.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Collection

import attrs
import uuid_utils
from redis import Redis
from redis.exceptions import RedisError

from taskmgr_core.queue.celery.address import EVERYBODY, TAKERS
from taskmgr_core.queue.celery.ringing import Ringer

CHANNEL = "taskmgr.changes"
RUNS_CHANNEL = "taskmgr.runs"
LISTEN_SECONDS = 1.0
RECONNECT_SECONDS = 0.5

_LOGGER = logging.getLogger(__name__)


@attrs.define(eq=False)
class RedisBell:
    """Rings for a run, and hears the rings of all processes on one Redis.

    A ring that nobody hears, because the connection was cut, is no loss: who waits looks
    by itself from time to time.

    Attributes:
        client: a connection pool of the broker.
        prefix: of the channels, to keep platforms on one Redis apart.
    """

    client: Redis = attrs.field(repr=False)  # some show their password
    prefix: str = ""
    _ringer: Ringer = attrs.field(
        default=attrs.Factory(lambda self: Ringer(self.client), takes_self=True),
        init=False,
        repr=False,
    )
    _id: str = attrs.field(factory=lambda: str(uuid_utils.uuid4()), init=False)
    _counts: Counter[str] = attrs.field(factory=Counter, init=False)
    _changed: threading.Condition = attrs.field(factory=threading.Condition, init=False)
    _stop: threading.Event = attrs.field(factory=threading.Event, init=False)
    _wanted: set[str] = attrs.field(factory=set, init=False)
    _heard: set[str] = attrs.field(factory=set, init=False)
    _listener: threading.Thread | None = attrs.field(default=None, init=False)

    def ring(self, run_id: str, *, everybody: bool = False) -> None:
        """Wake whoever waits for a run, here and elsewhere.

        Arguments:
            run_id: the run.
            everybody: whether those, too, who wait for no run in particular.

        Raises:
            RedisError: it was heard here only.
        """
        self.hear([run_id, EVERYBODY] if everybody else [run_id])
        self._ringer.ring(self.prefix + RUNS_CHANNEL, run_id)
        if everybody:  # what is told to workers is waited for
            self.client.publish(self.prefix + CHANNEL, EVERYBODY)

    def hear(self, rung: Collection[str]) -> None:
        """Wake who waits here for a run, or under another of these names."""
        with self._changed:
            awaited = [each for each in rung if each in self._counts]
            for each in awaited:
                self._counts[each] += 1
            if awaited:
                self._changed.notify_all()

    def count(self, run_id: str = EVERYBODY) -> int:
        """How often it has rung for a run (or at all), since this was first asked."""
        self.listen(run_id)
        with self._changed:
            self._counts.setdefault(run_id, 0)
            return self._counts[run_id]

    def wait(self, seen: int, timeout: float, run_id: str = EVERYBODY) -> int:
        """Wait until ``count`` is above ``seen``, or the time is over; return it."""
        self.listen(run_id)
        deadline = time.monotonic() + timeout
        with self._changed:
            self._counts.setdefault(run_id, 0)
            while self._counts[run_id] <= seen:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    break
                self._changed.wait(remaining)
            return self._counts[run_id]

    def wake(self) -> None:
        """End every wait in this process."""
        with self._changed:
            for run_id in self._counts:
                self._counts[run_id] += 1
            self._changed.notify_all()

    def listen(self, run_id: str = EVERYBODY) -> None:
        """Hear the rings of other processes from now on."""
        channel = self._channel_of(run_id)
        with self._changed:
            if channel in self._wanted or self._stop.is_set():
                return
            self._wanted.add(channel)
            listens = self._listener is not None
            if not listens:
                self._listener = threading.Thread(target=self._hear_all, name="bell", daemon=True)
                self._listener.start()
        if listens:
            with contextlib.suppress(RedisError, OSError):  # then it is seen a little later
                self.client.publish(self._own_channel, "")
        with self._changed:
            self._changed.wait_for(lambda: channel in self._heard, LISTEN_SECONDS)

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()
        with self._changed:
            listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(RedisError, OSError):  # then it looks by itself
                self.client.publish(self._own_channel, "")
            listener.join()
        self._ringer.close()
        self.client.close()

    @property
    def _own_channel(self) -> str:
        """Where only this one listens: how it is told to stop, or to listen to more."""
        return f"{self.prefix}{CHANNEL}.{self._id}"

    def _channel_of(self, name: str) -> str:
        return self.prefix + (CHANNEL if name in (EVERYBODY, TAKERS) else RUNS_CHANNEL)

    def _begin_to_hear(self, channel: str) -> None:
        """Wake who waits for what may have been rung on a channel while nobody listened."""
        with self._changed:
            self._heard.add(channel)
            for each in self._counts:
                self._counts[each] += self._channel_of(each) == channel
            self._changed.notify_all()

    def _hear_all(self) -> None:
        while not self._stop.is_set():
            try:
                self._hear_connection()
            except (RedisError, OSError) as error:
                _LOGGER.warning("the broker's changes are not heard, trying again: %s", error)
                self._stop.wait(RECONNECT_SECONDS)

    def _hear_connection(self) -> None:
        with self.client.pubsub(  # type: ignore[no-untyped-call]
            ignore_subscribe_messages=False
        ) as subscription:
            asked = {self._own_channel}
            subscription.subscribe(self._own_channel)
            while not self._stop.is_set():
                with self._changed:
                    missing = self._wanted - asked
                if missing:
                    asked |= missing
                    subscription.subscribe(*missing)
                message = subscription.get_message(timeout=LISTEN_SECONDS)
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    self._begin_to_hear(message["channel"].decode())
                elif message["type"] == "message":
                    self.hear(message["data"].decode().split(","))
