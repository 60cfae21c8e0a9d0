"""The JSON of weights that ``--json`` prints; see ``views``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from taskmgr_core import documents
from taskmgr_core.cli.views import moment, summary_view
from taskmgr_core.model_registry import Model, ModelUses
from taskmgr_core.models import ModelCopy


def model_view(model: Model, here: Mapping[str, ModelCopy | None]) -> dict[str, Any]:
    """Weights.

    Arguments:
        model: the model.
        here: digest -> how it lies on this machine.
    """
    copy = here.get(model.digest)
    return {
        "digest": model.digest,
        "names": list(model.names),
        "size_bytes": model.size,
        "declared": [documents.unstructure(each) for each in model.specs],
        "tasks": [
            {
                "task": each.name,
                "version": each.version,
                "distribution": each.release.distribution,
                "published_at": each.release.published_at,
            }
            for each in model.versions
        ],
        "here": model.digest in here,
        "in_use": copy is not None and copy.in_use,
        "last_used": moment(copy.used) if copy is not None else None,
    }


def uses_view(uses: ModelUses) -> dict[str, Any]:
    """The runs that used weights."""
    return {
        "runs": [
            {
                **summary_view(each.run),
                "steps": [
                    {"id": step.id, "task": step.task, "version": step.version}
                    for step in each.steps
                ],
            }
            for each in uses.uses
        ],
        "next": uses.next or None,
    }


def copy_view(copy: ModelCopy) -> dict[str, Any]:
    """Weights as they lie on this machine."""
    return {
        "digest": copy.digest,
        "names": list(copy.names),
        "size_bytes": copy.size,
        "room_bytes": copy.room,
        "last_used": moment(copy.used),
        "in_use": copy.in_use,
    }


def seen_view(model: Model, faults: Sequence[str]) -> dict[str, Any]:
    """What came of reading weights, and what to do."""
    plugins = sorted({each.release.distribution for each in model.versions})
    advice = [
        f"where the store is damaged: put the right file into the folder models of {each} and "
        "publish it again"
        for each in plugins
    ]
    advice.append("where a copy of this machine is damaged: remove that file, it is made again")
    return {
        "digest": model.digest,
        "names": list(model.names),
        "faults": list(faults),
        "advice": advice if faults else [],
    }


def task_names(model: Model) -> str:
    """The tasks that use weights, each with its versions."""
    versions: dict[str, list[str]] = {}
    for each in model.versions:
        versions.setdefault(each.name, []).append(each.version)
    return ", ".join(f"{task} {' '.join(found)}" for task, found in versions.items())
