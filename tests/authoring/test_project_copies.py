"""What of a project is copied to be published, and when anew."""

from __future__ import annotations

from pathlib import Path

from taskmgr_core.testing.copies import ProjectCopies

KEPT = ("pyproject.toml", "taskmgr.lock", "src/mine/__init__.py", "src/mine/models/net.py")
LEFT = ("models/net.onnx", "build/lib/old.py", ".venv/bin/python", "src/mine/__pycache__/a.pyc")


def project_in(folder: Path) -> Path:
    """A project with what it is made from, and with what it is not."""
    for name in (*KEPT, *LEFT):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def test_copy_has_the_sources(tmp_path: Path) -> None:
    """A copy has all that a wheel is built from, and neither weights nor caches nor builds."""
    copy = ProjectCopies(tmp_path / "copies").of(project_in(tmp_path / "mine"))
    files = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    assert files == set(KEPT)
    assert copy.name == "mine"


def test_project_is_copied_again_when_it_has_changed(tmp_path: Path) -> None:
    """The same copy, with the lock that is kept there, serves until a source is another."""
    copies, project = ProjectCopies(tmp_path / "copies"), project_in(tmp_path / "mine")
    first = copies.of(project)
    (project / "models" / "net.onnx").write_text("other weights, which are read where they are")
    assert copies.of(project) == first
    (project / "src" / "mine" / "__init__.py").write_text("changed")
    second = copies.of(project)
    assert second != first
    assert (second / "src" / "mine" / "__init__.py").read_text() == "changed"
