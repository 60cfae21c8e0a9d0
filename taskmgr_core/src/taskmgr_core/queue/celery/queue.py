"""The queue of many machines: a message for each ready step, a bell for all other changes."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from taskmgr_core.addresses import place_of
from taskmgr_core.errors import QueueError
from taskmgr_core.queue.celery.address import (
    CONNECT_SECONDS,
    EVERYBODY,
    PRIORITIES,
    SENT_AT,
    TAKERS,
    broker_queue,
    check_address,
    list_key,
    queue_of,
    translated,
    verified,
)
from taskmgr_core.queue.celery.messages import message_of
from taskmgr_core.queue.handover import Reservation
from taskmgr_core.queue.units import NO_UNITS, Units
from taskmgr_core.specs import Claim, ReadyStep
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.stores.progress import Covers, every

if TYPE_CHECKING:
    from celery import Celery
    from redis import Redis

    from taskmgr_core.queue.celery.bell import RedisBell
    from taskmgr_core.queue.celery.inbox import Inbox
    from taskmgr_core.queue.celery.outbox import Outbox

LOOK_AGAIN_SECONDS = 1.0
SCANNED = 1_000  # keys of each round trip
OLDEST_REDIS = 7  # the first that gives several messages at once
# A message is written after its step is recorded as ready; the clocks are of one machine.
SENT_LATER_SECONDS = 1.0

_LOGGER = logging.getLogger(__name__)


class CeleryQueue:
    """Implements ``Queue`` on a Redis broker.

    Workers are told of steps by Celery's messages (see ``CeleryFeed``). ``take`` is for
    a worker that serves only the runs of its own process: it asks the store.

    The clients of the broker are slow to import. Each is made when it is first used: a
    program that only looks at the store needs none, and connects to no broker.

    Arguments:
        url: the broker's address.
        metadata: the store that says what is ready.
        prefix: of all keys and channels; a workspace's, which none of another begins with.

    Raises:
        SettingsError: the URL cannot be used.
    """

    def __init__(self, url: str, metadata: MetadataStore, prefix: str = "") -> None:
        check_address(url)
        self._prefix = prefix
        self.place = place_of(url)
        self._url = verified(url)
        self._metadata = metadata
        self._made_bell: RedisBell | None = None
        self._making_bell = threading.Lock()

    @cached_property
    def application(self) -> Celery:
        """The Celery application; made when a worker is.

        Celery is slow to import, and a program that only looks or submits needs none of it.
        """
        from taskmgr_core.queue.celery.application import make_application

        return make_application(self._url, self._prefix)

    def inbox(self) -> Inbox:
        """Where a worker takes its messages, on a connection of its own."""
        from taskmgr_core.queue.celery.inbox import Inbox

        return Inbox(self._new_client(), self._prefix)

    @cached_property
    def _client(self) -> Redis:
        return self._new_client()

    def _new_client(self) -> Redis:
        from redis import Redis

        return Redis.from_url(
            self._url,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=CONNECT_SECONDS,
            socket_keepalive=True,
        )

    @cached_property
    def _outbox(self) -> Outbox:
        from taskmgr_core.queue.celery.outbox import Outbox

        return Outbox(self._client)

    @property
    def _bell(self) -> RedisBell:
        with self._making_bell:  # two bells would each hear half of what is awaited
            if self._made_bell is None:
                from taskmgr_core.queue.celery.bell import RedisBell

                self._made_bell = RedisBell(self._client, self._prefix)
            return self._made_bell

    def announce(
        self,
        run_id: str,
        steps: Collection[ReadyStep],
        *,
        watched: bool = True,  # noqa: ARG002 - of steps only workers hear
    ) -> int | None:
        """Send the steps' messages, or ring for a run that has changed.

        What cannot be told is found in the store a little later.
        """
        try:
            if steps:
                self._send(steps)
                self._bell.hear([TAKERS])  # a worker of this process serves its own runs
            else:
                with translated(self.place):
                    self._bell.ring(run_id)
        except QueueError as error:
            _LOGGER.warning("run %s: nobody could be told of a change: %s", run_id, error)
        return None

    def send_on(self, step: ReadyStep, passes: int) -> None:
        """Send a step's message again: whoever got it serves no such task.

        Arguments:
            step: the step.
            passes: how often it was sent on.

        Raises:
            QueueError: the broker cannot be reached; it is found in the store a little later.
        """
        self._send([step], passes)

    def alert(self, about: str) -> None:
        """Ring for a run or worker, and for every worker."""
        try:
            with translated(self.place):
                self._bell.ring(about, everybody=True)
        except QueueError as error:
            _LOGGER.warning("%s: workers could not be told: %s", about, error)

    def take(
        self,
        worker: str,
        queues: Collection[str],
        timeout: float,
        runs: Collection[str] | None = None,
        tasks: Collection[str] = (),
        units: Units = NO_UNITS,
        covers: Covers = every,
    ) -> Claim | None:
        """Claim the next step that is due; with none, wait once until something changes."""
        seen = self._bell.count(TAKERS)
        claim = units.claimed(
            lambda free: self._metadata.claim(
                worker, queues, time.time(), runs, tasks, free, covers
            )
        )
        if claim is None and timeout > 0:
            self._bell.wait(seen, min(timeout, LOOK_AGAIN_SECONDS), TAKERS)
        return claim

    def reserve(
        self,
        owner: Reservation,  # noqa: ARG002
        step: ReadyStep,  # noqa: ARG002
        version: str,  # noqa: ARG002
        *,
        own: bool,  # noqa: ARG002
    ) -> bool:
        """None: who takes a step is the broker's choice."""
        return False

    def reserve_another(self, owner: Reservation, worker: str) -> bool:  # noqa: ARG002
        """None, as above."""
        return False

    def missing(self, steps: Sequence[ReadyStep]) -> list[ReadyStep]:
        """Those of some steps whose messages are not on their way.

        Messages of one queue and priority wait in the order in which they were sent: when
        the next one is younger than a step, or there is none, the step's own is lost.

        Raises:
            QueueError: the broker cannot be asked.
        """
        keys = [self._list_of(step) for step in steps]
        with translated(self.place):
            oldest = {each: self._oldest(each) for each in set(keys)}
        return [
            step
            for step, key in zip(steps, keys, strict=True)
            if oldest[key] > step.ready_at + SENT_LATER_SECONDS
        ]

    def depths(self, queues: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """How many messages wait for the steps of each queue and needs.

        Raises:
            QueueError: the broker cannot be asked.
        """
        wanted = list(queues)
        counts = self._depths([broker_queue(*each) for each in wanted])
        return dict(zip(wanted, counts, strict=True))

    def depth(self, queues: Collection[str]) -> int:
        """How many messages wait in some queues of the broker.

        Raises:
            QueueError: the broker cannot be asked.
        """
        return sum(self._depths(list(queues)))

    def _depths(self, queues: Sequence[str]) -> list[int]:
        with translated(self.place), self._client.pipeline(transaction=False) as pipeline:
            for queue in queues:
                for priority in range(PRIORITIES):
                    pipeline.llen(list_key(queue, priority, self._prefix))
            found = pipeline.execute()
        return [
            sum(found[place : place + PRIORITIES]) for place in range(0, len(found), PRIORITIES)
        ]

    def changes(self, run_id: str | None = None) -> int:
        """How often it was rung for a run, or at all, since this was first asked."""
        return self._bell.count(run_id or EVERYBODY)

    def wait(self, seen: int, timeout: float, run_id: str | None = None) -> int:
        """Wait for a ring."""
        return self._bell.wait(seen, timeout, run_id or EVERYBODY)

    def wake(self) -> None:
        """End every wait in this process."""
        self._bell.wake()

    def server_version(self) -> str:
        """The broker's version.

        Raises:
            QueueError: it cannot be reached, or is too old.
        """
        with translated(self.place):
            found = self._client.info("server")
        if "valkey_version" in found:
            return str(found["valkey_version"])
        version = str(found["redis_version"])
        if int(version.partition(".")[0]) < OLDEST_REDIS:
            raise QueueError(
                f"the broker {self.place} is Redis {version}; {OLDEST_REDIS} or later is needed, "
                "or Valkey: upgrade it"
            )
        return version

    def close(self) -> None:
        """Stop listening and close the connections."""
        if self._made_bell is not None:
            self._made_bell.close()
        if "_outbox" in vars(self):
            self._outbox.close()
        if "application" in vars(self):
            self.application.close()

    def _send(self, steps: Collection[ReadyStep], passes: int = 0) -> None:
        """One message for each step, all in one round trip."""
        with translated(self.place):
            self._outbox.send(
                [("LPUSH", self._list_of(step), message_of(step, passes)) for step in steps]
            )

    def _oldest(self, key: str) -> float:
        """When the message that comes next was sent; now, when there is none."""
        found = self._client.lindex(key, -1)
        if found is None:
            return time.time()
        try:
            return float(json.loads(found)["headers"][SENT_AT])
        except (ValueError, KeyError, TypeError):
            return 0.0  # not one of ours: it says nothing

    def _list_of(self, step: ReadyStep) -> str:
        """The key of the list in which a step's message waits."""
        return list_key(queue_of(step), step.priority, self._prefix)

    def drop(self) -> None:
        """Remove all that waits, of a workspace that is removed.

        Raises:
            QueueError: the broker cannot be reached.
            ValueError: it has no prefix: whose the other keys are nobody knows.
        """
        if not self._prefix:
            raise ValueError("a queue without a prefix shares the broker with others")
        with translated(self.place):
            for key in self._client.scan_iter(match=f"{self._prefix}*", count=SCANNED):
                self._client.delete(key)
