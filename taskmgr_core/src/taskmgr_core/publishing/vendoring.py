"""The wheels that a lock names, for one Python on this platform, put into our own store."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import attrs
from packaging.markers import Environment as MarkerEnvironment
from packaging.markers import default_environment
from packaging.pylock import PackageWheel, PylockSelectError

from taskmgr_core.errors import ArtifactError, PublishError
from taskmgr_core.lockfile import parse_lock
from taskmgr_core.publishing.fetching import Fetcher, FetchError
from taskmgr_core.publishing.locating import locate
from taskmgr_core.specs import StoredFile
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.tags import tags_of
from taskmgr_core.uv import Interpreter, Uv


@attrs.frozen
class Vendoring:
    """Fetches wheels and stores each once by its digest, whoever needs it.

    Attributes:
        uv: knows where an index has them.
        artifacts: where they go.
        fetcher: gets them.
    """

    uv: Uv
    artifacts: ArtifactStore
    fetcher: Fetcher

    def vendored(self, lock: bytes, python: Interpreter, folder: Path) -> tuple[StoredFile, ...]:
        """Every wheel that an environment of this machine takes from a lock.

        Arguments:
            lock: pinned, hashed requirements.
            python: the Python of the environment.
            folder: for temporary files.

        Raises:
            PublishError: a wheel is not to be had; the message names it.
        """
        allowed = {
            (each.name, digest) for each in parse_lock(lock.decode()) for digest in each.hashes
        }
        found = []
        for name, wheel in self._chosen(lock, python, folder):
            digest = wheel.hashes.get("sha256", "")
            if (name, digest) not in allowed:
                raise PublishError(
                    f"the index has another {wheel.filename} than the lock names; delete "
                    "taskmgr.lock and publish a new version"
                )
            found.append(self._stored(wheel, digest, folder))
        return tuple(sorted(found, key=lambda each: each.name))

    def _chosen(
        self, lock: bytes, python: Interpreter, folder: Path
    ) -> Iterator[tuple[str, PackageWheel]]:
        located = locate(lock, self.uv, folder)
        environment, tags = _environment(python), list(tags_of(python))
        try:
            for package, chosen in located.select(environment=environment, tags=tags):
                if not isinstance(chosen, PackageWheel):
                    raise PublishError(f"{package.name} {package.version} has no wheel that fits")
                yield str(package.name), chosen
        except PylockSelectError as error:
            raise PublishError(
                f"the dependencies cannot be vendored for Python {python.minor} on this machine: "
                f"{error}"
            ) from error

    def _stored(self, wheel: PackageWheel, sha256: str, folder: Path) -> StoredFile:
        digest = f"sha256:{sha256}"
        with contextlib.suppress(ArtifactError):
            there = self.artifacts.local_path(digest)
            return StoredFile(wheel.filename, digest, there.stat().st_size)
        place = wheel.path or wheel.url or ""
        try:
            path = self.fetcher.fetch(place, sha256, folder / wheel.filename)
        except FetchError as error:
            raise PublishError(f"{wheel.filename} cannot be vendored: {error}") from error
        stored = self.artifacts.put_file(path, wheel.filename)
        path.unlink()
        return stored


def _environment(python: Interpreter) -> MarkerEnvironment:
    """What markers see there: this machine with that Python."""
    found = default_environment()
    found["python_version"] = python.minor
    found["python_full_version"] = found["implementation_version"] = python.version
    return found
