"""What the index has: projects and their wheels. Pure, so that any release can be tried."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import attrs
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from taskmgr_core.specs import Release, StoredFile

# The core metadata specification's form of a name; another one is no project's.
_NAME = re.compile(r"[A-Z0-9](?:[A-Z0-9._-]*[A-Z0-9])?\Z", re.IGNORECASE | re.ASCII)


@attrs.frozen
class CoreMetadata:
    """The METADATA of a wheel.

    Attributes:
        content: its bytes.
        digest: ``sha256:`` and 64 hexadecimal digits.
        requires_python: the Pythons that the wheel allows; empty for all.
    """

    content: bytes = attrs.field(repr=False)
    digest: str
    requires_python: str


@attrs.frozen
class IndexFile:
    """One wheel as the index shows it.

    Attributes:
        wheel: its file name, digest and size.
        distribution: whose it is, normalised.
        version: as its file name has it.
        metadata: of the wheel.
        uploaded: when it was published, UTC, as ``2026-11-26T02:43:05Z``; empty where that
            is not recorded.
        yanked: why installers pass it over unless it is pinned (PEP 592); None where
            they do not.
    """

    wheel: StoredFile
    distribution: str
    version: Version
    metadata: CoreMetadata
    uploaded: str = ""
    yanked: str | None = None


@attrs.frozen
class Project:
    """A project's page: its normalised name and its files, the newest version first."""

    name: str
    files: tuple[IndexFile, ...]


MetadataOf = Callable[[StoredFile], CoreMetadata | None]


def project_name(text: str) -> str | None:
    """The normalised name that a text of an address means; None for what can be no name."""
    return canonicalize_name(text) if _NAME.match(text) else None


def distribution_of(filename: str) -> str | None:
    """Whose wheel has that file name; None for what is no wheel's."""
    try:
        return str(parse_wheel_filename(filename)[0])
    except (InvalidWheelFilename, InvalidVersion):
        return None


def project_of(
    name: str,
    releases: Iterable[Release],
    wheel_of: Callable[[Release], StoredFile],
    metadata_of: MetadataOf,
    yanked: Callable[[Release], str | None] = lambda _: None,
) -> Project:
    """The page of a project.

    Two wheels of one file name cannot both be there: of the SDK's, which may change
    without its version, the one of the newest release is.

    Arguments:
        name: the project's, normalised.
        releases: that have a wheel of it.
        wheel_of: its wheel in a release.
        metadata_of: reads a wheel's METADATA; None for a wheel that cannot be served.
        yanked: why a release is to be passed over; None where it is not.
    """
    found: dict[str, IndexFile] = {}
    for release in sorted(releases, key=lambda each: each.published_at):
        wheel = wheel_of(release)
        if distribution_of(wheel.name) == name and (metadata := metadata_of(wheel)) is not None:
            made = _file(name, wheel, metadata, release, found.get(wheel.name))
            found[wheel.name] = attrs.evolve(made, yanked=yanked(release))
    newest_first = sorted(found.values(), key=lambda each: each.wheel.name)
    newest_first.sort(key=lambda each: each.version, reverse=True)
    return Project(name, tuple(newest_first))


def _file(
    name: str, wheel: StoredFile, metadata: CoreMetadata, release: Release, before: IndexFile | None
) -> IndexFile:
    same = before is not None and before.wheel.digest == wheel.digest
    return IndexFile(
        wheel=wheel,
        distribution=name,
        version=parse_wheel_filename(wheel.name)[1],
        metadata=metadata,
        uploaded=before.uploaded if before and same else _moment(release.published_at),
    )


def _moment(published_at: str) -> str:
    """A recorded moment as PEP 700 has it; empty where it cannot be read."""
    try:
        moment = datetime.fromisoformat(published_at)
    except ValueError:
        return ""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
