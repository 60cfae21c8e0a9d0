"""Runs by a text in what they were given, and a run once more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taskmgr_core.client import Client
from taskmgr_core.errors import InvalidValueError
from taskmgr_core.run_ids import new_run_id
from taskmgr_core.specs import Run, RunStatus
from taskmgr_core.stores.metadata import RunFilter
from taskmgr_core.stores.searching import LOOKED, Found
from taskmgr_core.values import fetched

__all__ = ["LOOKED", "again", "with_input"]


def with_input(
    client: Client,
    text: str,
    *,
    status: RunStatus | None = None,
    name: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> Found:
    """A page of runs with a text in an input; the store looks at ``LOOKED`` runs at most.

    Arguments:
        client: of the platform.
        text: as it is written in a text, a number or the name of a file.
        status: only these; None for all.
        name: only runs of this pipeline or task.
        before: only runs with smaller ids.
        limit: how many at most.
    """
    return client.metadata.runs_with_input(RunFilter(status, name, before, limit), text, LOOKED)


def again(client: Client, run_id: str) -> str:
    """Submit a new run of the same pipeline or task with the inputs of a run; its id.

    It gets the versions that new runs get now; the old run stays as it is.

    Raises:
        NotFoundError: the run, its pipeline or its task is not known.
        InvalidInputsError: the inputs do not fit any more.
    """
    run = client.metadata.run(run_id)
    return client.submit(run.name, _inputs(client, run), run_id=new_run_id())


def _inputs(client: Client, run: Run) -> Mapping[str, Any]:
    given = {
        value.port: fetched(value.document, client.artifacts)
        for value in client.metadata.values(run.id, [*run.graph.inputs])
    }
    missing = set(run.graph.inputs) - set(run.graph.optional) - set(given)
    if missing:
        raise InvalidValueError(
            f"run {run.id} has no recorded {', '.join(sorted(missing))}; "
            f"give it: taskmgr run {run.name} ..."
        )
    return given
