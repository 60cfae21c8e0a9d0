"""A home with the trial tasks published, and platforms on it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rest_server import Served, furnish, served

from taskmgr_core.client import Client
from taskmgr_core.settings import load
from taskmgr_core.specs import RunDetail
from taskmgr_core.wiring import Platform

TRIALS = Path(__file__).parents[1] / "projects" / "trials"
TASKMGR = Path(sys.executable).with_name("taskmgr")
FAST = {
    "TASKMGR_HEARTBEAT": "0.2",
    "TASKMGR_LOST_AFTER": "1.0",
    "TASKMGR_RETRY_DELAY": "0.05",
    "TASKMGR_SLOTS": "2",
    # Where the tests' own notes are, by which tasks tell what they see.
    "TASKMGR_WRITABLE": tempfile.gettempdir(),
}


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that holds the trial tasks."""
    folder = tmp_path_factory.mktemp("home")
    platform = Platform(load(FAST, folder, folder))
    with platform.client() as client:
        client.publish(TRIALS)
    return folder


@pytest.fixture
def platform(home: Path) -> Platform:
    """The objects of one process on that home."""
    return Platform(load(FAST, home, home))


@pytest.fixture
def client(platform: Platform) -> Iterator[Client]:
    """A client that runs steps itself when nobody else does."""
    with platform.client() as opened:
        yield opened


@pytest.fixture
def run(client: Client) -> Callable[..., RunDetail]:
    """Run a task or pipeline to its end."""

    def run_to_end(what: object, **inputs: object) -> RunDetail:
        return client.run(what, inputs, timeout=60)  # type: ignore[arg-type]

    return run_to_end


@pytest.fixture
def start_worker(home: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start workers as processes of their own; they are killed at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start(slots: int = 1, lost_attempts: int = 3) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [str(TASKMGR), "worker", "start", "--slots", str(slots)],
            env={
                **os.environ,
                **FAST,
                "TASKMGR_HOME": str(home),
                "TASKMGR_LOST_ATTEMPTS": str(lost_attempts),
            },
            stderr=subprocess.DEVNULL,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def rest_home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A home with recorded runs, and their ids by how they are."""
    folder = tmp_path_factory.mktemp("rest")
    return folder, furnish(folder)


@pytest.fixture(scope="session")
def rest(rest_home: tuple[Path, dict[str, str]]) -> Iterator[Served]:
    """The REST API on that home, in a process of its own."""
    with served(rest_home[0], "--no-accounts") as answering:
        yield answering
