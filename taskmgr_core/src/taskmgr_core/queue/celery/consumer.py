"""Celery's consumer with a loop of its own, for tasks that nobody has registered.

Three things differ from Celery's own. A message is read by ourselves and its step carried
out as it is: plugins come and go, and Celery's way through a task costs more than a short
step. Messages are taken only while slots are free: what Redis still holds, any other worker
can take. And queues of steps that need resources are asked only while these are free.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import attrs
from celery.exceptions import WorkerShutdown
from celery.worker.consumer import Consumer

from taskmgr_core.queue.celery.address import needs_of
from taskmgr_core.queue.celery.inbox import Inbox
from taskmgr_core.queue.celery.messages import Told, told_by
from taskmgr_core.queue.celery.slots import Gate
from taskmgr_core.queue.units import Held

BUSY_SECONDS = 0.05
LISTEN_SECONDS = 0.2
GLANCE_SECONDS = 0.001
# How long the broker is asked to wait, and how often it is looked for commands of others. Where
# a queue is left out because what it needs is not free, not much longer than until it may be.
ASK_SECONDS = 0.2
ASK_AGAIN_SECONDS = 0.1

_LOGGER = logging.getLogger(__name__)

Perform = Callable[[Told, Held], None]
PassOn = Callable[[str, str], None]


@attrs.define(eq=False)
class Pulse:
    """How the consumer is doing, for whoever watches it.

    Attributes:
        turned_at: monotonic seconds of the last turn of its loop.
        received_at: monotonic seconds of the last message.
        stopping: whether it is to end.
        connected: whether it is connected to the broker.
    """

    turned_at: float = attrs.field(factory=time.monotonic)
    received_at: float = attrs.field(factory=time.monotonic)
    stopping: bool = False
    connected: bool = False


class StepConsumer(Consumer):  # type: ignore[misc]
    """Celery's consumer with a loop of its own; made by ``step_consumer``."""

    gate: Gate
    inbox: Inbox
    pulse: Pulse
    perform: Perform
    pass_on: PassOn

    def loop(self, _: Any, connection: Any, consumer: Any, *arguments: Any) -> None:  # noqa: ARG002
        """Take messages while slots are free, and the commands of others always."""
        # Which queues are consumed is kept where Celery keeps it; who takes is the inbox.
        consumer.channel.qos.can_consume = _never
        consumer.consume()
        self.on_ready()
        self.pulse.connected = True
        try:
            while self.connection:
                if self.pulse.stopping:
                    raise WorkerShutdown(0)
                self._listen(connection)
                for told, text in self._taken(consumer):
                    self._received(told, text)
        finally:
            self.pulse.connected = False
            self.inbox.close()  # it connects again when it is asked again

    def _received(self, told: Told, text: bytes) -> None:
        """Have a slot carry out what a message tells of; what it needs is held from here on."""
        self.pulse.received_at = time.monotonic()
        if self.pulse.stopping:  # asked for before, and nobody else will get it
            self.pass_on(told.run, told.step)
            return
        units = self.gate.units
        held = units.take(needs_of(told.queue))
        if held is None:  # it has come although what its step needs is not free
            self.inbox.put_back(told.queue, told.priority, text)
            return

        def carry_out() -> None:
            self.perform(told, held)

        try:
            self.pool.carry_out(carry_out)
        except BaseException:
            units.give_back(held)
            raise

    def _listen(self, connection: Any) -> None:
        """Look a few times a second for what others ask: `celery inspect`, Flower."""
        now = time.monotonic()
        if now - self.pulse.turned_at < LISTEN_SECONDS:
            return
        self.pulse.turned_at = now
        self.perform_pending_operations()
        with contextlib.suppress(TimeoutError):
            connection.drain_events(timeout=GLANCE_SECONDS)

    def _taken(self, consumer: Any) -> Iterator[tuple[Told, bytes]]:
        """The next messages, no more than there are free slots."""
        if not self.gate.wait_free(BUSY_SECONDS):
            return
        units = self.gate.units
        queues = [each.name for each in consumer.queues if units.fit(needs_of(each.name))]
        if not queues:
            time.sleep(BUSY_SECONDS)
            return
        # Of several messages the first may take what the others need.
        most = 1 if units.offered else self.gate.free_slots
        timeout = ASK_AGAIN_SECONDS if units.short else ASK_SECONDS
        for text in self.inbox.take(queues, most, timeout):
            try:
                yield told_by(text), text
            except (ValueError, KeyError, TypeError) as error:
                _LOGGER.warning("a message cannot be read and is dropped: %s", error)


def _never() -> bool:
    return False


def step_consumer(
    gate: Gate, inbox: Inbox, pulse: Pulse, perform: Perform, pass_on: PassOn
) -> type[StepConsumer]:
    """The consumer class of one worker: Celery makes the consumer, and knows nothing of ours.

    Arguments:
        gate: its slots.
        inbox: where it takes messages.
        pulse: how it is doing.
        perform: carries out a step.
        pass_on: gives a step to others, whose message came after it was told to end.
    """
    namespace = {
        "gate": gate,
        "inbox": inbox,
        "pulse": pulse,
        "perform": staticmethod(perform),
        "pass_on": staticmethod(pass_on),
    }
    return type("StepConsumer", (StepConsumer,), namespace)
