"""Refuses a version that breaks who uses an earlier one of the same major."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from taskmgr_core.errors import ConflictError, NotFoundError
from taskmgr_core.orchestrator.changes import changes
from taskmgr_core.orchestrator.routing import rank, series
from taskmgr_core.specs import TaskSpec, TaskVersion
from taskmgr_core.stores.metadata import MetadataStore


def refuse_breaking(metadata: MetadataStore, version: str, tasks: Iterable[TaskSpec]) -> None:
    """Refuse a version whose tasks do not fit those of the version before it.

    Semantic versioning: who takes 1.4 for 1.3 may expect that all goes on. Below 1.0 the
    second number counts, as 0.4 for 0.3.

    Arguments:
        metadata: where the earlier versions are.
        version: the one that is to be published.
        tasks: its tasks.

    Raises:
        ConflictError: with every change that breaks something.
    """
    told = []
    for task in tasks:
        before = _before(metadata, version, task.name)
        if before is not None:
            found = [each for each in changes(before.task, task) if each.breaking]
            told += [
                f"{task.name} ({before.version} -> {version}): {each.place} {each.kind}: "
                f"{each.text}"
                for each in found
            ]
    if told:
        raise ConflictError(
            f"version {version} breaks pipelines and programs that fit the version before it: "
            + "; ".join(told)
            + f"; raise the {_part(version)} number of the version, or publish it all the same "
            "with --force"
        )


def _before(metadata: MetadataStore, version: str, task: str) -> TaskVersion | None:
    """The highest version below this one that promises to fit; None where there is none."""
    try:
        known: Sequence[TaskVersion] = metadata.versions(task)
    except NotFoundError:
        return None
    mine = series(version)
    return next(
        (
            each
            for each in known
            if mine is not None
            and series(each.version) == mine
            and rank(each.version) < rank(version)
        ),
        None,
    )


def _part(version: str) -> str:
    return "first" if series(version) != (0,) and len(series(version) or ()) == 1 else "second"
