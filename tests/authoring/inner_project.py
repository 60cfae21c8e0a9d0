"""A plugin's project as its author has it, with tests that use the fixtures."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import psutil

PYPROJECT = """
[project]
name = "taskmgr-inner"
version = "1.0.0"
requires-python = ">=3.11"
dependencies = ["attrs", "taskmgr-plugins>=0.1"]

[project.entry-points."taskmgr.plugins"]
words = "taskmgr_inner"
slow = "taskmgr_inner"

[build-system]
requires = ["uv_build>=0.13,<0.14"]
build-backend = "uv_build"

[tool.pytest.ini_options]
pythonpath = ["src"]
filterwarnings = ["error"]
addopts = ["--strict-markers", "--strict-config"]
"""

PLUGIN = '''
"""Tasks of the inner project."""

import time

import attrs
from taskmgr_plugins import File, hookimpl, task


@attrs.frozen
class Words:
    """The words of a text, and the text."""

    words: list[str]
    note: File


@task(retries=1)
def words(text: str, note: File | None = None) -> Words:
    """Cut a text into words."""
    if text == "bad":
        print("it will go wrong")
        raise ValueError("a bad text")
    content = note.read_bytes() if note else text.encode()
    return Words(text.split(), File(content, name="note.txt"))


@task
def slow(seconds: float) -> float:
    """Sleep."""
    time.sleep(seconds)
    return seconds


@hookimpl
def taskmgr_tasks():
    """The tasks."""
    return [words, slow]
'''


@attrs.frozen
class Session:
    """A run of pytest that has ended."""

    code: int
    out: str


@attrs.frozen
class InnerProject:
    """The project, and a run of pytest in it whose files lie beside it.

    Attributes:
        folder: the project.
        base: the folder for temporary files of pytest.
        temporary: the folder for those of everything else.
    """

    folder: Path
    base: Path
    temporary: Path

    @classmethod
    def create(cls, folder: Path, tests: str) -> InnerProject:
        """Write the project."""
        project = cls(folder / "inner", folder / "base", folder / "temporary")
        project.temporary.mkdir(parents=True)
        files = {
            "pyproject.toml": PYPROJECT,
            "src/taskmgr_inner/__init__.py": PLUGIN,
            "tests/test_inner.py": textwrap.dedent(tests),
        }
        for name, text in files.items():
            path = project.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.lstrip())
        return project

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Begin a run of pytest."""
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-ra"),
                *(f"--basetemp={self.base}", *options),
            ],
            cwd=self.folder,
            env={**os.environ, "TMPDIR": str(self.temporary), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *options: str) -> Session:
        """Run pytest to its end."""
        with self.start(*options) as process:
            out, _ = process.communicate(timeout=100)
        return Session(process.returncode, out)

    def files(self) -> list[str]:
        """The files of the project."""
        return sorted(str(each.relative_to(self.folder)) for each in self.folder.rglob("*"))

    def processes(self) -> list[str]:
        """What still runs of all that was started from here."""
        return [*self._processes()]

    def _processes(self) -> Iterator[str]:
        for process in psutil.process_iter():
            try:
                words = " ".join(process.cmdline())
                if str(self.base) in words or str(self.folder) in words:
                    yield words
            except psutil.Error:
                continue

    def processes_after(self, seconds: float) -> list[str]:
        """What still runs when it had time to end."""
        deadline = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left
