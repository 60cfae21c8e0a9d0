"""A worker that is told its tasks gets them ready before it takes a step."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from plugin_projects import code_with_model, write_plugin

from conftest import FAST, TASKMGR, TRIALS
from taskmgr_core.documents import digest_of
from taskmgr_core.environment_builder import fingerprint_of
from taskmgr_core.settings import load
from taskmgr_core.specs import Worker
from taskmgr_core.wiring import Platform
from waiting import wait_until

WEIGHTS = b"weights of the task"

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two plugins, one with weights, and no virtualenv of either."""
    folder = tmp_path_factory.mktemp("prepared")
    home = folder / "home"
    plugin = write_plugin(folder / "tiny", code=code_with_model(digest_of(WEIGHTS)[7:]))
    (plugin / "models").mkdir()
    (plugin / "models" / "weights.bin").write_bytes(WEIGHTS)
    with Platform(load(FAST, home, home)).client() as client:
        client.publish(plugin)
        client.publish(TRIALS)
    return home


@pytest.fixture
def platform(prepared: Path, tmp_path: Path) -> Iterator[Platform]:
    """A copy of it."""
    home = tmp_path / "home"
    left = ("environments", "models")
    shutil.copytree(prepared, home, ignore=lambda _, names: {*left} & {*names})
    opened = Platform(load(FAST, home, home))
    yield opened
    opened.queue.close()
    opened.metadata.close()


@pytest.fixture
def start(platform: Platform) -> Iterator[Start]:
    """Start workers for some tasks; they are killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start_one(*tasks: str, **variables: str) -> subprocess.Popen[str]:
        home = platform.settings.home
        process = subprocess.Popen(
            [str(TASKMGR), "worker", "start", "--tasks", ",".join(tasks)],
            env={**os.environ, **FAST, "TASKMGR_HOME": str(home), **variables},
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def workers(platform: Platform) -> list[Worker]:
    """Those that are known."""
    return platform.metadata.workers()


@contextlib.contextmanager
def kept_from_building(platform: Platform) -> Iterator[None]:
    """The virtualenv of the plugin with weights is being built elsewhere, for ever."""
    release = platform.metadata.version("shout").release
    fingerprint = fingerprint_of(release, platform.environments.interpreter(release))
    name = f"{release.distribution}-{fingerprint[:16]}.build"
    locks = platform.environments.folder / ".locks"
    locks.mkdir(parents=True)
    with FileLock(locks / name):
        yield


def wait_for(process: subprocess.Popen[str], what: str) -> str:
    """Read what a worker says until it says this; all of it."""
    assert process.stderr is not None
    said = ""
    while what not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    return said


def test_worker_has_its_tasks_ready_before_its_first_step(platform: Platform, start: Start) -> None:
    """Virtualenvs and weights of its tasks are there when it claims, and told in its log."""
    with platform.client() as client:
        run = client.submit("shout", {"text": "x"})
        process = start("shout", "add", "nobody_published_this")
        wait_until(lambda: client.metadata.status(run) == "succeeded", "the run is done")
        (step,) = client.metadata.steps(run)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert {each.distribution for each in platform.environments.list()} == {
        "tiny-plugin",
        "taskmgr-trials",
    }
    assert [each.names for each in platform.models.copies()] == [("weights.bin",)]
    assert said.count("building the virtualenv") == 2
    told = [line for line in said.splitlines() if re.search("prepared in|step 001", line)]
    assert "prepared in" in told[0]
    assert step.seconds["environment"] < 0.1


def test_worker_that_prepares_lives_and_claims_nothing(platform: Platform, start: Start) -> None:
    """Longer than a silent worker is believed: it is seen preparing, not lost; then it serves."""
    with platform.client() as client:
        run = client.submit("shout", {"text": "x"})
        with kept_from_building(platform):
            process = start("shout", TASKMGR_LOST_AFTER="0.5")
            wait_for(process, "is being built by another process")
            since = time.time()
            wait_until(lambda: beat(platform) > since + 1, "it beats for longer than 0.5 s")
            assert workers(platform)[0].preparing
            assert client.metadata.steps(run)[0].status == "ready"
        wait_until(lambda: client.metadata.status(run) == "succeeded", "the run is done")
        assert not workers(platform)[0].preparing


def beat(platform: Platform) -> float:
    """When the one worker has beaten last."""
    (worker,) = workers(platform)
    return worker.heartbeat


def test_worker_that_prepares_leaves_at_once(platform: Platform, start: Start) -> None:
    """SIGTERM breaks it off; nothing is left of it, and no step was taken."""
    with platform.client() as client, kept_from_building(platform):
        run = client.submit("shout", {"text": "x"})
        process = start("shout")
        wait_for(process, "is being built by another process")
        told = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
        assert time.monotonic() - told < 3
        assert process.returncode == 0, said
        assert "broken off" in said
        assert client.metadata.steps(run)[0].status == "ready"
        assert workers(platform) == []
    assert platform.environments.list() == []


def test_task_that_cannot_be_prepared_holds_up_no_other(platform: Platform, start: Start) -> None:
    """What is lost in the store is told; its steps fail with the reason, the others are served."""
    release = platform.metadata.version("add").release
    platform.artifacts.remove(release.wheel.digest)
    with platform.client() as client:
        process = start("shout", "add")
        wait_until(lambda: workers(platform) and not workers(platform)[0].preparing, "it serves")
        good = client.run("shout", {"text": "x"}, timeout=30)
        bad = client.run("add", {"left": 1}, timeout=30)
    assert good.run.status == "succeeded"
    assert bad.run.failure is not None
    assert "is not in the store" in bad.run.failure.message
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert re.search("WARNING .*taskmgr-trials .* cannot be prepared, .*not in the store", said)


def test_weights_of_a_warm_runner_are_in_use(platform: Platform) -> None:
    """As long as a runner is kept warm nobody removes its weights; then they are free."""
    with platform.client() as client:
        assert client.run("shout", {"text": "x"}, timeout=30).run.status == "succeeded"
        assert [each.in_use for each in platform.models.copies()] == [True]
    assert [each.in_use for each in platform.models.copies()] == [False]
