"""Packages imported from where their author edits them, in place of the installed ones.

For `taskmgr dev` alone: a saved file is then in force with the next process, and no wheel
has to be built. Everything else of the virtualenv stays as it is installed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

_SUFFIX = ".py"


class FreshLoader(SourceFileLoader):
    """Loads what stands in the file now.

    Bytecode of a file that was saved twice within a second, with the same size, would pass
    for new: none is read, and none is written among the author's files.
    """

    def path_stats(self, path: Any) -> Mapping[str, Any]:
        """Refuse what bytecode is compared with."""
        raise OSError(f"no bytecode is used for {path}")


class SourceFinder(MetaPathFinder):
    """Finds packages and modules where they are edited.

    Arguments:
        sources: the name of each -> its folder or file.
    """

    def __init__(self, sources: Mapping[str, Path]) -> None:
        self._sources = sources

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the interface's
        target: ModuleType | None = None,  # noqa: ARG002 - the interface's
    ) -> ModuleSpec | None:
        """Where a package or module of that name is; None for others and for what is in them."""
        place = self._sources.get(fullname)
        if place is None:
            return None
        inside = [str(place)] if place.is_dir() else None
        file = str(place / f"__init__{_SUFFIX}" if inside else place)
        return spec_from_file_location(
            fullname, file, loader=FreshLoader(fullname, file), submodule_search_locations=inside
        )


def import_from(sources: Mapping[str, Path]) -> None:
    """Import packages and modules from where they are edited.

    Arguments:
        sources: the name of each -> its folder or file.
    """
    folders = tuple(str(each) for each in sources.values() if each.is_dir())

    def inside(path: str) -> FileFinder:
        if not any(Path(path).is_relative_to(folder) for folder in folders):
            raise ImportError(f"{path} is not edited", path=path)
        return FileFinder(path, (FreshLoader, [_SUFFIX]))

    sys.meta_path.insert(0, SourceFinder(sources))
    sys.path_hooks.insert(0, inside)
    for folder in folders:
        sys.path_importer_cache.pop(folder, None)


def parsed(word: str) -> tuple[str, Path]:
    """The name and place that ``NAME=PATH`` says.

    Raises:
        ValueError: it says none.
    """
    name, equals, place = word.partition("=")
    if not (equals and name.isidentifier() and place):
        raise ValueError(f"{word!r} is not NAME=PATH")
    return name, Path(place)
