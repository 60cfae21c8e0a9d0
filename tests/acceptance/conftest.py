"""Homes with plugins published as users publish them."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from backends import EMBEDDED, SERVERS, VARIABLE, Backend, Embedded, OnServers
from command_line import REPOSITORY, CommandLine

from server_fixtures import environment_of
from servers import KINDS

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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, with its reason, what the backend of this run cannot have."""
    name = backend_name(config)
    for item in items:
        for other in {EMBEDDED, SERVERS} - {name}:
            marker = item.get_closest_marker(other)
            if marker is not None:
                item.add_marker(pytest.mark.skip(reason=f"not on {name}: {marker.args[0]}"))


def backend_name(config: pytest.Config) -> str:
    """What the environment asks for."""
    name = environment_of(config).get(VARIABLE) or EMBEDDED
    if name not in (EMBEDDED, SERVERS):
        raise pytest.UsageError(f"{VARIABLE}: {name!r} is neither {EMBEDDED} nor {SERVERS}")
    return name


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Backend:
    """What the platforms of this run are on."""
    if backend_name(request.config) == EMBEDDED:
        return Embedded()
    return OnServers({kind: request.getfixturevalue(f"shared_{kind}_server") for kind in KINDS})


@pytest.fixture(scope="session")
def new_platform(
    backend: Backend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Path, Path], CommandLine]]:
    """Gives a terminal on an empty platform, for a home and a folder; kept for the session."""
    with contextlib.ExitStack() as stack:

        def make(home: Path, folder: Path) -> CommandLine:
            place = backend.place(tmp_path_factory.mktemp("place"))
            return CommandLine(home, folder, stack.enter_context(place))

        yield make


@pytest.fixture(scope="session")
def published(
    new_platform: Callable[[Path, Path], CommandLine],
    projects: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> CommandLine:
    """A platform where both plugins and the pipeline are published, to be copied only."""
    taskmgr = new_platform(tmp_path_factory.mktemp("published"), projects)
    publish_all(taskmgr)
    return taskmgr


@pytest.fixture(scope="session")
def copy_of_published(
    backend: Backend, published: CommandLine, new_platform: Callable[[Path, Path], CommandLine]
) -> Callable[[Path], CommandLine]:
    """Gives a copy of ``published`` with its home in a folder.

    What is on servers is published there once more, the virtualenvs are copied.
    """

    def copy(home: Path) -> CommandLine:
        shutil.copytree(published.home, home, symlinks=True)
        taskmgr = new_platform(home, published.folder)
        if backend.name == SERVERS:
            publish_all(taskmgr)
        return taskmgr

    return copy


@pytest.fixture(scope="session")
def shared(
    backend: Backend,
    copy_of_published: Callable[[Path], CommandLine],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[CommandLine]:
    """A platform for tests that mind no other's runs; on servers, workers serve it."""
    folder = tmp_path_factory.mktemp("shared")
    taskmgr = copy_of_published(folder / "home")
    with contextlib.ExitStack() as stack:
        for number in range(backend.workers):
            stack.enter_context(taskmgr.worker(log=folder / f"worker-{number}.log"))
        yield taskmgr


@pytest.fixture
def taskmgr(shared: CommandLine, tmp_path: Path) -> CommandLine:
    """A terminal on the shared platform, in an empty folder."""
    return shared.at(tmp_path)


@pytest.fixture
def alone(copy_of_published: Callable[[Path], CommandLine], tmp_path: Path) -> CommandLine:
    """A terminal on a platform of its own, for tests whose workers must meet no others."""
    return copy_of_published(tmp_path / "home").at(tmp_path)


@pytest.fixture
def empty(new_platform: Callable[[Path, Path], CommandLine], tmp_path: Path) -> CommandLine:
    """A terminal on an empty platform whose home is not there yet."""
    return new_platform(tmp_path / "home", tmp_path)


def publish_all(taskmgr: CommandLine) -> None:
    """Publish both plugins and the pipeline from the folder of the projects."""
    taskmgr("publish", "measured.json", "talk", "trials")
