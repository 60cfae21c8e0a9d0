"""Celery's consumer for tasks that nobody has registered: plugins come and go as they are told of.

Three things differ from Celery's own. A name that is not known becomes a task the first
time that a message has it. Messages are taken only while slots are free, and by ourselves:
what Redis still holds, any other worker can take. And queues of steps that need resources
are asked only while these are free.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
from celery import Celery, Task
from celery.app.trace import trace_ok_t
from celery.exceptions import WorkerShutdown
from celery.worker.consumer import Consumer

from taskmgr_core.queue.celery.address import PASSES, SENT_AT, broker_priority, needs_of
from taskmgr_core.queue.celery.inbox import Inbox
from taskmgr_core.queue.celery.slots import Gate

BUSY_SECONDS = 0.05
LISTEN_SECONDS = 0.2
GLANCE_SECONDS = 0.001
# How long the broker is asked to wait, and how often it is looked for commands of others. Where
# a queue is left out because what it needs is not free, not much longer than until it may be.
ASK_SECONDS = 0.2
ASK_AGAIN_SECONDS = 0.1

_LOGGER = logging.getLogger(__name__)

_TASK_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,199}\Z")

CELERYS_OWN = "celery."


@attrs.frozen
class Told:
    """What a message says.

    Attributes:
        run: the run's id.
        step: the step's id.
        task: its task's name.
        queue: the broker's queue that it came from.
        priority: ours, of the step.
        passes: how often workers that serve no such task have sent it on.
    """

    run: str
    step: str
    task: str
    queue: str
    priority: int
    passes: int


Perform = Callable[[Told], None]
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
        task = register(application, name)
        task.__trace__ = _tracer(name, self._perform)
        self[name] = task.start_strategy(application, consumer)
        return self[name]


def register(application: Celery, name: str) -> Task:
    """The Celery task of a plugin's task: it gets a run's and a step's id."""
    if name not in application.tasks:

        def run(run_id: str, step_id: str) -> None:
            raise NotImplementedError(f"only a worker carries out {run_id} {step_id}")

        # Shared, it would be a task of every later application in this process, too.
        application.task(run, name=name, ignore_result=True, typing=False, lazy=False, shared=False)
    return application.tasks[name]


def _tracer(name: str, perform: Perform) -> Callable[..., trace_ok_t]:
    """What Celery calls in a slot's thread, without what only its results and signals need."""

    def trace(_: str, arguments: Sequence[str], __: object, request: Mapping[str, Any]) -> Any:
        begun = time.monotonic()
        run_id, step_id = arguments
        told = request.get("delivery_info") or {}
        message = Told(
            run=str(run_id),
            step=str(step_id),
            task=name,
            queue=str(told.get("routing_key") or ""),
            priority=broker_priority(int(told.get("priority") or 0)),
            passes=int(request.get(PASSES) or 0),
        )
        try:
            perform(message)
        except Exception:
            # Celery tells of it on stderr alone, past the worker's log.
            _LOGGER.exception("run %s step %s met a bug of taskmgr", run_id, step_id)
            raise
        return trace_ok_t(None, None, time.monotonic() - begun, "None")

    return trace


class StepConsumer(Consumer):  # type: ignore[misc]
    """Celery's consumer with a loop of its own; made by ``step_consumer``."""

    gate: Gate
    inbox: Inbox
    pulse: Pulse
    perform: Perform
    pass_on: PassOn

    def update_strategies(self) -> None:
        """Prepare for the tasks that are known; the others come with their messages."""
        self.strategies = Strategies(self, self.perform)
        super().update_strategies()
        for name, task in self.app.tasks.items():
            if not name.startswith(CELERYS_OWN):
                task.__trace__ = _tracer(name, self.perform)

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
                for each in self._taken(consumer):
                    received(each)
        finally:
            self.pulse.connected = False
            self.inbox.close()  # it connects again when it is asked again

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

    def _listen(self, connection: Any) -> None:
        """Look a few times a second for what others ask: `celery inspect`, Flower."""
        now = time.monotonic()
        if now - self.pulse.turned_at < LISTEN_SECONDS:
            return
        self.pulse.turned_at = now
        self.perform_pending_operations()
        with contextlib.suppress(TimeoutError):
            connection.drain_events(timeout=GLANCE_SECONDS)

    def _taken(self, consumer: Any) -> Iterator[Any]:
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
                message = consumer.channel.message_to_python(json.loads(text))
            except (ValueError, KeyError, TypeError) as error:
                _LOGGER.warning("a message cannot be read and is dropped: %s", error)
                continue
            message.accept = consumer.accept
            yield message


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
