"""Weights on this machine: each under its own name, because loaders go by the ending."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import attrs

from taskmgr_core.specs import StoredFile
from taskmgr_core.stores.artifacts import ArtifactStore


@attrs.frozen
class ModelFiles:
    """Weights as files ``<folder>/<digest>/<name>``: links to the artifacts, shared by all.

    Attributes:
        folder: where the links are.
        artifacts: where the content is.
    """

    folder: Path
    artifacts: ArtifactStore

    def paths(self, models: Iterable[StoredFile]) -> dict[str, str]:
        """Where each of the models lies, by name.

        Raises:
            ArtifactError: one is absent or damaged.
        """
        return {model.name: str(self._path(model)) for model in models}

    def _path(self, model: StoredFile) -> Path:
        content = self.artifacts.local_path(model.digest)
        path = self.folder / model.digest.removeprefix("sha256:") / model.name
        if not _same_file(content, path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _link(content, path)
        return path


def _same_file(content: Path, path: Path) -> bool:
    try:
        linked, stored = path.stat(), content.stat()
    except FileNotFoundError:
        return False
    same_inode = (linked.st_dev, linked.st_ino) == (stored.st_dev, stored.st_ino)
    return same_inode or (linked.st_dev != stored.st_dev and linked.st_size == stored.st_size)


def _link(content: Path, path: Path) -> None:
    """Link, or copy where the file systems differ; whoever reads sees all of it or nothing."""
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        try:
            os.link(content, temporary)
        except OSError:
            shutil.copyfile(content, temporary)
            with contextlib.suppress(OSError):
                temporary.chmod(0o444)
        temporary.replace(path)
