"""Weights on this machine: each under its own name, because loaders go by the ending."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import attrs

from taskmgr_core.errors import ArtifactError, with_advice
from taskmgr_core.specs import StoredFile
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.stores.collecting import SPARE_SECONDS

_LOCKS = ".locks"


@attrs.frozen
class ModelCopy:
    """Weights as they lie on this machine.

    Attributes:
        names: its file names; each is a link to, or a copy of, the same content.
        size: bytes of the content.
        room: bytes that removing it gives back: none where it is the artifact itself.
        used: UTC seconds when a runner last got it, or ended.
        in_use: whether a living runner has it.
    """

    digest: str
    names: tuple[str, ...]
    size: int
    room: int
    used: float
    in_use: bool


@attrs.frozen
class ModelFiles:
    """Weights as files ``<folder>/<digest>/<name>``: links to the artifacts, shared by all.

    They are read-only for whoever is not root, and what maps them shares the memory, too.

    Attributes:
        folder: where the links are.
        artifacts: where the content is.
    """

    folder: Path
    artifacts: ArtifactStore

    def paths(self, models: Iterable[StoredFile]) -> dict[str, str]:
        """Where each of the models lies, by name; fetched where it is not here.

        Raises:
            ArtifactError: one is absent or damaged, has no file name, or cannot be placed.
        """
        return {model.name: str(self._path(model)) for model in models}

    @contextlib.contextmanager
    def hold(self, models: Iterable[StoredFile]) -> Iterator[None]:
        """Keep models from being removed; a process that dies lets go of them.

        Raises:
            ArtifactError: the folder cannot be written.
        """
        digests = {model.digest for model in models}
        with contextlib.ExitStack() as stack:
            for digest in sorted(digests):
                opened = stack.enter_context(self._lock(digest))
                fcntl.flock(opened, fcntl.LOCK_SH)
            try:
                yield
            finally:
                for digest in digests:
                    self._note_use(digest)

    def copies(self) -> list[ModelCopy]:
        """Every model on this machine, the least recently used first."""
        found = []
        for folder in self.folder.glob("[!.]*"):
            with contextlib.suppress(FileNotFoundError):
                found.append(self._described(folder))
        return sorted(found, key=lambda each: each.used)

    def gc(
        self,
        maximum_bytes: int,
        *,
        spare_seconds: float = SPARE_SECONDS,
        dry_run: bool = False,
    ) -> tuple[ModelCopy, ...]:
        """Remove the least recently used copies until the rest takes little enough room.

        What is stored stays: a copy is made, or fetched, again when it is needed.

        Arguments:
            maximum_bytes: what may stay.
            spare_seconds: one used that recently stays: somebody may be about to hold it.
            dry_run: remove nothing.

        Returns:
            Those that were removed, or would be; one that a runner has never is.
        """
        unused_since = self.artifacts.files.unused_since(spare_seconds)
        found = self.copies()
        total = sum(each.room for each in found)
        removed = []
        for each in found:
            if total <= maximum_bytes or not each.room or each.used >= unused_since:
                continue
            if not each.in_use if dry_run else self._remove(each.digest, unused_since):
                total -= each.room
                removed.append(each)
        return tuple(removed)

    def faults(self, digest: str) -> list[str]:
        """The copies that are another file than the artifact and damaged; they are read."""
        content = self.artifacts.files.path(digest)
        found = []
        for path in self._folder(digest).glob("[!.]*"):
            if content.exists() and path.samefile(content):
                continue
            with path.open("rb") as opened:
                actual = hashlib.file_digest(opened, "sha256").hexdigest()
            if f"sha256:{actual}" != digest:
                found.append(f"the model {path} has the content of sha256:{actual}")
        return found

    def _path(self, model: StoredFile) -> Path:
        if Path(model.name).name != model.name or model.name in ("", ".."):
            raise ArtifactError(
                f"the model {model.name!r} is no file name; a name without folders is wanted, "
                "as in the plugin's models folder"
            )
        try:
            content = self.artifacts.local_path(model.digest)
        except ArtifactError as error:
            raise ArtifactError(f"the model {model.name} is refused: {error}") from error
        path = self._folder(model.digest) / model.name
        try:
            if not _same_file(content, path):
                path.parent.mkdir(parents=True, exist_ok=True)
                _link(content, path)
        except OSError as error:
            said = (
                f"the model {model.name} ({model.digest}) could not be put into {path.parent}: "
                f"{error.strerror or error}"
            )
            raise ArtifactError(with_advice(said, error)) from error
        return path

    def _folder(self, digest: str) -> Path:
        return self.folder / digest.removeprefix("sha256:")

    def _described(self, folder: Path) -> ModelCopy:
        digest = f"sha256:{folder.name}"
        paths = sorted(folder.glob("[!.]*"))
        statuses = [path.stat() for path in paths]
        size = max((each.st_size for each in statuses), default=0)
        copied = {each.st_ino: each.st_size for each in statuses if each.st_nlink == 1}
        room = size if self.artifacts.elsewhere else sum(copied.values())
        used = max((max(each.st_atime, each.st_mtime) for each in statuses), default=0.0)
        with self._lock(digest) as opened:
            in_use = not _lock_alone(opened)
        return ModelCopy(digest, tuple(path.name for path in paths), size, room, used, in_use)

    def _remove(self, digest: str, unused_since: float) -> bool:
        """Remove a model unless it is held, or was used meanwhile."""
        with self._lock(digest) as opened:
            if not _lock_alone(opened):
                return False
            if self._described_alone(digest) >= unused_since:
                return False
            shutil.rmtree(self._folder(digest), ignore_errors=True)
            if self.artifacts.elsewhere:
                self.artifacts.files.remove(digest, unused_since)
        return True

    def _described_alone(self, digest: str) -> float:
        """When a model was last used; who asks has its lock."""
        statuses = [path.stat() for path in self._folder(digest).glob("[!.]*")]
        return max((max(each.st_atime, each.st_mtime) for each in statuses), default=0.0)

    def _note_use(self, digest: str) -> None:
        with contextlib.suppress(OSError):
            for path in self._folder(digest).glob("[!.]*"):
                os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))

    def _lock(self, digest: str) -> IO[bytes]:
        path = self.folder / _LOCKS / digest.removeprefix("sha256:")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("ab")
        except OSError as error:
            said = f"the lock {path} of a model cannot be opened: {error.strerror or error}"
            raise ArtifactError(with_advice(said, error)) from error


def _same_file(content: Path, path: Path) -> bool:
    try:
        linked, stored = path.stat(), content.stat()
    except FileNotFoundError:
        return False
    same_inode = (linked.st_dev, linked.st_ino) == (stored.st_dev, stored.st_ino)
    # A copy has the time of what it was copied from.
    same_time = (linked.st_size, linked.st_mtime_ns) == (stored.st_size, stored.st_mtime_ns)
    return same_inode or same_time


def _lock_alone(opened: IO[bytes]) -> bool:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _link(content: Path, path: Path) -> None:
    """Link, or copy where there are no links; whoever reads sees all of it or nothing."""
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        try:
            os.link(content, temporary)
        except OSError:
            shutil.copy2(content, temporary)
        temporary.replace(path)
