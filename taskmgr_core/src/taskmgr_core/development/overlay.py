"""Which packages of a wheel can be imported from the sources that it was built from."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

MADE = frozenset({"build", "dist", "node_modules", "site-packages", "__pycache__"})
_INIT = "__init__.py"


def sources_of(project: Path, wheel: Path) -> dict[str, Path]:
    """Where each package and module of a wheel is edited.

    Arguments:
        project: the folder of the plugin.
        wheel: as it was built from that folder just now.

    Returns:
        Name -> folder or file; empty when one of them is not in the project as the wheel has
        it, as with generated or compiled modules: then each change needs another wheel.
    """
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in _code_of(archive)}
    tops: dict[str, dict[str, bytes]] = {}
    for name, content in files.items():
        tops.setdefault(name.partition("/")[0], {})[name] = content
    found = {top: _edited(project, top, content) for top, content in tops.items()}
    if not found or None in found.values():
        return {}
    return {top.removesuffix(".py"): place for top, place in found.items() if place is not None}


def _code_of(archive: zipfile.ZipFile) -> Iterator[str]:
    """What is installed beside the wheel's own records."""
    for entry in archive.infolist():
        if not entry.is_dir() and ".dist-info/" not in entry.filename:
            yield entry.filename


def _edited(project: Path, top: str, content: Mapping[str, bytes]) -> Path | None:
    """The folder or file of that name which has all that the wheel has of it."""
    if top.endswith(".data") or (top not in content and f"{top}/{_INIT}" not in content):
        return None  # scripts and the like; or a namespace, which others share
    for place in _candidates(project, top):
        if all(_same(place.parent / name, each) for name, each in content.items()):
            return place
    return None


def _candidates(project: Path, top: str) -> Iterator[Path]:
    """The places of that name, the usual ones first."""
    usual = [project / "src" / top, project / top]
    yield from (each for each in usual if each.exists())
    for root, folders, names in os.walk(project):
        folders[:] = [each for each in folders if each not in MADE and not each.startswith(".")]
        place = Path(root, top)
        if top in (*folders, *names) and place not in usual:
            yield place


def _same(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False
