"""Homes with plugins published as users publish them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import REPOSITORY, CommandLine

TALK = '''"""Tasks for the acceptance tests."""

import time
from pathlib import Path

import attrs
from taskmgr_plugins import File, hookimpl, task


@attrs.frozen
class Word:
    """A word by its id."""

    word_id: str
    word: str


@attrs.frozen
class Words:
    """The words of a text."""

    words: list[Word]
    count: int


@task
def words(text: str) -> Words:
    """Cut a text into words."""
    found = [Word(f"word_{n}", each) for n, each in enumerate(text.split())]
    return Words(found, len(found))


@attrs.frozen
class Length:
    """How long the word of that id is."""

    word_id: str
    letters: int


@task
def lengths(words: list[Word], factor: int = 1) -> list[Length]:
    """Measure words."""
    print(f"measuring {len(words)} words")
    return [Length(each.word_id, len(each.word) * factor) for each in words]


@task
def read(file: File) -> str:
    """Read a file."""
    return file.read_bytes().decode()


@task
def write(text: str) -> File:
    """Write a file."""
    Path("note.txt").write_text(text)
    return File("note.txt")


@task(timeout=60)
def talk(gate: str) -> str:
    """Say something, wait for a file, say something more."""
    print("before the gate")
    Path(gate + ".begun").touch()
    while not Path(gate).exists():
        time.sleep(0.02)
    print("behind the gate")
    return "done"


@hookimpl
def taskmgr_tasks() -> list[object]:
    """Announce the tasks."""
    return [words, lengths, read, write, talk]
'''

PYPROJECT = """[project]
name = "taskmgr-talk"
version = "1.0.0"
requires-python = ">=3.11"
dependencies = ["attrs", "taskmgr-plugins>=0.1"]

[project.entry-points."taskmgr.plugins"]
words = "taskmgr_talk"
lengths = "taskmgr_talk"
read = "taskmgr_talk"
write = "taskmgr_talk"
talk = "taskmgr_talk"

[build-system]
requires = ["uv_build>=0.13,<0.14"]
build-backend = "uv_build"
"""

PIPELINE: dict[str, Any] = {
    "pipeline": "measured",
    "description": "Cut a text into words and measure them.",
    "inputs": {"text": "string"},
    "steps": [
        {"id": "001", "task": "words", "inputs": {"input_001_text": "text"}},
        {
            "id": "002",
            "task": "lengths",
            "inputs": {
                "input_002_words": "output_001_words",
                "input_002_factor": {"value": 2},
            },
        },
    ],
    "result": {
        "words": {
            "join": "word_id",
            "ports": {"word": "output_001_words", "length": "output_002_result"},
        },
        "count": "output_001_count",
    },
}


@pytest.fixture(scope="session")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plugins ``talk`` and ``trials`` and the pipeline ``measured.json``."""
    folder = tmp_path_factory.mktemp("projects")
    package = folder / "talk" / "src" / "taskmgr_talk"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(TALK)
    (folder / "talk" / "pyproject.toml").write_text(PYPROJECT)
    shutil.copytree(REPOSITORY / "tests" / "projects" / "trials", folder / "trials")
    (folder / "measured.json").write_text(json.dumps(PIPELINE))
    return folder


@pytest.fixture(scope="session")
def published(projects: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home where both plugins and the pipeline are published, to be copied only."""
    home = tmp_path_factory.mktemp("published")
    CommandLine(home, projects)("publish", "measured.json", "talk", "trials")
    return home


@pytest.fixture(scope="session")
def shared_home(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home for tests that mind no other's runs."""
    return Path(shutil.copytree(published, tmp_path_factory.mktemp("shared") / "home"))


@pytest.fixture
def taskmgr(shared_home: Path, tmp_path: Path) -> CommandLine:
    """A terminal on the shared home, in an empty folder."""
    return CommandLine(shared_home, tmp_path)


@pytest.fixture
def alone(published: Path, tmp_path: Path) -> CommandLine:
    """A terminal on a home of its own, for tests whose workers must meet no others."""
    return CommandLine(Path(shutil.copytree(published, tmp_path / "home")), tmp_path)


@pytest.fixture
def empty(tmp_path: Path) -> CommandLine:
    """A terminal on a home that is not there yet."""
    return CommandLine(tmp_path / "home", tmp_path)
