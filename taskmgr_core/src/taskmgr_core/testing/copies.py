"""Copies of projects: what a test publishes is built and locked there, not in the author's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

# Nothing that a wheel is built from, and much of it large.
LEFT_OUT = frozenset(
    {
        *("__pycache__", ".git", ".hg", ".venv", "venv", ".tox", ".nox", "node_modules"),
        *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".taskmgr"),
        *("build", "dist", "models"),
    }
)
State = frozenset[tuple[str, int, int]]


class ProjectCopies:
    """Copies of projects, each made once and anew when its files have changed.

    Arguments:
        folder: where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[Path, State], Path] = {}

    def of(self, project: Path) -> Path:
        """A copy of a project, without its weights; its lock is kept there, if one is made."""
        project = project.resolve()
        key = (project, frozenset(_files(project)))
        if key not in self._made:
            target = self._folder / str(len(self._made)) / project.name
            shutil.copytree(project, target, ignore=lambda _, names: LEFT_OUT.intersection(names))
            self._made[key] = target
        return self._made[key]


def _files(project: Path) -> Iterator[tuple[str, int, int]]:
    """Name, time of change and size of each file of a project."""
    waiting = [project]
    while waiting:
        for path in waiting.pop().iterdir():
            if path.name in LEFT_OUT:
                continue
            if path.is_dir():
                waiting.append(path)
            else:
                status = path.stat()
                yield str(path.relative_to(project)), status.st_mtime_ns, status.st_size
