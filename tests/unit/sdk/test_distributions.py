"""What is installed is found without the slow way, and is what the slow way finds."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from taskmgr_plugins.distributions import Point, entry_points_of, version_of

NAMES = sorted({each.name for each in importlib.metadata.distributions()})


def test_version_and_entry_points_are_those_of_the_standard_library() -> None:
    """Of everything that is installed here, in every group."""
    assert len(NAMES) > 20
    for name in NAMES:
        known = importlib.metadata.distribution(name)
        assert version_of(name) == known.version
        for group in sorted({each.group for each in known.entry_points}):
            expected = [
                Point(each.name, each.module) for each in known.entry_points.select(group=group)
            ]
            assert entry_points_of(name, group) == expected


def test_names_are_compared_as_the_index_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dots, underscores and capitals make no other distribution; comments are no points."""
    folder = tmp_path / "My_Own.Plugin-1.2.dist-info"
    folder.mkdir()
    (folder / "entry_points.txt").write_text(
        "# told\n[other]\nx = y\n\n[mine]\n one = a.b:c [extra]\n# two = d\nthree=e\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path / "absent"), str(tmp_path)])
    assert version_of("my-own-plugin") == "1.2"
    assert entry_points_of("my-own-plugin", "mine") == [Point("one", "a.b"), Point("three", "e")]
    assert entry_points_of("my-own-plugin", "absent") == []


def test_distribution_of_another_form_is_asked_for_the_slow_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that has an older kind of metadata is found; one that is not there is said to be so."""
    folder = tmp_path / "old.egg-info"
    folder.mkdir()
    (folder / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: old\nVersion: 0.1\n")
    (folder / "entry_points.txt").write_text("[mine]\none = a\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert version_of("old") == "0.1"
    assert entry_points_of("old", "mine") == [Point("one", "a")]
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        entry_points_of("nowhere-installed", "mine")


def test_runner_imports_no_parser_for_mail() -> None:
    """A runner starts without what takes a fifth of its start."""
    code = (
        "import sys, taskmgr_plugins.__main__ as m; m._hello(); "
        "print({'importlib.metadata', 'email', 'zipfile'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
