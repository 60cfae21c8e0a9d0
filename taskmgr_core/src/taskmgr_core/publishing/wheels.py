"""What a plugin's wheel says, checked before anything is done with it."""

from __future__ import annotations

import base64
import configparser
import csv
import hashlib
import io
import zipfile
from collections.abc import Iterable
from email.parser import BytesParser
from pathlib import Path, PurePosixPath

import attrs
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from taskmgr_core.errors import PublishError
from taskmgr_core.sdk_wheel import is_own
from taskmgr_plugins.hookspecs import ENTRY_POINT_GROUP

MAXIMUM_BYTES = 2 << 30
_BLOCK = 1 << 20
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")


@attrs.frozen
class Wheel:
    """A checked wheel.

    Attributes:
        path: the file.
        distribution: its name, normalised.
        version: its version, normalised.
        requires: its dependencies, as ``Requires-Dist`` has them.
        requires_python: the Pythons that it allows.
        tasks: the names of its entry points, sorted.
        licence: as ``License-Expression`` or ``License`` have it; empty where neither is there.
    """

    path: Path
    distribution: str
    version: str
    requires: tuple[Requirement, ...]
    requires_python: SpecifierSet
    tasks: tuple[str, ...]
    licence: str = ""

    def needed(self) -> tuple[Requirement, ...]:
        """The dependencies that no extra has to ask for."""
        return tuple(each for each in self.requires if "extra" not in str(each.marker or ""))


def read_wheel(path: Path) -> Wheel:
    """Read a wheel and check it.

    Raises:
        PublishError: it is no wheel, damaged, or not a plugin; the message says how.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(path, archive)
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise PublishError(f"{path.name} is no readable wheel: {error}") from error


def _read(path: Path, archive: zipfile.ZipFile) -> Wheel:
    name, version = _filename(path)
    _check_names(path, archive)
    information = _information(path, archive)
    check_record(path, archive, information)
    metadata = BytesParser().parsebytes(archive.read(f"{information}/METADATA"))
    said = canonicalize_name(str(metadata["Name"])), _version(path, str(metadata["Version"]))
    if said != (name, version):
        raise PublishError(f"{path.name}: its METADATA is of {said[0]} {said[1]}; build it again")
    if is_own(name):
        raise PublishError(f"{path.name}: {name} is taskmgr's own name; give the plugin another")
    return Wheel(
        path=path,
        distribution=name,
        version=str(version),
        requires=_requirements(path, metadata.get_all("Requires-Dist") or ()),
        requires_python=_specifiers(path, metadata["Requires-Python"]),
        tasks=_tasks(path, archive, information),
        licence=str(metadata["License-Expression"] or metadata["License"] or ""),
    )


def _filename(path: Path) -> tuple[str, Version]:
    try:
        name, version, _, _ = parse_wheel_filename(path.name)
    except (InvalidWheelFilename, InvalidVersion) as error:
        raise PublishError(f"{path.name} is no wheel's file name: {error}") from error
    return str(name), version


def _version(path: Path, text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion as error:
        raise PublishError(f"{path.name}: its METADATA has the version {text!r}") from error


def _check_names(path: Path, archive: zipfile.ZipFile) -> None:
    seen: set[str] = set()
    for entry in archive.infolist():
        name = PurePosixPath(entry.filename)
        if name.is_absolute() or ".." in name.parts or "\\" in entry.filename:
            raise PublishError(f"{path.name}: the path {entry.filename!r} leads out of the wheel")
        if entry.filename in seen:
            raise PublishError(f"{path.name}: {entry.filename!r} is in it twice")
        seen.add(entry.filename)
    size = sum(entry.file_size for entry in archive.infolist())
    if size > MAXIMUM_BYTES:
        raise PublishError(
            f"{path.name}: {size} bytes unpacked, allowed are {MAXIMUM_BYTES}; "
            "put weights into the models folder, not into the wheel"
        )


def _information(path: Path, archive: zipfile.ZipFile) -> str:
    """The wheel's ``.dist-info`` folder."""
    names = set(archive.namelist())
    found = sorted({name.split("/")[0] for name in names if name.endswith(".dist-info/METADATA")})
    if len(found) != 1 or f"{found[0]}/RECORD" not in names:
        raise PublishError(f"{path.name}: it must have one .dist-info with METADATA and RECORD")
    return found[0]


def check_record(path: Path, archive: zipfile.ZipFile, information: str) -> None:
    """Check that every file has the digest that RECORD says, and RECORD names every file.

    Raises:
        PublishError: naming the first file that differs.
    """
    record = f"{information}/RECORD"
    rows = csv.reader(io.StringIO(archive.read(record).decode(errors="replace")))
    listed = {row[0]: row[1] for row in rows if len(row) > 1}
    files = {entry.filename for entry in archive.infolist() if not entry.is_dir()}
    unlisted = {record, *(f"{information}/{name}" for name in _SIGNATURES)}
    for name in sorted(files - unlisted):
        if name not in listed:
            raise PublishError(f"{path.name}: {name} is not in its RECORD; build it again")
        if listed[name] != _digest(archive, name):
            raise PublishError(
                f"{path.name}: {name} is not what its RECORD says; the wheel is damaged, "
                "build it again"
            )
    for name in sorted(set(listed) - files):
        raise PublishError(f"{path.name}: {name} is in its RECORD and not in the wheel")


def _digest(archive: zipfile.ZipFile, name: str) -> str:
    digest = hashlib.sha256()
    with archive.open(name) as opened:
        while block := opened.read(_BLOCK):
            digest.update(block)
    return "sha256=" + base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()


def _requirements(path: Path, lines: Iterable[str]) -> tuple[Requirement, ...]:
    try:
        return tuple(Requirement(line) for line in lines)
    except InvalidRequirement as error:
        raise PublishError(f"{path.name}: a dependency cannot be read: {error}") from error


def _specifiers(path: Path, text: str | None) -> SpecifierSet:
    try:
        return SpecifierSet(text or "")
    except InvalidSpecifier as error:
        raise PublishError(f"{path.name}: Requires-Python {text!r} cannot be read") from error


def _tasks(path: Path, archive: zipfile.ZipFile, information: str) -> tuple[str, ...]:
    parser = configparser.RawConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    name = f"{information}/entry_points.txt"
    if name in archive.namelist():
        parser.read_string(archive.read(name).decode())
    if not parser.has_section(ENTRY_POINT_GROUP) or not parser.options(ENTRY_POINT_GROUP):
        raise PublishError(
            f"{path.name} announces no task; add to its pyproject.toml:\n"
            f'  [project.entry-points."{ENTRY_POINT_GROUP}"]\n'
            '  <task> = "<module>"'
        )
    return tuple(sorted(parser.options(ENTRY_POINT_GROUP)))
