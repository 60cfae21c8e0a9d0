"""The file that says what one worker does: ``taskmgr worker start --config worker.toml``.

Queue and priority of a task are not in it: a step is sent to its queue when its run is
submitted, before any worker hears of it, so they belong in the platform's config.toml.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from taskmgr_core.errors import Problem, SettingsError, nearest
from taskmgr_core.overrides import gather_overrides, shown
from taskmgr_plugins.tasks import queue_fault

MOST_STEPS = 1000

_WORKER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


@attrs.frozen
class WorkerConfiguration:
    """What one worker does. What is not said is as the settings say.

    Attributes:
        worker_id: the beginning of its id, which no other worker has; empty for its machine's.
        max_concurrent_tasks: how many steps at once; 0 where it is not said.
        active_tasks: the tasks whose steps it runs; empty for all.
        queues: the queues that it serves; empty for all.
        timeouts: task name -> seconds for one attempt, in place of what the run says.
    """

    worker_id: str = ""
    max_concurrent_tasks: int = 0
    active_tasks: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    timeouts: Mapping[str, float] = attrs.field(factory=dict)


def read_worker_file(path: Path) -> WorkerConfiguration:
    """Read a worker's file.

    Raises:
        SettingsError: with every fault and its place.
    """
    try:
        document = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    problems = list(_faults(document))
    timeouts = _timeouts(document, problems)
    if problems:
        raise SettingsError(f"{path}:" + "".join(f"\n  {each}" for each in problems))
    return WorkerConfiguration(
        document.get("worker_id", ""),
        document.get("max_concurrent_tasks", 0),
        tuple(document.get("active_tasks", ())),
        tuple(document.get("queues", ())),
        timeouts,
    )


def worker_id_fault(value: Any) -> str | None:
    """Why a text cannot be a worker's id; None when it can."""
    if isinstance(value, str) and _WORKER_ID.match(value):
        return None
    return (
        f"{shown(value)} is no id; allowed are 1 to 64 ASCII letters, digits, '_', '-' and '.', a "
        "letter or digit first"
    )


def _faults(document: Mapping[str, Any]) -> Iterator[Problem]:
    checks: Mapping[str, Callable[[Any], Iterator[Problem]]] = {
        "worker_id": lambda value: _whole("worker_id", worker_id_fault(value)),
        "max_concurrent_tasks": lambda value: _whole("max_concurrent_tasks", _count_fault(value)),
        "active_tasks": lambda value: _list_faults("active_tasks", value, _task_fault),
        "queues": lambda value: _list_faults("queues", value, queue_fault),
        "tasks": lambda _: iter(()),
    }
    for name, value in document.items():
        if name not in checks:
            yield Problem(name, f"unknown; {nearest(name, checks)}")
        else:
            yield from checks[name](value)


def _whole(place: str, wrong: str | None) -> Iterator[Problem]:
    if wrong is not None:
        yield Problem(place, wrong)


def _count_fault(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_STEPS:
        return None
    return f"{shown(value)} is not allowed; it must be a whole number, 1 to {MOST_STEPS}"


def _task_fault(value: Any) -> str | None:
    return None if isinstance(value, str) and value else f"{shown(value)} is no task's name"


def _list_faults(place: str, value: Any, fault: Callable[[Any], str | None]) -> Iterator[Problem]:
    if not isinstance(value, list) or not value:
        yield Problem(
            place, f"{shown(value)} is not a list with names in it; leave it out to serve all"
        )
        return
    for index, each in enumerate(value):
        yield from _whole(f"{place}[{index}]", fault(each))


def _timeouts(document: Mapping[str, Any], problems: list[Problem]) -> Mapping[str, float]:
    overrides = gather_overrides(document.get("tasks", {}), "tasks", problems)
    active = document.get("active_tasks")
    for task, each in overrides.items():
        place = f"tasks.{task}"
        problems.extend(
            Problem(
                f"{place}.{name}",
                "this is decided when a run is submitted, before a worker hears of it; "
                f"write it as [{place}] into config.toml in the home",
            )
            for name in ("queue", "priority")
            if getattr(each, name) is not None
        )
        if isinstance(active, list) and active and task not in active:
            problems.append(
                Problem(
                    place, f"{task!r} is not among the active_tasks, so this worker never runs it"
                )
            )
    return {task: each.timeout for task, each in overrides.items() if each.timeout is not None}
