"""The message that tells a worker of a ready step, as Celery itself would write it.

Celery's task message protocol 2 in the envelope of kombu's Redis transport. Written here
because that is all a client needs of Celery, which is slow to import, and because many
messages then cost one round trip. A test compares it with a message of Celery's own.

Sources: Celery, "Message Protocol", version 2; kombu, ``transport/virtual/base.py`` and
``transport/redis.py``.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import socket
import time
import uuid
from typing import Any

import attrs

from taskmgr_core.queue.celery.address import PASSES, SENT_AT, broker_priority, queue_of
from taskmgr_core.specs import ReadyStep

_TASK_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,199}\Z")
_PERSISTENT = 2
_EMBEDDED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


@attrs.frozen
class Told:
    """What a message says.

    Attributes:
        id: the message's own.
        run: the run's id.
        step: the step's id.
        task: its task's name.
        queue: the broker's queue that it came from.
        priority: ours, of the step.
        passes: how often workers that serve no such task have sent it on.
    """

    id: str
    run: str
    step: str
    task: str
    queue: str
    priority: int
    passes: int = 0


def told_by(text: bytes | str) -> Told:
    """What a message says that ``message_of``, or Celery itself, has written.

    Raises:
        ValueError, KeyError, TypeError: it is none that tells of a step.
    """
    message = json.loads(text)
    headers, properties = message["headers"], message["properties"]
    (run_id, step_id), *_ = json.loads(base64.b64decode(message["body"]))
    name = headers["task"]
    if not _TASK_NAME.match(name):
        raise ValueError(f"{name!r} is no name of a task")
    return Told(
        id=str(headers["id"]),
        run=str(run_id),
        step=str(step_id),
        task=name,
        queue=str(properties["delivery_info"]["routing_key"]),
        priority=broker_priority(int(properties.get("priority") or 0)),
        passes=int(headers.get(PASSES) or 0),
    )


def message_of(step: ReadyStep, passes: int = 0) -> str:
    """The text that waits in the step's list: its ids under the name of its task.

    Arguments:
        step: what is ready.
        passes: how often workers that serve no such task have sent it on.
    """
    name = f"{step.run}.{step.id}.{secrets.token_hex(4)}"
    arguments = [step.run, step.id]
    body = json.dumps([arguments, {}, _EMBEDDED], separators=(",", ":"))
    message = {
        "body": base64.b64encode(body.encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": _headers(step.task, name, arguments) | ({PASSES: passes} if passes else {}),
        "properties": {
            "correlation_id": name,
            "reply_to": "",
            "delivery_mode": _PERSISTENT,
            "delivery_info": {"exchange": "", "routing_key": queue_of(step)},
            "priority": broker_priority(step.priority),
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
        },
    }
    return json.dumps(message, separators=(",", ":"))


def _headers(task: str, name: str, arguments: list[str]) -> dict[str, Any]:
    return {
        "lang": "py",
        "task": task,
        "id": name,
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": name,
        "parent_id": None,
        "argsrepr": repr(tuple(arguments)),
        "kwargsrepr": "{}",
        "origin": f"gen{os.getpid()}@{socket.gethostname()}",
        "ignore_result": True,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
        SENT_AT: time.time(),
    }
