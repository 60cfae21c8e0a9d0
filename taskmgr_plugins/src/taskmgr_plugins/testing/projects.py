"""The plugin that is tested: its folder, its tasks by name, its weights."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import inspect
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pluggy

from taskmgr_plugins import hookspecs
from taskmgr_plugins.definitions import TaskDefinition, define
from taskmgr_plugins.errors import TaskDefinitionError, nearest
from taskmgr_plugins.host import load_plugin

PROJECT_FILE = "pyproject.toml"
MODELS_FOLDER = "models"


def project_of(path: Path) -> Path | None:
    """The nearest folder above a path whose ``pyproject.toml`` announces tasks; None if none."""
    for folder in (path, *path.parents):
        if (folder / PROJECT_FILE).is_file() and announced_in(folder):
            return folder
    return None


def announced_in(project: Path) -> Mapping[str, str]:
    """The entry points of a project's tasks: name -> module."""
    try:
        document = tomllib.loads((project / PROJECT_FILE).read_text(encoding="utf-8"))
        points = document["project"]["entry-points"][hookspecs.ENTRY_POINT_GROUP]
    except (KeyError, OSError, TypeError, ValueError):
        return {}
    return {str(name): str(module) for name, module in points.items()}


def definition_of(task: Any, start: Path) -> TaskDefinition:
    """What a task declares.

    Arguments:
        task: a ``Task`` class, a function marked with ``@task``, or the name of a task: of the
            project above ``start``, else of an installed plugin.
        start: a folder of the tests.

    Raises:
        TaskDefinitionError: there is no such task, or it is declared in a way that cannot work.
    """
    return _named(task, project_of(start)) if isinstance(task, str) else define(task)


def _named(name: str, project: Path | None) -> TaskDefinition:
    announced = announced_in(project) if project else {}
    if name in announced:
        found = _by_module(announced[name])
        if name not in found:
            raise TaskDefinitionError(
                f"the module {announced[name]!r} announces no task {name!r}; {nearest(name, found)}"
            )
        return found[name]
    installed = {
        point.name: point.dist.name
        for point in importlib.metadata.entry_points(group=hookspecs.ENTRY_POINT_GROUP)
        if point.dist is not None
    }
    if name not in installed:
        where = f"neither {project / PROJECT_FILE} nor" if project else "no"
        raise TaskDefinitionError(
            f"{where} installed plugin announces a task {name!r}; "
            f"{nearest(name, {*announced, *installed})}"
        )
    return load_plugin(installed[name])[name]


def _by_module(module: str) -> dict[str, TaskDefinition]:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(importlib.import_module(module))
    found = (define(each) for given in manager.hook.taskmgr_tasks() for each in given)
    return {each.name: each for each in found}


def source_folder(definition: TaskDefinition, otherwise: Path) -> Path:
    """The folder of the file that a task is written in."""
    try:
        return Path(inspect.getfile(definition.announced)).parent
    except TypeError:  # written in an interpreter
        return otherwise


def weights_of(definition: TaskDefinition, start: Path) -> dict[str, str]:
    """Where the weights of a task lie: in ``models`` of its project, as publishing takes them.

    Arguments:
        definition: whose weights.
        start: a folder of the tests.

    Raises:
        TaskDefinitionError: a file is not there, or is another than its digest says.
    """
    if not definition.options.models:
        return {}
    project = project_of(source_folder(definition, start)) or project_of(start)
    folder = (project or start) / MODELS_FOLDER
    for model in definition.options.models:
        path = folder / model.name
        if not path.is_file():
            raise TaskDefinitionError(
                f"task {definition.name}: its weights {model.name!r} are not in {folder}; put "
                f"them there (from {model.source})"
            )
        found = _digest(path, path.stat().st_mtime_ns, path.stat().st_size)
        if found != model.sha256:
            raise TaskDefinitionError(
                f"task {definition.name}: {path} is another file than it declares: its sha256 is "
                f"{found}, not {model.sha256}"
            )
    return {model.name: str(folder / model.name) for model in definition.options.models}


@lru_cache(maxsize=64)
def _digest(path: Path, changed: int, size: int) -> str:  # noqa: ARG001 - of the file as it is
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
