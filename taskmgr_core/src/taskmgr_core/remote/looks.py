"""What the dashboard asks of a server; as ``requests``, pure."""

from __future__ import annotations

from collections.abc import Collection

from taskmgr_core.api.models import dashboard as wire
from taskmgr_core.attending.tasks import TaskBook
from taskmgr_core.remote.requests import Asked, named, reading
from taskmgr_core.specs import RunDetail, TaskVersion
from taskmgr_core.tracing import Page, Trace

HERE = "/dashboard"


def picture() -> Asked[wire.SeenPicture]:
    """Workers, queues and counts."""
    return Asked("GET", f"{HERE}/picture", reading(wire.SeenPicture))


def services() -> Asked[wire.Services]:
    """How each service is."""
    return Asked("GET", f"{HERE}/services", reading(wire.Services))


def times(known: Collection[str]) -> Asked[wire.LatestSteps]:
    """The times of the newest runs' steps, without those that are known."""
    body = {"runs": list(known)}
    return Asked("POST", f"{HERE}/times", reading(wire.LatestSteps), body=body)


def runs(status: str | None, name: str | None, before: str | None, limit: int) -> Asked[wire.Runs]:
    """A page of runs."""
    params = _given(status=status, name=name, before=before, limit=str(limit))
    return Asked("GET", f"{HERE}/runs", reading(wire.Runs), params)


def with_input(
    text: str, status: str | None, name: str | None, before: str | None, limit: int
) -> Asked[wire.FoundRuns]:
    """A page of runs with a text in an input."""
    params = _given(text=text, status=status, name=name, before=before, limit=str(limit))
    return Asked("GET", f"{HERE}/runs", reading(wire.FoundRuns), params)


def run(run_id: str) -> Asked[RunDetail]:
    """Everything of a run."""
    return Asked("GET", _run(run_id), reading(RunDetail))


def mark(run_id: str, after: int) -> Asked[wire.RunMark]:
    """Whether a run has changed."""
    return Asked("GET", f"{_run(run_id)}/mark", reading(wire.RunMark), {"after": str(after)})


def log(run_id: str, after: int) -> Asked[wire.Lines]:
    """The next lines of a log."""
    return Asked("GET", f"{_run(run_id)}/log", reading(wire.Lines), {"after": str(after)})


def served(run_id: str) -> Asked[wire.Served]:
    """Whether workers take a run."""
    return Asked("GET", f"{_run(run_id)}/served", reading(wire.Served))


def workers() -> Asked[wire.SeenWorkers]:
    """Every worker."""
    return Asked("GET", f"{HERE}/workers", reading(wire.SeenWorkers))


def tasks() -> Asked[wire.Versions]:
    """Every task."""
    return Asked("GET", f"{HERE}/tasks", reading(wire.Versions))


def task(name: str) -> Asked[TaskBook]:
    """A task with its versions."""
    return Asked("GET", f"{HERE}/tasks/{named(name)}", reading(TaskBook))


def version(task: str, version: str | None) -> Asked[TaskVersion]:
    """A version of a task."""
    path = f"{HERE}/tasks/{named(task)}/version"
    return Asked("GET", path, reading(TaskVersion), _given(version=version))


def trace(digest: str) -> Asked[Trace]:
    """What a value came from and led to."""
    return Asked("GET", f"{HERE}/lineage/{named(digest)}", reading(Trace))


def trace_further(cursor: str) -> Asked[Page]:
    """The next page of a trace; of what, the cursor knows."""
    anything = "0" * 64
    return Asked("GET", f"{HERE}/lineage/{anything}", reading(Page), {"cursor": cursor})


def _run(run_id: str) -> str:
    return f"{HERE}/runs/{named(run_id)}"


def _given(**told: str | None) -> dict[str, str]:
    return {key: value for key, value in told.items() if value is not None}
