"""Which published versions a machine can run."""

import logging
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from taskmgr_core.coverage import KEEP_SECONDS, Coverage
from taskmgr_core.errors import EnvironmentBuildError
from taskmgr_core.specs import GraphStep, Release, StoredFile, TaskSpec, TaskVersion, Worker
from taskmgr_core.stores.sqlite import SqliteMetadata


@attrs.define
class Machine:
    """What a machine has, and a clock that is set by hand."""

    pythons: set[str] = attrs.field(factory=lambda: {"3.11"})
    now: float = 100.0

    def interpreter(self, release: Release) -> str:
        if release.platforms and "linux-x86_64" not in release.platforms:
            raise EnvironmentBuildError(f"made for {release.platforms[0]}")
        if release.python not in self.pythons:
            raise EnvironmentBuildError(f"this machine has no Python {release.python}")
        return release.python

    def clock(self) -> float:
        return self.now


def version(number: str, python: str = "3.11", platforms: tuple[str, ...] = ()) -> TaskVersion:
    """A version of `echo`."""
    file = StoredFile(f"echo-{number}.whl", f"sha256:{number}", 1)
    release = Release(
        "taskmgr-echo", number, file, file, file, (), python, "linux-x86_64", "", platforms
    )
    return TaskVersion(TaskSpec("echo", (), ()), release)


@pytest.fixture
def machine() -> Machine:
    """One with Python 3.11."""
    return Machine()


@pytest.fixture
def coverage(tmp_path: Path, machine: Machine) -> Iterator[Coverage]:
    """Of a Linux machine and four versions."""
    store = SqliteMetadata(tmp_path / "metadata.sqlite3")
    store.initialize()
    store.add_versions([version("1.0")])
    store.add_versions([version("1.1", platforms=("linux-x86_64", "darwin-arm64"))])
    store.add_versions([version("1.2", platforms=("darwin-arm64",))])
    store.add_versions([version("1.3", python="3.99")])
    yield Coverage(store, machine.interpreter, machine.clock)
    store.close()


def test_platform_and_python_decide(coverage: Coverage, caplog: pytest.LogCaptureFixture) -> None:
    """What is not for this platform, or needs a Python that is not here, is not run, and why."""
    with caplog.at_level(logging.WARNING):
        found = [coverage.covers("echo", each) for each in ("1.0", "1.1", "1.2", "1.3")]
    assert found == [True, True, False, False]
    assert coverage.refused == ("echo 1.2", "echo 1.3")
    assert "echo 1.2 are left to other workers: made for darwin-arm64" in caplog.text
    assert "echo 1.3 are left to other workers: this machine has no Python 3.99" in caplog.text
    assert len(caplog.records) == 2


def test_what_was_found_is_looked_at_again(coverage: Coverage, machine: Machine) -> None:
    """A Python that is installed later counts, after a while, without a restart."""
    assert not coverage.covers("echo", "1.3")
    machine.pythons.add("3.99")
    assert not coverage.covers("echo", "1.3")
    machine.now += KEEP_SECONDS
    assert coverage.covers("echo", "1.3")
    assert coverage.refused == ("echo 1.2",)


def test_unknown_task_is_covered(coverage: Coverage) -> None:
    """Whoever takes a step of a task that nobody published says so; nobody else would."""
    assert coverage.covers("nothing", "1.0")
    assert coverage.covers_all("nothing")
    assert not coverage.covers_all("echo")


def test_worker_serves_no_version_that_it_refuses() -> None:
    """Who waits for a run does not wait for a worker that leaves its step to others."""
    step = GraphStep("001", "echo", "1.2", "default", 5, 60.0, 512, 0, {}, (), ())
    worker = Worker("w1", "host", 1, 1, (), 0.0, 0.0)
    assert worker.serves(step)
    assert not attrs.evolve(worker, refused=("echo 1.2",)).serves(step)
    assert attrs.evolve(worker, refused=("echo 1.3",)).serves(step)
