"""Runs by a text in what they were given."""

from __future__ import annotations

from taskmgr_core.client import Client
from taskmgr_core.specs import RunStatus
from taskmgr_core.stores.metadata import RunFilter
from taskmgr_core.stores.searching import LOOKED, Found

__all__ = ["LOOKED", "with_input"]


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
