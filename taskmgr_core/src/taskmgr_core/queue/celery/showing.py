"""What Celery's own tools see of a step: `celery inspect`, and the events that Flower asks for.

Celery makes a request of each message, with all that a task of its own may need. A step needs
none of it, only to be seen while it runs: under the name of its plugin's task.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Any

from celery import Celery, Task
from celery.worker import state

from taskmgr_core.queue.celery.address import broker_queue
from taskmgr_core.specs import Step
from taskmgr_core.specs.resources import as_text

_LOGGER = logging.getLogger(__name__)


def register(application: Celery, name: str) -> Task:
    """The Celery task of a plugin's task: it gets a run's and a step's id."""
    if name not in application.tasks:

        def run(run_id: str, step_id: str) -> None:
            raise NotImplementedError(f"only a worker carries out {run_id} {step_id}")

        # Shared, it would be a task of every later application in this process, too.
        application.task(run, name=name, ignore_result=True, typing=False, lazy=False, shared=False)
    return application.tasks[name]


class StepRequest:
    """A step that runs, as Celery's tools ask for it.

    Arguments:
        step: the step.
        identity: the id of the message, or of what stands for one.
        task: Celery's.
        hostname: Celery's name of the worker.
    """

    acknowledged = True  # it is off its list: Celery has nothing to give back
    eventer: Any = None  # Celery sets it

    def __init__(self, step: Step, identity: str, task: Task, hostname: str) -> None:
        self.name, self.id, self.task, self.hostname = step.task, identity, task, hostname
        self.arguments = step.run, step.id
        self.queue = broker_queue(step.queue, as_text(step.resources))
        self.time_start = time.time()
        self.begun = time.monotonic()

    def info(self, safe: bool = False) -> dict[str, Any]:
        """What `celery inspect active` prints."""
        return {
            "id": self.id,
            "name": self.name,
            "args": repr(self.arguments) if safe else list(self.arguments),
            "kwargs": "{}" if safe else {},
            "type": self.name,
            "hostname": self.hostname,
            "time_start": self.time_start,
            "acknowledged": self.acknowledged,
            "delivery_info": {"exchange": "", "routing_key": self.queue},
            "worker_pid": os.getpid(),
        }

    def humaninfo(self) -> str:
        """Name and id."""
        return f"{self.name}[{self.id}]"

    def terminate(self, *_: object, **__: object) -> None:
        """Nothing: a step is stopped with its run, by whatever worker has it."""
        _LOGGER.warning(
            "run %s step %s is not stopped by Celery: use `taskmgr cancel`", *self.arguments
        )


class Showing:
    """Shows the steps that one worker runs. Safe to use from many threads.

    Arguments:
        application: Celery's.
        hostname: Celery's name of the worker.
        dispatcher: Celery's way to tell of events; None while it is not connected.
    """

    def __init__(self, application: Celery, hostname: str, dispatcher: Callable[[], Any]) -> None:
        self._application = application
        self._hostname = hostname
        self._dispatcher = dispatcher

    def begin(self, step: Step, message: str) -> StepRequest:
        """A step begins; it is shown until ``end``.

        Arguments:
            step: as it is claimed.
            message: the id of the message that told of it; empty where there was none.
        """
        identity = message or f"{step.run}.{step.id}.{step.attempt}"
        request = StepRequest(
            step, identity, register(self._application, step.task), self._hostname
        )
        state.task_reserved(request)
        state.task_accepted(request)
        if self._is_asked():
            arguments = {"args": repr(request.arguments), "kwargs": "{}", "root_id": identity}
            self._tell(request, "task-received", name=request.name, retries=0, **arguments)
            self._tell(request, "task-started")
        return request

    def end(self, request: StepRequest) -> None:
        """It has ended: what came of it is in the store, Celery is told only that it is over."""
        state.task_ready(request)
        if self._is_asked():
            runtime = time.monotonic() - request.begun
            self._tell(request, "task-succeeded", result="None", runtime=runtime)

    def _is_asked(self) -> bool:
        """Whether anybody listens: Flower switches them on (`celery control enable_events`)."""
        found = self._dispatcher()
        return bool(found is not None and found.enabled) and (
            not found.groups or "task" in found.groups
        )

    def _tell(self, request: StepRequest, kind: str, **fields: Any) -> None:
        try:
            self._dispatcher().send(kind, uuid=request.id, **fields)
        except Exception as error:  # noqa: BLE001 - whatever its transport raises, the step goes on
            _LOGGER.debug("nobody could be told that %s: %s", kind, error)
