"""What of a plugin lies on the disk, and what a change of it asks for.

What is compared are the files themselves, not the events of a watcher: an event that is lost,
doubled or late changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from pathlib import Path

import attrs

from taskmgr_core.development.overlay import MADE
from taskmgr_core.publishing.sources import LOCK_NAME, MODELS_NAME

# Beside what they name, a build backend reads these.
BUILD_FILES = ("pyproject.toml", "setup.py", "setup.cfg", "MANIFEST.in", LOCK_NAME)

Marks = Mapping[Path, tuple[int, int, int]]


class Change(IntEnum):
    """What a change asks for, the more the higher."""

    NOTHING = 0
    INPUTS = 1
    SOURCES = 2
    BUILD = 3


@attrs.frozen
class Saved:
    """The files of a plugin that matter, each with its time, size and inode.

    Attributes:
        build: those that the wheel, the lock and the virtualenv follow from.
        sources: those that the task's process imports from where they are.
        inputs: those that the task is given.
    """

    build: Marks
    sources: Marks
    inputs: Marks

    @classmethod
    def of(cls, project: Path, sources: Iterable[Path], inputs: Iterable[Path]) -> Saved:
        """What is on the disk now.

        Arguments:
            project: the plugin's folder, or its wheel.
            sources: packages and modules that are imported from where they are; without
                any, every file of the project is one to build from.
            inputs: files and folders.
        """
        edited = tuple(sources)
        given = _marks(inputs)
        if edited or project.is_file():
            places = [project / name for name in (*BUILD_FILES, MODELS_NAME)]
            build = _marks(places if project.is_dir() else [project])
        else:
            build = _marks([project])
        # The cases of a plugin lie in its folder, and nothing is built from them.
        build = {path: mark for path, mark in build.items() if path not in given}
        return cls(build, _marks(edited), given)

    def change_to(self, now: Saved) -> Change:
        """What has to be done."""
        if self.build != now.build:
            return Change.BUILD
        if self.sources != now.sources:
            return Change.SOURCES
        return Change.INPUTS if self.inputs != now.inputs else Change.NOTHING

    def newest_change(self, now: Saved) -> float | None:
        """When the last of the changed files was written, in UTC seconds; None if one is gone."""
        found: list[int] = []
        for before, after in zip(_parts(self), _parts(now), strict=True):
            found += [mark[0] for path, mark in after.items() if before.get(path) != mark]
        return max(found) / 1e9 if found else None

    def as_before(self, before: Saved, written: Path) -> Saved:
        """These files as they were before something was built from them.

        What was saved while it was built is a change then.

        Arguments:
            before: what was on the disk then, in whatever parts.
            written: the file that building writes itself.
        """
        known = {path: mark for part in _parts(before) for path, mark in part.items()}
        known.pop(written, None)

        def then(marks: Marks) -> Marks:
            return {path: known.get(path, mark) for path, mark in marks.items()}

        return Saved(then(self.build), then(self.sources), then(self.inputs))


def _parts(saved: Saved) -> tuple[Marks, Marks, Marks]:
    return saved.build, saved.sources, saved.inputs


def _marks(places: Iterable[Path]) -> dict[Path, tuple[int, int, int]]:
    found = {}
    for place in places:
        for path in _files(place):
            try:
                status = path.stat()
            except OSError:  # gone meanwhile, or a link to nowhere
                continue
            found[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    for root, folders, names in os.walk(place):
        folders[:] = [each for each in folders if each not in MADE and not each.startswith(".")]
        if "pyvenv.cfg" in names:
            folders.clear()
        yield from (Path(root, name) for name in names if not _is_of_an_editor(name))


def _is_of_an_editor(name: str) -> bool:
    """Back-ups and swap files, and what is renamed to its name in a moment."""
    return name.startswith((".", "#")) or name.endswith(("~", ".swp", ".swx", ".pyc", ".tmp"))
