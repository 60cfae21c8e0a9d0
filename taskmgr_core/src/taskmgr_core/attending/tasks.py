"""Tasks: their versions and who gets them, their latest runs, and trying one out."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import attrs

from taskmgr_core.client import Client
from taskmgr_core.errors import NotFoundError, Problem
from taskmgr_core.orchestrator.compatibility import type_name
from taskmgr_core.rollouts import percent_of
from taskmgr_core.run_ids import new_run_id
from taskmgr_core.specs import Graph, RunSummary, TaskVersion

MOST_RUNS = 10


@attrs.frozen
class VersionShare:
    """A version, and what operators have said of it.

    Attributes:
        percent: how many of a hundred new runs get it.
        yanked: why none gets it unless it names it; None where it was not yanked.
    """

    known: TaskVersion
    percent: int
    yanked: str | None


@attrs.frozen
class TaskBook:
    """A task.

    Attributes:
        versions: the highest first.
        pinned: whether what new runs get was pinned.
        runs: the latest runs with a step of it, the newest first.
    """

    name: str
    versions: tuple[VersionShare, ...]
    pinned: bool
    runs: tuple[RunSummary, ...]

    @property
    def current(self) -> VersionShare:
        """The version that most new runs get; the highest where none gets any."""
        return max(self.versions, key=lambda each: each.percent)


def look(client: Client, task: str) -> TaskBook:
    """Read a task: a few queries, each served by an index.

    Raises:
        NotFoundError: with the nearest name.
    """
    found, route = client.rollouts.versions(task)
    versions = tuple(
        VersionShare(each, percent_of(each.version, found, route), route.yanked.get(each.version))
        for each in found
    )
    used = client.metadata.runs_using(
        [(task, each.version) for each in found], None, older=True, limit=MOST_RUNS
    )
    runs = []
    for each in used:
        with contextlib.suppress(NotFoundError):  # removed meanwhile: the task is still there
            runs.append(client.metadata.summary(each))
    return TaskBook(task, versions, route.choice.pinned, tuple(runs))


def named(schema: Mapping[str, Any]) -> str:
    """What a field takes, for people: ``Image``, ``number or null``."""
    return type_name(schema)


def faults(client: Client, schema: Mapping[str, Any], value: Any, name: str) -> tuple[Problem, ...]:
    """What is wrong with a JSON value for a field; nothing is stored, no store is asked."""
    return client.reader.validator.validate(value, schema, name)


@attrs.frozen
class Submitted:
    """A run that was begun.

    Attributes:
        run: its id.
        waits: whether no living worker takes it: then it waits until one is started.
    """

    run: str
    waits: bool


def submit(client: Client, task: str, version: str, inputs: Mapping[str, Any]) -> Submitted:
    """Begin a run of one version of a task, for workers: nothing runs in this process.

    Arguments:
        client: of the platform.
        task, version: what is run.
        inputs: name -> value, files as paths; see ``InputReader.read``.

    Raises:
        InvalidInputsError: with every fault; nothing is recorded.
        NotFoundError: no such task or version.
    """
    graph = client.graph(task, version)
    run = client.submit(task, inputs, version, graph, new_run_id())
    return Submitted(run, not served(client, graph))


def served(client: Client, graph: Graph) -> bool:
    """Whether living workers take each step of a graph."""
    workers = [
        each
        for each in client.workers()
        if client.alive(each) and not each.private and not each.draining
    ]
    return all(any(each.serves(step) for each in workers) for step in graph.steps)
