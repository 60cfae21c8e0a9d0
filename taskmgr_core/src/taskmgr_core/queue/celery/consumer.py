"""Celery's consumer for tasks that nobody has registered: plugins come and go as they are told of.

Three things differ from Celery's own. A name that is not known becomes a task the first
time that a message has it. A message is taken only when a slot is free: what Redis still
holds, any other worker can take. And queues of steps that need resources are asked only
while these are free.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from typing import Any

import attrs
from celery import Celery, Task
from celery.app.trace import build_tracer
from celery.exceptions import WorkerShutdown
from celery.worker.consumer import Consumer

from taskmgr_core.queue.celery.address import SENT_AT, needs_of
from taskmgr_core.queue.celery.slots import Gate
from taskmgr_core.queue.units import Units

POLL_SECONDS = 1.0
BUSY_SECONDS = 0.05
GLANCE_SECONDS = 0.001
# How long Redis is asked to wait at most: where a queue is left out, because what it needs
# is not free, not much longer than until it may be.
ASK_SECONDS = 1.0
ASK_AGAIN_SECONDS = 0.1
LETTING_GO_SECONDS = 3.0

_TASK_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,199}\Z")

Perform = Callable[[str, str], None]


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


class Strategies(dict[str, Any]):
    """What is done with a message, by the name of its task; unknown names are registered.

    Arguments:
        consumer: whose.
        perform: carries out a step.
    """

    def __init__(self, consumer: StepConsumer, perform: Perform) -> None:
        super().__init__()
        self._consumer = consumer
        self._perform = perform

    def __missing__(self, name: str) -> Any:
        if not _TASK_NAME.match(name):
            raise KeyError(name)
        application, consumer = self._consumer.app, self._consumer
        task = register(application, name, self._perform)
        task.__trace__ = build_tracer(
            name, task, application.loader, consumer.hostname, app=application
        )
        self[name] = task.start_strategy(application, consumer)
        return self[name]


def register(application: Celery, name: str, perform: Perform) -> Task:
    """The Celery task of a plugin's task: it gets a run's and a step's id."""
    if name not in application.tasks:

        def run(run_id: str, step_id: str) -> None:
            perform(str(run_id), str(step_id))

        # Shared, it would be a task of every later application in this process, too.
        application.task(run, name=name, ignore_result=True, typing=False, lazy=False, shared=False)
    return application.tasks[name]


@attrs.frozen
class OpenQueues:
    """The order in which a channel asks its queues, without those whose needs are not free.

    Attributes:
        order: the channel's own.
        units: what is offered.
    """

    order: Any
    units: Units

    def consume(self, count: int) -> list[str]:
        """The queues that the next message may be from."""
        return [each for each in self.order.consume(count) if self.units.fit(needs_of(each))]

    def update(self, queues: Any) -> None:
        """There are other queues."""
        self.order.update(queues)

    def rotate(self, last_used: Any) -> None:
        """A message came from a queue."""
        self.order.rotate(last_used)


class StepConsumer(Consumer):  # type: ignore[misc]
    """Celery's consumer with a loop of its own; made by ``step_consumer``."""

    gate: Gate
    pulse: Pulse
    perform: Perform
    pass_on: Perform

    def update_strategies(self) -> None:
        """Prepare for the tasks that are known; the others come with their messages."""
        self.strategies = Strategies(self, self.perform)
        super().update_strategies()

    def call_soon_ack(self, acknowledge: Any, *arguments: Any, **options: Any) -> Any:  # noqa: ARG002
        """Nothing: a message is taken off its list when it is taken; the store knows the rest."""
        return acknowledge

    def loop(self, _: Any, connection: Any, consumer: Any, *arguments: Any) -> None:  # noqa: ARG002
        """Take messages while slots are free, and the commands of others always."""
        handle = self.create_task_handler()

        def received(message: Any) -> None:
            self.pulse.received_at = time.monotonic()
            if self.pulse.stopping:  # asked for before, and nobody else will get it
                (run_id, step_id), *_ = message.payload
                self.pass_on(run_id, step_id)
                return
            held = self.gate.units.take(needs_of(message.delivery_info["routing_key"]))
            if held is None:
                self._send_back(message)
                return
            with self.gate.arriving(held):
                handle(message)

        channel = consumer.channel
        consumer.on_message = received
        consumer.no_ack = True
        channel.qos.can_consume = self.gate.free
        # It is asked, anew for each request, which queues the next message may be from.
        channel._queue_cycle = OpenQueues(channel._queue_cycle, self.gate.units)
        consumer.consume()
        self.on_ready()
        self.pulse.connected = True
        try:
            while self.connection:
                if self.pulse.stopping:
                    _let_go(connection, consumer)
                    raise WorkerShutdown(0)
                self._turn(connection, channel)
        finally:
            self.pulse.connected = False

    def _send_back(self, message: Any) -> None:
        """Send a message again that has come although what its step needs is not free."""
        self.app.send_task(
            message.headers["task"],
            args=message.decode()[0],
            queue=message.delivery_info["routing_key"],
            priority=message.properties.get("priority"),
            headers={SENT_AT: message.headers.get(SENT_AT, time.time())},
            ignore_result=True,
        )

    def _turn(self, connection: Any, channel: Any) -> None:
        self.pulse.turned_at = time.monotonic()
        self.perform_pending_operations()
        free, short = self.gate.wait_free(BUSY_SECONDS), self.gate.units.short
        channel.brpop_timeout = ASK_AGAIN_SECONDS if short else ASK_SECONDS
        patience = ASK_AGAIN_SECONDS if short else POLL_SECONDS
        try:
            connection.drain_events(timeout=patience if free else GLANCE_SECONDS)
        except TimeoutError:
            return


def _let_go(connection: Any, consumer: Any) -> None:
    """Ask for no more messages, and give back one that answers what was asked before.

    The broker answers within a second, with or without a message; the transport gives back
    what nobody consumes. A connection that is closed sooner loses it.
    """
    consumer.cancel()
    deadline = time.monotonic() + LETTING_GO_SECONDS
    while consumer.channel._in_poll and time.monotonic() < deadline:
        with contextlib.suppress(TimeoutError):
            connection.drain_events(timeout=BUSY_SECONDS)


def step_consumer(
    gate: Gate, pulse: Pulse, perform: Perform, pass_on: Perform
) -> type[StepConsumer]:
    """The consumer class of one worker: Celery makes the consumer, and knows nothing of ours.

    Arguments:
        gate: its slots.
        pulse: how it is doing.
        perform: carries out a step.
        pass_on: gives a step to others, whose message came after it was told to end.
    """
    namespace = {
        "gate": gate,
        "pulse": pulse,
        "perform": staticmethod(perform),
        "pass_on": staticmethod(pass_on),
    }
    return type("StepConsumer", (StepConsumer,), namespace)
