"""What the index serves, read out of the two stores."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable, Sequence
from email.parser import BytesParser
from pathlib import Path

import attrs

from taskmgr_core.documents import digest_of
from taskmgr_core.errors import (
    ArtifactError,
    DamagedRecordError,
    NotFoundError,
    StoreUnavailableError,
)
from taskmgr_core.index.files import CoreMetadata, Project, distribution_of, project_of
from taskmgr_core.sdk_wheel import SDK, is_reserved
from taskmgr_core.specs import Release, StoredFile, TaskVersion
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.stores.metadata import MetadataStore

MAXIMUM_METADATA = 10 << 20

_LOGGER = logging.getLogger(__name__)


@attrs.define
class Catalogue:
    """The published wheels, and the SDK's that they depend on.

    A page reads the records of its own project. Of a wheel it needs the METADATA, which
    is read once in a process: no wheel ever changes.

    Attributes:
        metadata: where the releases are recorded.
        artifacts: where the wheels are.
    """

    metadata: MetadataStore
    artifacts: ArtifactStore
    _read: dict[str, CoreMetadata] = attrs.field(factory=dict, init=False, repr=False)
    _served: set[tuple[str, str]] = attrs.field(factory=set, init=False, repr=False)

    def names(self) -> list[str]:
        """Every project, by name."""
        published = self.metadata.distributions()
        return sorted({*published, SDK}) if published else []

    def is_ours(self, name: str) -> bool:
        """Whether a normalised name is published here, or may be only here.

        A record that is damaged keeps its name: nobody else's wheel takes its place.
        """
        return is_reserved(name) or name in self.metadata.distributions()

    def project(self, name: str) -> Project:
        """The page of a project. Wheels that are lost or damaged are left out, with a warning.

        Arguments:
            name: normalised.

        Raises:
            NotFoundError: nothing of that name is published.
            StoreError, StoreUnavailableError: a server is away.
        """
        project = self._project(name)
        if not project.files:
            raise NotFoundError.named("project", name, self.names())
        self._served.update((each.wheel.digest, each.wheel.name) for each in project.files)
        return project

    def projects(self) -> list[Project]:
        """Every project of which there is a file, by name.

        Raises:
            StoreError, StoreUnavailableError: a server is away.
        """
        return [each for each in map(self._project, self.names()) if each.files]

    def wheel(self, digest: str, filename: str) -> Path:
        """A wheel's file on this machine, verified.

        Arguments:
            digest: ``sha256:`` and 64 hexadecimal digits.
            filename: as the page has it.

        Raises:
            NotFoundError: no page has that file. Other artifacts are nobody's business.
            ArtifactError: it is lost or damaged.
        """
        if not self._has(digest, filename):
            raise NotFoundError(f"no wheel {filename!r} with the digest {digest} is published")
        return self.artifacts.local_path(digest)

    def core_metadata(self, digest: str, filename: str) -> CoreMetadata:
        """A wheel's METADATA.

        Raises:
            NotFoundError, ArtifactError: as ``wheel``.
        """
        self.wheel(digest, filename)
        return self._core(digest, filename)

    def _project(self, name: str) -> Project:
        versions = self._versions(name)
        # The SDK is no task's: whoever installs a version that is not yanked needs it.
        reasons = {} if name == SDK else self._reasons(versions)
        return project_of(
            name,
            [each.release for each in versions],
            _wheel_in(name),
            self._readable,
            lambda release: reasons.get(release.version),
        )

    def _reasons(self, versions: Sequence[TaskVersion]) -> dict[str, str]:
        """Version -> why a task of it was yanked."""
        found: dict[str, str] = {}
        for task in dict.fromkeys(each.name for each in versions):
            try:
                found |= self.metadata.route(task).yanked
            except DamagedRecordError as error:
                _LOGGER.warning("no version of %s is marked as yanked: %s", task, error)
        return found

    def _versions(self, name: str) -> list[TaskVersion]:
        return self.metadata.versions_of(None if name == SDK else name)

    def _has(self, digest: str, filename: str) -> bool:
        key = (digest, filename)
        if key not in self._served:  # whoever installs from a lock has asked for no page
            name = distribution_of(filename) or ""
            wheels = (_wheel_in(name)(each.release) for each in self._versions(name))
            self._served.update((each.digest, each.name) for each in wheels)
        return key in self._served

    def _readable(self, wheel: StoredFile) -> CoreMetadata | None:
        try:
            return self._core(wheel.digest, wheel.name)
        except StoreUnavailableError:
            raise
        except ArtifactError as error:
            _LOGGER.warning("the wheel %s is left out: %s", wheel.name, error)
            return None

    def _core(self, digest: str, filename: str) -> CoreMetadata:
        if digest not in self._read:
            self._read[digest] = _metadata_in(self.artifacts.local_path(digest), filename)
        return self._read[digest]


def _wheel_in(name: str) -> Callable[[Release], StoredFile]:
    return lambda release: release.sdk if name == SDK else release.wheel


def _metadata_in(path: Path, filename: str) -> CoreMetadata:
    """The METADATA of a wheel.

    Raises:
        ArtifactError: it has none that can be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [each for each in archive.namelist() if _is_metadata(each)]
            size = sum(archive.getinfo(each).file_size for each in names)
            if len(names) != 1 or size > MAXIMUM_METADATA:
                raise ArtifactError(f"{filename} has {len(names)} METADATA, of {size} bytes")
            content = archive.read(names[0])
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise ArtifactError(f"{filename} is no readable wheel: {error}") from error
    said = BytesParser().parsebytes(content, headersonly=True)
    return CoreMetadata(content, digest_of(content), str(said["Requires-Python"] or ""))


def _is_metadata(name: str) -> bool:
    return name.count("/") == 1 and name.endswith(".dist-info/METADATA")
