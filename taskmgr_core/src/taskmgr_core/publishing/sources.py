"""What is published: the folder of a plugin, or a wheel that is built already."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion

from taskmgr_core.errors import PublishError
from taskmgr_core.publishing.covering import PLATFORMS
from taskmgr_core.sdk_wheel import is_own
from taskmgr_core.uv import Uv, UvFailed
from taskmgr_plugins.hookspecs import ENTRY_POINT_GROUP

LOCK_NAME = "taskmgr.lock"
MODELS_NAME = "models"

_SOURCE_ARCHIVES = (".tar.gz", ".tgz", ".tar.bz2", ".zip")


@attrs.frozen
class Source:
    """A plugin as its author has it.

    Attributes:
        path: its folder, or its wheel.
        distribution: its name, normalised.
        models: the folder of its weights.
        lock: where its lock is kept; None for a wheel, whose lock is in the store only.
        requires_python: the Pythons that it allows, as ``>=3.11``.
        platforms: those that it is made for, as ``linux-x86_64``; empty for any.
    """

    path: Path
    distribution: str
    models: Path
    lock: Path | None = None
    requires_python: str = ""
    platforms: tuple[str, ...] = ()

    def wheel(self, uv: Uv, target_folder: Path) -> Path:
        """Its wheel, built by its own backend if need be.

        Raises:
            PublishError: with the backend's last lines.
        """
        if self.path.is_file():
            return self.path
        python = uv.interpreter(self.requires_python)
        arguments = [
            *("build", "--wheel", "--no-create-gitignore", "--python", str(python.path)),
            *(*uv.index_arguments, "--out-dir", str(target_folder), str(self.path)),
        ]
        try:
            uv.run(arguments)
        except UvFailed as error:
            raise PublishError(f"the wheel of {self.path} cannot be built. {error}") from error
        built = sorted(target_folder.glob("*.whl"))
        if len(built) != 1:
            raise PublishError(
                f"building {self.path} made {len(built)} wheels; one was expected. "
                "Check the build backend in its pyproject.toml"
            )
        return built[0]


def read_source(path: Path, models: Path | None = None) -> Source:
    """Find out what is to be published.

    Arguments:
        path: a folder with a ``pyproject.toml``, or a ``.whl`` file.
        models: the folder of the weights; by default ``models`` beside the project.

    Raises:
        PublishError: it is neither, or its ``pyproject.toml`` lacks something.
    """
    path = path.absolute()
    if path.suffix == ".whl" and path.is_file():
        return Source(path, _wheel_distribution(path), models or path.parent / MODELS_NAME)
    if path.is_file() and path.name.endswith(_SOURCE_ARCHIVES):
        raise PublishError(
            f"{path} is a source distribution, and what is published is a wheel, so that nothing "
            "is ever built on a worker; give the plugin's folder, or build its wheel and give that"
        )
    if not path.is_dir():
        raise PublishError(
            f"{path} is {'no folder' if path.exists() else 'not there'}; "
            "give the folder that holds the plugin's pyproject.toml, or its wheel"
        )
    document = _document(path / "pyproject.toml")
    project = _project(document, path / "pyproject.toml")
    return Source(
        path,
        _name(project, path),
        models or path / MODELS_NAME,
        path / LOCK_NAME,
        _requires_python(project, path),
        _platforms(document, path),
    )


def _wheel_distribution(path: Path) -> str:
    try:
        return str(parse_wheel_filename(path.name)[0])
    except (InvalidWheelFilename, InvalidVersion) as error:
        raise PublishError(f"{path.name} is no wheel's file name: {error}") from error


def _document(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PublishError(
            f"{path.parent} has no pyproject.toml; a plugin is an ordinary Python project with one"
        ) from error
    except (OSError, ValueError) as error:
        raise PublishError(f"{path} cannot be read: {error}") from error


def _project(document: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """The ``[project]`` table."""
    project = document.get("project")
    if not isinstance(project, Mapping):
        raise PublishError(f"{path} has no [project] table; add it with a name and a version")
    return project


def _name(project: Mapping[str, Any], path: Path) -> str:
    name, dynamic = project.get("name"), project.get("dynamic", ())
    if not isinstance(name, str) or not name:
        raise PublishError(f'{path}/pyproject.toml: [project] has no name; add name = "..."')
    if is_own(name):
        raise PublishError(f"{path}/pyproject.toml: {name} is taskmgr's own name; choose another")
    if "version" not in project and "version" not in dynamic:
        raise PublishError(
            f'{path}/pyproject.toml: [project] has no version; add version = "1.0.0"'
        )
    entered = project.get("entry-points", {})
    if "entry-points" not in dynamic and not entered.get(ENTRY_POINT_GROUP):
        raise PublishError(
            f"{path}/pyproject.toml announces no task; add to it:\n"
            f'  [project.entry-points."{ENTRY_POINT_GROUP}"]\n'
            '  <task> = "<module>"'
        )
    return canonicalize_name(name)


def _requires_python(project: Mapping[str, Any], path: Path) -> str:
    text = project.get("requires-python", "")
    try:
        return str(SpecifierSet(text))
    except (InvalidSpecifier, AttributeError, TypeError) as error:
        raise PublishError(
            f'{path}/pyproject.toml: requires-python {text!r} cannot be read; write it as ">=3.11"'
        ) from error


def _platforms(document: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """``platforms`` of ``[tool.taskmgr]``."""
    tools = document.get("tool")
    own = tools.get("taskmgr", {}) if isinstance(tools, Mapping) else {}
    allowed = f"allowed are {', '.join(PLATFORMS)}"
    if not isinstance(own, Mapping) or (unknown := sorted(set(own) - {"contract", "platforms"})):
        what = f"{unknown[0]!r}" if isinstance(own, Mapping) else "it"
        raise PublishError(
            f"{path}/pyproject.toml: [tool.taskmgr] has {what}; it may have platforms, a list of "
            f"names: {allowed}; and a table contract, for pytest --taskmgr-contract"
        )
    named = own.get("platforms", [])
    if not isinstance(named, list) or (wrong := [each for each in named if each not in PLATFORMS]):
        what = f"{wrong[0]!r}" if isinstance(named, list) else f"{named!r}"
        raise PublishError(f"{path}/pyproject.toml: [tool.taskmgr] platforms has {what}; {allowed}")
    return tuple(dict.fromkeys(named))
