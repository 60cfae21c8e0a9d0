"""What operators say of tasks: queue, priority and timeout in place of the plugin's own.

Queue and priority are where a step is sent, so they are decided when a run is submitted:
in the platform's ``config.toml``, which submitting clients read. A timeout can be decided
there too, and by a worker for what it runs itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from taskmgr_core.errors import Problem, SettingsError, nearest
from taskmgr_core.specs import Graph
from taskmgr_plugins.tasks import queue_fault

LARGEST_PRIORITY = 9
_SHOWN_CHARACTERS = 60


@attrs.frozen
class TaskOverride:
    """What is said of one task; None where the plugin's own word holds.

    Attributes:
        queue: where its steps are sent.
        priority: 0 to 9, higher first.
        timeout: of one attempt, in seconds.
    """

    queue: str | None = None
    priority: int | None = None
    timeout: float | None = None


class Overrides(dict[str, TaskOverride]):
    """Task name -> what is said of it."""

    def __str__(self) -> str:
        return "; ".join(f"{name}: {_described(each)}" for name, each in self.items())


def overridden(graph: Graph, overrides: Mapping[str, TaskOverride]) -> Graph:
    """A graph as operators want it."""
    if not any(step.task in overrides for step in graph.steps):
        return graph
    steps = tuple(
        attrs.evolve(step, **_said(overrides.get(step.task, TaskOverride())))
        for step in graph.steps
    )
    return attrs.evolve(graph, steps=steps)


def read_overrides(document: Any, place: str) -> Overrides:
    """The tables ``[tasks.NAME]``.

    Arguments:
        document: as it was parsed.
        place: where it stands, for messages.

    Raises:
        SettingsError: with every fault and its place.
    """
    problems: list[Problem] = []
    found = gather_overrides(document, "", problems)
    if problems:
        raise SettingsError(f"{place}: " + "; ".join(str(each) for each in problems))
    return found


def gather_overrides(document: Any, place: str, problems: list[Problem]) -> Overrides:
    """As ``read_overrides``; faults are added to the problems."""
    found = Overrides()
    if not isinstance(document, Mapping):
        problems.append(Problem(place, f"{shown(document)} is not a table of tasks"))
        return found
    for task, table in document.items():
        here = f"{place}.{task}".removeprefix(".")
        if not isinstance(table, Mapping):
            problems.append(Problem(here, f"{shown(table)} is not a table, as {{timeout = 300}}"))
            continue
        faults = list(_faults(table, here))
        problems += faults
        if not faults:
            timeout = table.get("timeout")
            found[str(task)] = TaskOverride(
                table.get("queue"),
                table.get("priority"),
                None if timeout is None else float(timeout),
            )
    return found


def shown(value: Any) -> str:
    """A wrong value for a message, no longer than one line."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


def _faults(table: Mapping[str, Any], place: str) -> Iterator[Problem]:
    checks = {"queue": _queue_fault, "priority": _priority_fault, "timeout": _timeout_fault}
    for name, value in table.items():
        if name not in checks:
            yield Problem(f"{place}.{name}", f"unknown; {nearest(name, checks)}")
        elif wrong := checks[name](value):
            yield Problem(f"{place}.{name}", wrong)


def _queue_fault(value: Any) -> str | None:
    return queue_fault(value) if isinstance(value, str) else f"{shown(value)} is not a text"


def _priority_fault(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_PRIORITY:
        return None
    return f"{shown(value)} is no priority; it must be a whole number, 0 to {LARGEST_PRIORITY}"


def _timeout_fault(value: Any) -> str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and math.isfinite(value) and value > 0:
        return None
    return f"{shown(value)} is no timeout; it must be a number of seconds above 0"


def _said(override: TaskOverride) -> dict[str, Any]:
    return {name: value for name, value in attrs.asdict(override).items() if value is not None}


def _described(override: TaskOverride) -> str:
    return ", ".join(f"{name} {value}" for name, value in _said(override).items())
