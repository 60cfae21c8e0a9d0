"""What hooks are told: what happened on the platform, and what is about to be published.

Attributes are only ever added, with a default; none goes, or changes its meaning, but with a
major version.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import attrs

NotificationKind = Literal[
    "channel-test", "run-failed", "run-slow", "step-quarantined", "step-slow", "worker-lost"
]


@attrs.frozen
class StepStarted:
    """A worker has claimed an attempt at a step, and the claim is recorded.

    Attributes:
        run: the run's id.
        step: the step's id in it.
        task: the task's name.
        version: its version.
        attempt: which attempt it is, from 1.
        worker: the worker's id.
        time: UTC seconds since 1970.
    """

    run: str
    step: str
    task: str
    version: str
    attempt: int
    worker: str
    time: float


@attrs.frozen
class StepEnded:
    """What came of an attempt is recorded.

    Attributes:
        run, step, task, version, attempt, worker: as in ``StepStarted``.
        status: ``ready`` means that there will be another attempt, ``skipped`` that its condition
            did not hold.
        time: UTC seconds since 1970.
        seconds: stage -> seconds, as ``compute`` and ``total``; empty where the worker died.
        failure: the code of the failure, as ``timeout``; empty where there is none.
        message: what went wrong.
    """

    run: str
    step: str
    task: str
    version: str
    attempt: int
    worker: str
    status: Literal["succeeded", "failed", "cancelled", "ready", "skipped"]
    time: float
    seconds: Mapping[str, float] = attrs.field(factory=dict)
    failure: str = ""
    message: str = ""


@attrs.frozen
class RunStarted:
    """A run is recorded.

    Attributes:
        run: its id.
        name: the pipeline's or task's name.
        kind: which of the two.
        time: UTC seconds since 1970.
    """

    run: str
    name: str
    kind: Literal["pipeline", "task"]
    time: float


@attrs.frozen
class RunEnded:
    """The end of a run is recorded.

    Attributes:
        run, name, kind: as in ``RunStarted``.
        status: how it ended.
        started_at: UTC seconds since 1970 at which it was recorded.
        time: UTC seconds since 1970 at which it ended.
        failure: the code of the failure; empty where there is none.
        message: what went wrong.
    """

    run: str
    name: str
    kind: Literal["pipeline", "task"]
    status: Literal["succeeded", "failed", "cancelled"]
    started_at: float
    time: float
    failure: str = ""
    message: str = ""


@attrs.frozen
class Notification:
    """Something that a person may want to know.

    Attributes:
        kind: what it is about, there may be more kinds in later versions.
        message: what happened, for people.
        time: UTC seconds since 1970.
        run: the run's id; empty where it is about none.
        step: the step's id; empty where it is about none.
        task: the name of the step's task, or of the run's pipeline or task.
        worker: the worker's id; empty where it is about none.
        code: the code of the failure; empty where there is none.
    """

    kind: NotificationKind
    message: str
    time: float
    run: str = ""
    step: str = ""
    task: str = ""
    worker: str = ""
    code: str = ""


@attrs.frozen
class Publication:
    """A plugin that is about to be published: built, locked and loaded once, not yet registered.

    Attributes:
        distribution: its name.
        version: its version.
        wheel: where its wheel lies while it is checked.
        licence: as its metadata has it; empty where that says nothing.
        requires_python: the Pythons that it allows, as ``>=3.11``.
        dependencies: name -> the versions that are locked, those of dependencies included.
        tasks: the document of each task, as ``taskmgr info TASK --json`` has it in ``task``:
            ``name``, ``queue``, ``timeout``, ``inputs``, ``models`` and so on.
        signed: whether it is going to be signed.
    """

    distribution: str
    version: str
    wheel: Path
    licence: str
    requires_python: str
    dependencies: Mapping[str, tuple[str, ...]]
    tasks: tuple[Mapping[str, Any], ...]
    signed: bool
