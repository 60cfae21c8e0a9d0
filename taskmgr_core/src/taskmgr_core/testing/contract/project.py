"""The plugin project whose contracts are checked, and what its author claims of it.

``[tool.taskmgr.contract]`` of its ``pyproject.toml`` holds for all of its tasks, and
``[tool.taskmgr.contract.tasks.NAME]`` for one.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from taskmgr_core.errors import PublishError, nearest
from taskmgr_core.publishing.sources import Source, read_source
from taskmgr_plugins.hookspecs import ENTRY_POINT_GROUP

SAMPLES = "tests/samples"
_TABLE = "[tool.taskmgr.contract]"


@attrs.frozen
class Claims:
    """What an author claims of a task.

    Attributes:
        load_seconds: seconds in which it is loaded in a fresh process.
        deterministic: whether equal inputs give equal outputs, in any process.
        runs: how many runs its memory is watched for.
        memory_kb_per_run: kilobytes that it may grow by with each of them.
        cases: how many odd inputs it is given at most.
    """

    load_seconds: float = 10.0
    deterministic: bool = False
    runs: int = 200
    memory_kb_per_run: float = 16.0
    cases: int = 150


# The smallest that each number may be.
_SMALLEST: Mapping[str, float] = {
    "load_seconds": 0.01,
    "runs": 40,
    "memory_kb_per_run": 0.1,
    "cases": 1,
}


@attrs.frozen
class Project:
    """A plugin project.

    Attributes:
        source: what is published of it.
        tasks: the names of its entry points, sorted.
        samples: the folder of its sample inputs; it may be absent.
        claims: those of each task.
    """

    source: Source
    tasks: tuple[str, ...]
    samples: Path
    claims: Mapping[str, Claims]

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.source.path

    def shown(self, path: Path) -> str:
        """A path as messages have it: from the project's folder, where it is inside."""
        inside = path.is_relative_to(self.folder)
        return str(path.relative_to(self.folder) if inside else path)


def find_project(begin: Path) -> Path | None:
    """The nearest folder, upwards, whose ``pyproject.toml`` announces a task."""
    for folder in (begin, *begin.parents):
        path = folder / "pyproject.toml"
        if path.is_file() and _announces(path):
            return folder
    return None


def read_project(folder: Path) -> Project:
    """Read a project.

    Raises:
        PublishError: it is no plugin's, or claims what cannot be claimed; with the place.
    """
    source = read_source(folder)
    if source.lock is None:
        raise PublishError(f"{folder} is a wheel; give the folder of the plugin's project")
    document = tomllib.loads((source.path / "pyproject.toml").read_text(encoding="utf-8"))
    tasks = tuple(sorted(_entries(document)))
    if not tasks:
        raise PublishError(
            f"{folder}/pyproject.toml leaves its entry points to the build backend (dynamic); to "
            f'know its tasks before it is built, name them in [project.entry-points."'
            f'{ENTRY_POINT_GROUP}"]'
        )
    table = _table(document.get("tool", {}).get("taskmgr", {}).get("contract", {}), _TABLE)
    own = _table(table.get("tasks", {}), "[tool.taskmgr.contract.tasks]")
    if unknown := sorted(set(own) - set(tasks)):
        raise PublishError(
            f"[tool.taskmgr.contract.tasks.{unknown[0]}]: there is no such task; "
            f"{nearest(unknown[0], tasks)}"
        )
    common = _claims({key: each for key, each in table.items() if key != "tasks"}, Claims(), _TABLE)
    return Project(
        source=source,
        tasks=tasks,
        samples=source.path / _samples(table),
        claims={name: _own_claims(own.get(name, {}), common, name) for name in tasks},
    )


def _announces(path: Path) -> bool:
    try:
        return bool(_entries(tomllib.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError):
        return False


def _entries(document: Mapping[str, Any]) -> Mapping[str, Any]:
    found = document.get("project", {}).get("entry-points", {}).get(ENTRY_POINT_GROUP, {})
    return found if isinstance(found, Mapping) else {}


def _table(found: object, place: str) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        raise PublishError(f"{place} is {found!r}; it must be a table")
    return found


def _samples(table: Mapping[str, Any]) -> str:
    found = table.get("samples", SAMPLES)
    if not isinstance(found, str) or not found:
        raise PublishError(
            f"{_TABLE} samples is {found!r}; it must be a folder of the project, as {SAMPLES!r}"
        )
    return found


def _own_claims(table: object, common: Claims, name: str) -> Claims:
    place = f"[tool.taskmgr.contract.tasks.{name}]"
    found = _table(table, place)
    if "samples" in found:
        raise PublishError(
            f"{place} has samples; they are in one folder for all tasks, named in {_TABLE}: those "
            f"of {name} are {name}.json there, or the files of the folder {name}"
        )
    return _claims(found, common, place)


def _claims(table: Mapping[str, Any], common: Claims, place: str) -> Claims:
    known = [*(each.name for each in attrs.fields(Claims)), "samples"]
    for name, value in table.items():
        if name not in known:
            raise PublishError(f"{place} has {name!r}; {nearest(name, known)}")
        if name != "samples" and (wrong := _wrong(name, value)):
            raise PublishError(f"{place} {name} is {value!r}; it must be {wrong}")
    return attrs.evolve(common, **{key: each for key, each in table.items() if key != "samples"})


def _wrong(name: str, value: object) -> str | None:
    """What it must be; None when it is."""
    default = getattr(Claims(), name)
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "true or false"
    smallest = _SMALLEST[name]
    whole = isinstance(default, int)
    kind = int if whole else int | float
    if not isinstance(value, kind) or isinstance(value, bool):
        return f"{'a whole' if whole else 'a'} number of at least {smallest:g}"
    return None if smallest <= value < math.inf else f"at least {smallest:g}"
