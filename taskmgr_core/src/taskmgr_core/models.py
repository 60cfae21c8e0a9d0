"""Weights on this machine: each under its own name, because loaders go by the ending."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import attrs

from taskmgr_core.errors import ArtifactError, with_advice
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
            ArtifactError: one is absent or damaged, has no file name, or cannot be placed.
        """
        return {model.name: str(self._path(model)) for model in models}

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
        path = self.folder / model.digest.removeprefix("sha256:") / model.name
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


def _same_file(content: Path, path: Path) -> bool:
    try:
        linked, stored = path.stat(), content.stat()
    except FileNotFoundError:
        return False
    same_inode = (linked.st_dev, linked.st_ino) == (stored.st_dev, stored.st_ino)
    # A copy has the time of what it was copied from.
    same_time = (linked.st_size, linked.st_mtime_ns) == (stored.st_size, stored.st_mtime_ns)
    return same_inode or same_time


def _link(content: Path, path: Path) -> None:
    """Link, or copy where there are no links; whoever reads sees all of it or nothing."""
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        try:
            os.link(content, temporary)
        except OSError:
            shutil.copy2(content, temporary)
        temporary.replace(path)
