"""The artifact store in a folder: one read-only file for each digest."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import attrs

from taskmgr_core.errors import MAKE_WRITABLE, ArtifactError, with_advice
from taskmgr_core.specs import StoredFile
from taskmgr_core.stores.digests import is_digest
from taskmgr_core.stores.local_files import LocalFiles

_BLOCK = 1 << 20
_INCOMING = ".incoming-"
_LEFT_OVER_SECONDS = 24 * 3600.0
_Stamp = tuple[int, int, int]


@attrs.define
class DirectoryArtifacts:
    """Files under ``<folder>/ab/abcdef...``, written aside, synced, then renamed in.

    Attributes:
        folder: where they lie.
        files: the same files, as those see them who list and remove them.
    """

    folder: Path
    files: LocalFiles = attrs.field(
        default=attrs.Factory(lambda self: LocalFiles(self.folder), takes_self=True),
        init=False,
        repr=False,
        eq=False,
    )
    _verified: dict[str, _Stamp] = attrs.field(factory=dict, init=False, repr=False)

    @property
    def elsewhere(self) -> bool:
        """The files here are all there is."""
        return False

    def initialize(self) -> None:
        """Create the folder; remove what killed processes left in it more than a day ago.

        Raises:
            ArtifactError: it cannot be created.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            said = f"the folder {self.folder} cannot be made: {error.strerror or error}"
            raise ArtifactError(with_advice(said, error)) from error
        for path in self.folder.glob(f"{_INCOMING}*"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _LEFT_OVER_SECONDS:
                    path.unlink()

    def server_version(self) -> str:
        """No server: empty, if the folder can be written."""
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise ArtifactError(f"the folder {self.folder} cannot be written; {MAKE_WRITABLE}")
        return ""

    def put_file(self, path: Path, name: str = "") -> StoredFile:
        """Store a copy of a file's content.

        Raises:
            ArtifactError: it cannot be read, or the store cannot be written.
        """
        try:
            with path.open("rb") as opened:
                return self._put(opened, name or path.name)
        except OSError as error:
            raise ArtifactError(
                f"{name or path} could not be stored: {error.strerror or error}; {_advice(error)}"
            ) from error

    def put_bytes(self, content: bytes, name: str = "") -> StoredFile:
        """Store bytes.

        Raises:
            ArtifactError: the store cannot be written.
        """
        try:
            return self._put(io.BytesIO(content), name)
        except OSError as error:
            raise ArtifactError(
                f"{name or 'a value'} ({len(content)} bytes) could not be stored: "
                f"{error.strerror or error}; {_advice(error)}"
            ) from error

    def put_expected(self, source: IO[bytes], digest: str, origin: str) -> None:
        """Store what comes from elsewhere, if it is the digest's content.

        Arguments:
            source: read to its end; what it raises itself is passed on.
            digest: what the content has to be.
            origin: where it comes from, for messages.

        Raises:
            ArtifactError: it is other content, of which nothing is kept, or the store
                cannot be written.
        """
        try:
            self._put(source, "", digest, origin)
        except OSError as error:
            raise ArtifactError(
                f"the artifact {digest} could not be stored in {self.folder}: "
                f"{error.strerror or error}; {_advice(error)}"
            ) from error

    def local_path(self, digest: str) -> Path:
        """The file itself, verified once for each change of the file.

        Raises:
            ArtifactError: absent, or not what the digest says.
        """
        path = self.files.path(digest)
        try:
            stamp = _stamp(self.files.use(digest))
            if self._verified.get(digest) != stamp:
                self._verify(path, digest)
                self._verified[digest] = stamp
        except FileNotFoundError:
            raise ArtifactError(
                f"the artifact {digest} is not in the store {self.folder}"
            ) from None
        except OSError as error:
            raise ArtifactError(f"the artifact {digest} cannot be read: {error}") from error
        return path

    def read(self, digest: str) -> bytes:
        """The content, verified.

        Raises:
            ArtifactError: absent, or not what the digest says.
        """
        return self.local_path(digest).read_bytes()

    def exists(self, digest: str) -> bool:
        """Whether it is stored."""
        self.files.path(digest)  # refuses what is no digest
        try:
            self.files.use(digest)  # who asks is about to refer to it
        except FileNotFoundError:
            return False
        return True

    def link(self, digest: str, seconds: int) -> str:  # noqa: ARG002
        """A folder has no addresses."""
        return ""

    def faults(self, digest: str) -> list[str]:
        """What is wrong with the file; it is read."""
        path = self.files.path(digest)
        try:
            self._verify(path, digest)
        except ArtifactError as error:
            self._verified.pop(digest, None)
            return [str(error)]
        except OSError as error:
            return [f"{path} cannot be read: {error.strerror or error}"]
        return []

    def digests(self) -> Iterator[str]:
        """Every digest in the store."""
        for path in self.folder.glob("??/*"):
            digest = f"sha256:{path.name}"
            if is_digest(digest):
                yield digest

    def remove(self, digest: str) -> None:
        """Remove it, if it is there."""
        self.files.path(digest).unlink(missing_ok=True)

    def _put(
        self, source: IO[bytes], name: str, expected: str = "", origin: str = ""
    ) -> StoredFile:
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=_INCOMING, dir=self.folder)
        try:
            with os.fdopen(descriptor, "wb") as target:
                digest, size = _copy(source, target)
                if expected and digest != expected:
                    raise _damaged(expected, origin, digest)
                target.flush()
                if not self._same_content(digest, size):
                    os.fsync(target.fileno())
                    os.fchmod(target.fileno(), 0o444)
                    self._move_in(Path(temporary), self.files.path(digest))
                # Also of what is there already: its writer may not have come so far.
                self._sync(self.files.path(digest))
        finally:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()
        return StoredFile(name=name, digest=digest, size=size)

    def _same_content(self, digest: str, size: int) -> bool:
        """Whether it is there and whole; a damaged one is replaced."""
        path = self.files.path(digest)
        try:
            if path.stat().st_size != size:
                return False
            self.local_path(digest)
        except (OSError, ArtifactError):
            return False
        return True

    def _move_in(self, temporary: Path, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        temporary.replace(path)

    def _sync(self, path: Path) -> None:
        """A rename is only durable once its folder is synced, and a new folder once its own is."""
        _sync_folder(path.parent)
        _sync_folder(self.folder)

    def _verify(self, path: Path, digest: str) -> None:
        with path.open("rb") as opened:
            found = "sha256:" + hashlib.file_digest(opened, "sha256").hexdigest()
        if found != digest:
            raise _damaged(digest, str(path), found)


def _damaged(digest: str, place: str, found: str) -> ArtifactError:
    return ArtifactError(
        f"the artifact {digest} is damaged: {place} has the content of {found}; "
        "store it again (a published wheel, lock or model: publish again)"
    )


def _advice(error: OSError) -> str:
    return with_advice("nothing was kept of it", error)


def _copy(source: IO[bytes], target: IO[bytes]) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while block := source.read(_BLOCK):
        digest.update(block)
        target.write(block)
        size += len(block)
    return "sha256:" + digest.hexdigest(), size


def _stamp(status: os.stat_result) -> _Stamp:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
