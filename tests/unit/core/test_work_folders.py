"""Working folders: locked while they are used, swept when their process is gone."""

import os
from pathlib import Path

import pytest

from taskmgr_core.runners.folders import WorkFolder, sweep


def test_sweep_leaves_what_is_in_use(tmp_path: Path) -> None:
    """Folders that somebody holds stay; those of a process that is gone are removed."""
    held = WorkFolder.create(tmp_path, "runner-")
    for name in ("runner-gone", "trial-gone", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "left.bin").touch()
    (tmp_path / "runner-file").touch()
    (tmp_path / "runner-link").symlink_to(tmp_path / "other")
    sweep(tmp_path)
    left = {"other", held.path.name, "runner-file", "runner-link"}
    assert {each.name for each in tmp_path.iterdir()} == left
    assert (tmp_path / "other" / "left.bin").exists()
    held.remove()


def test_sweep_of_no_folder_does_nothing(tmp_path: Path) -> None:
    """Where nothing was ever started there is nothing to sweep."""
    sweep(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


def test_folder_made_again_is_locked_again(tmp_path: Path) -> None:
    """A folder that its task removed is made anew, and no sweep takes it."""
    folder = WorkFolder.create(tmp_path, "runner-")
    folder.path.rmdir()
    folder.empty()
    sweep(tmp_path)
    assert folder.path.is_dir()
    folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_emptied_folder_holds_nothing(tmp_path: Path) -> None:
    """Files, folders, links and pipes go; what a link points at stays."""
    folder = WorkFolder.create(tmp_path, "runner-")
    (tmp_path / "kept").mkdir()
    (folder.path / "deep" / "deeper").mkdir(parents=True)
    (folder.path / "deep" / "file").touch()
    (folder.path / "link").symlink_to(tmp_path / "kept")
    os.mkfifo(folder.path / "pipe")
    folder.empty()
    assert list(folder.path.iterdir()) == []
    assert (tmp_path / "kept").is_dir()
    folder.remove()


def test_folder_in_a_file_is_refused(tmp_path: Path) -> None:
    """A place where no folder can be is an error of the system."""
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        WorkFolder.create(tmp_path / "file", "runner-")
