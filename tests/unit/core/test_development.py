"""What a save asks for, and which sources stand for a wheel."""

from __future__ import annotations

import os
import py_compile
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from taskmgr_core.development import Change
from taskmgr_core.development.overlay import sources_of
from taskmgr_core.development.saved import Saved

PACKAGE = "taskmgr_a"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A plugin's folder in the src layout."""
    files = {
        "pyproject.toml": "[project]",
        "README.md": "words",
        f"src/{PACKAGE}/__init__.py": "",
        f"src/{PACKAGE}/inner/tasks.py": "1",
        "models/weights.json": "{}",
        "tests/test_a.py": "",
        "cases/first/input.json": "{}",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def look(project: Path, *, edited: bool = True) -> Saved:
    """What lies on the disk."""
    sources = [project / "src" / PACKAGE] if edited else []
    return Saved.of(project, sources, [project / "cases"])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("pyproject.toml", Change.BUILD),
        ("setup.py", Change.BUILD),
        ("taskmgr.lock", Change.BUILD),
        ("models/weights.json", Change.BUILD),
        (f"src/{PACKAGE}/__init__.py", Change.SOURCES),
        (f"src/{PACKAGE}/inner/tasks.py", Change.SOURCES),
        (f"src/{PACKAGE}/new.py", Change.SOURCES),
        (f"src/{PACKAGE}/table.csv", Change.SOURCES),
        ("cases/first/input.json", Change.INPUTS),
        ("cases/second/input.json", Change.INPUTS),
        ("README.md", Change.NOTHING),
        ("tests/test_a.py", Change.NOTHING),
        (f"src/{PACKAGE}/.tasks.py.swp", Change.NOTHING),
        (f"src/{PACKAGE}/__pycache__/tasks.pyc", Change.NOTHING),
        (".venv/lib/a.py", Change.NOTHING),
    ],
)
def test_save_asks_for_what_follows_from_the_file(project: Path, name: str, change: Change) -> None:
    """A build, a new process, the same once more, or nothing."""
    before = look(project)
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_text("something else")
    assert before.change_to(look(project)) is change


def test_file_that_is_gone_is_a_change(project: Path) -> None:
    """So is one that another was renamed to, of the same time and size."""
    before, path = look(project), project / "src" / PACKAGE / "inner" / "tasks.py"
    status = path.stat()
    (project / "other").write_text("2")
    os.utime(project / "other", ns=(status.st_atime_ns, status.st_mtime_ns))
    (project / "other").replace(path)
    assert before.change_to(look(project)) is Change.SOURCES
    path.unlink()
    assert before.change_to(look(project)) is Change.SOURCES


def test_without_known_sources_every_file_asks_for_a_build(project: Path) -> None:
    """But for the cases, which nothing is built from."""
    before = look(project, edited=False)
    (project / "cases" / "first" / "input.json").write_text("[]")
    assert before.change_to(look(project, edited=False)) is Change.INPUTS
    (project / "README.md").write_text("more words")
    assert before.change_to(look(project, edited=False)) is Change.BUILD


def test_save_while_building_is_a_change_and_the_written_lock_is_none(project: Path) -> None:
    """What was built from is what lay there before."""
    before = look(project, edited=False)
    (project / "taskmgr.lock").write_text("locked")
    assert look(project).as_before(before, project / "taskmgr.lock") == look(project)
    (project / "src" / PACKAGE / "__init__.py").write_text("saved meanwhile")
    then = look(project).as_before(before, project / "taskmgr.lock")
    assert then.change_to(look(project)) is Change.SOURCES


def test_moment_of_a_save_is_that_of_the_newest_file(project: Path) -> None:
    """Of files that did not change none counts; of one that is gone there is none."""
    before, path = look(project), project / "src" / PACKAGE / "__init__.py"
    assert before.newest_change(before) is None
    os.utime(path, ns=(1, 5_000_000_000))
    assert before.newest_change(look(project)) == 5


# which sources stand for a wheel


def wheel_of(project: Path, **more: str) -> Path:
    """A wheel of the package, and of more files."""
    path = project / "dist" / "a.whl"
    path.parent.mkdir(exist_ok=True)
    root = next(each for each in (project / "src", project) if (each / PACKAGE).is_dir())
    with zipfile.ZipFile(path, "w") as archive:
        for file in (root / PACKAGE).rglob("*.py"):
            archive.write(file, str(file.relative_to(root)))
        archive.writestr("taskmgr_a-1.dist-info/METADATA", "")
        for name, text in more.items():
            archive.writestr(name.replace("__", "/"), text)
    return path


def test_package_is_found_in_each_layout(project: Path) -> None:
    """Under src, beside pyproject.toml, or deeper."""
    assert sources_of(project, wheel_of(project)) == {PACKAGE: project / "src" / PACKAGE}
    (project / "src" / PACKAGE).rename(project / PACKAGE)
    wheel = wheel_of(project)
    assert sources_of(project, wheel) == {PACKAGE: project / PACKAGE}
    (project / "lib" / "python").mkdir(parents=True)
    (project / PACKAGE).rename(project / "lib" / "python" / PACKAGE)
    assert sources_of(project, wheel) == {PACKAGE: project / "lib" / "python" / PACKAGE}


def test_package_that_is_made_while_building_is_not_edited_in_place(project: Path) -> None:
    """With a file that is not in the sources, or another there, each change needs a wheel."""
    assert sources_of(project, wheel_of(project, **{f"{PACKAGE}__made.py": "1"})) == {}
    assert sources_of(project, wheel_of(project, **{"other__inside.py": "1"})) == {}
    wheel = wheel_of(project)
    (project / "src" / PACKAGE / "__init__.py").write_text("another")
    assert sources_of(project, wheel) == {}


def test_module_without_a_package_is_found(project: Path) -> None:
    """A single file is edited in place, too."""
    (project / "single.py").write_text("x = 1\n")
    wheel = project / "single.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(project / "single.py", "single.py")
    assert sources_of(project, wheel) == {"single": project / "single.py"}


SCRIPT = """
import sys
from pathlib import Path
from taskmgr_plugins.sources import import_from, parsed
import_from(dict(map(parsed, sys.argv[1:])))
import one, one.inner.tasks, single
print(one.__file__, one.inner.tasks.VALUE, single.VALUE)
"""


def test_edited_sources_come_before_the_installed_ones(tmp_path: Path) -> None:
    """Packages, what is in them and modules; bytecode is neither believed nor written."""
    installed, edited = tmp_path / "installed", tmp_path / "edited"
    for folder, value in ((installed, 1), (edited, 2)):
        (folder / "one" / "inner").mkdir(parents=True)
        (folder / "one" / "__init__.py").write_text("")
        (folder / "one" / "inner" / "__init__.py").write_text("")
        (folder / "one" / "inner" / "tasks.py").write_text(f"VALUE = {value}\n")
        (folder / "single.py").write_text(f"VALUE = {value}\n")
    words = [f"one={edited / 'one'}", f"single={edited / 'single.py'}"]
    tasks = edited / "one" / "inner" / "tasks.py"

    def run() -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, *words],
            env={**os.environ, "PYTHONPATH": str(installed)},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    assert run() == [str(edited / "one" / "__init__.py"), "2", "2"]
    assert not list(edited.rglob("__pycache__"))
    # Saved twice within a second with one size: bytecode of another program has the first.
    py_compile.compile(str(tasks))
    status = tasks.stat()
    tasks.write_text("VALUE = 3\n")
    os.utime(tasks, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert run()[1] == "3"
