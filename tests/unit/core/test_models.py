"""Weights under their own names: whole, shared, healed, and one error for what goes wrong."""

import errno
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from taskmgr_core.errors import ArtifactError
from taskmgr_core.models import ModelFiles
from taskmgr_core.specs import StoredFile
from taskmgr_core.stores.directory import DirectoryArtifacts


@pytest.fixture
def artifacts(tmp_path: Path) -> DirectoryArtifacts:
    """An artifact store."""
    return DirectoryArtifacts(tmp_path / "artifacts")


@pytest.fixture
def models(tmp_path: Path, artifacts: DirectoryArtifacts) -> ModelFiles:
    """Where weights lie by name."""
    return ModelFiles(tmp_path / "models", artifacts)


@pytest.fixture
def weights(artifacts: DirectoryArtifacts) -> StoredFile:
    """Stored weights."""
    return artifacts.put_bytes(b"weights", "yunet.onnx")


def path_of(models: ModelFiles, stored: StoredFile) -> Path:
    """Where one model lies."""
    return Path(models.paths([stored])[stored.name])


def entries(models: ModelFiles) -> list[str]:
    """Every file under the folder of models."""
    return sorted(each.name for each in models.folder.rglob("*") if not each.is_dir())


def test_models_lie_under_their_own_names(
    models: ModelFiles, artifacts: DirectoryArtifacts, weights: StoredFile
) -> None:
    """Loaders go by a file's ending: each model is found by name, with that name, read-only."""
    other = artifacts.put_bytes(b"labels", "labels.txt")
    paths = {name: Path(path) for name, path in models.paths([weights, other]).items()}
    assert {name: path.read_bytes() for name, path in paths.items()} == {
        "yunet.onnx": b"weights",
        "labels.txt": b"labels",
    }
    assert {path.name for path in paths.values()} == {"yunet.onnx", "labels.txt"}
    assert all(path.stat().st_mode & 0o222 == 0 for path in paths.values())


def test_models_of_one_name_are_kept_apart(
    models: ModelFiles, artifacts: DirectoryArtifacts, weights: StoredFile
) -> None:
    """Two versions of a model of the same name are two files; one of two names is two, too."""
    newer = artifacts.put_bytes(b"newer", "yunet.onnx")
    renamed = StoredFile("detector.onnx", weights.digest, weights.size)
    found = [path_of(models, each).read_bytes() for each in (weights, newer, renamed)]
    assert found == [b"weights", b"newer", b"weights"]
    assert entries(models) == ["detector.onnx", "yunet.onnx", "yunet.onnx"]


def test_model_takes_no_second_room(
    models: ModelFiles, artifacts: DirectoryArtifacts, weights: StoredFile
) -> None:
    """On one file system the file is the artifact itself, and asking again changes nothing."""
    path = path_of(models, weights)
    assert path.samefile(artifacts.local_path(weights.digest))
    before = path.stat()
    assert path_of(models, weights) == path
    assert path.stat() == before
    assert entries(models) == ["yunet.onnx"]


def test_model_is_copied_where_links_do_not_work(
    models: ModelFiles,
    artifacts: DirectoryArtifacts,
    weights: StoredFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the file system has no links the model is a read-only copy."""

    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    path = path_of(models, weights)
    assert path.read_bytes() == b"weights"
    assert not path.samefile(artifacts.local_path(weights.digest))
    assert path.stat().st_mode & 0o222 == 0
    inode = path.stat().st_ino
    assert path_of(models, weights).stat().st_ino == inode, "it is copied each time"


@pytest.mark.parametrize("content", [b"", b"wei", b"other weights"])
def test_stray_file_in_its_place_is_replaced(
    models: ModelFiles, weights: StoredFile, content: bytes
) -> None:
    """A file of other content under the model's name gives way to the model."""
    path = path_of(models, weights)
    path.unlink()
    path.write_bytes(content)
    assert path_of(models, weights).read_bytes() == b"weights"


def test_healed_artifact_heals_the_model(
    models: ModelFiles, artifacts: DirectoryArtifacts, weights: StoredFile
) -> None:
    """Once a damaged artifact was stored again, the model is the whole one."""
    path = path_of(models, weights)
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    with pytest.raises(ArtifactError, match="is damaged"):
        models.paths([weights])
    artifacts.put_bytes(b"weights")
    assert path_of(models, weights).read_bytes() == b"weights"


def test_absent_model_is_named(models: ModelFiles, weights: StoredFile) -> None:
    """A model whose content is not stored is refused by its digest, nothing is made."""
    models.artifacts.remove(weights.digest)
    with pytest.raises(ArtifactError, match=weights.digest):
        models.paths([weights])
    assert not models.folder.exists()


def test_removed_folder_is_made_again(models: ModelFiles, weights: StoredFile) -> None:
    """The folder of models holds nothing that is not found elsewhere."""
    path_of(models, weights)
    shutil.rmtree(models.folder)
    assert path_of(models, weights).read_bytes() == b"weights"


def test_model_that_cannot_be_placed_is_named(models: ModelFiles, weights: StoredFile) -> None:
    """What stands in the way is told as an error of the artifact, with the model's name."""
    models.folder.write_text("a file where the folder should be")
    with pytest.raises(ArtifactError, match=r"yunet\.onnx .*could not be put into .*models"):
        models.paths([weights])


@pytest.mark.parametrize(
    "name", ["../escaped.onnx", "{home}/escaped.onnx", "..", ".", "", "sub/weights.onnx"]
)
def test_name_that_is_no_file_name_is_refused(
    models: ModelFiles, weights: StoredFile, name: str
) -> None:
    """A release cannot place a file anywhere else than in the folder of its digest."""
    name = name.format(home=models.folder.parent)
    with pytest.raises(ArtifactError, match="is no file name"):
        models.paths([StoredFile(name, weights.digest, weights.size)])
    assert not (models.folder.parent / "escaped.onnx").exists()
    assert entries(models) == []


def test_threads_place_a_model_together(models: ModelFiles, artifacts: DirectoryArtifacts) -> None:
    """Slots that need the same models at once all find them whole, and nothing is left over."""
    stored = [
        artifacts.put_bytes(str(number).encode() * 9999, f"{number}.bin") for number in range(4)
    ]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: models.paths(stored), range(16)))
    assert all(each == found[0] for each in found)
    assert {Path(path).stat().st_size for path in found[0].values()} == {9999}
    assert entries(models) == ["0.bin", "1.bin", "2.bin", "3.bin"]
