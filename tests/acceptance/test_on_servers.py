"""What only a team's servers have: several workers, Flower, files fetched anew."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import psutil
import pytest
from command_line import REPOSITORY, CommandLine, wait_until
from small_home import on_a_small_disk

from servers.ports import HOST, free_ports

pytestmark = [pytest.mark.servers("it is about servers"), pytest.mark.timeout(400)]


def test_run_is_done_by_the_workers(taskmgr: CommandLine) -> None:
    """`run` works nothing itself where workers are alive; each step says who ran it."""
    alive = {each["id"] for each in taskmgr.json("worker", "status")["workers"]}
    assert len(alive) == 2
    run = taskmgr.json("run", "measured", "text=one two")
    assert {each["worker"] for each in taskmgr.json("show", run["run_id"])["steps"]} <= alive


def test_damaged_copy_of_an_artifact_is_fetched_anew(projects: Path, empty: CommandLine) -> None:
    """A damaged file of this machine is put right from the bucket, and `doctor` has no fault."""
    empty("publish", projects / "talk")
    digest = empty.json("info", "words")["release"]["wheel_digest"].removeprefix("sha256:")
    wheel = empty.home / "artifacts" / digest[:2] / digest
    whole = wheel.read_bytes()
    wheel.chmod(0o644)
    wheel.write_bytes(b"damaged")
    with empty.worker():
        assert "intact" in empty("doctor").out
    assert wheel.read_bytes() == whole


def test_home_that_cannot_be_written_fails_the_step(published: CommandLine, tmp_path: Path) -> None:
    """What is recorded is on servers; the step that needs the home fails and says the cure."""
    said = on_a_small_disk(
        published,
        tmp_path,
        """
        write_protect()
        print(taskmgr("run", "add", "left=1", code=1).err)
        """,
    )
    assert "failed in step 001" in said
    assert "the permissions, or set TASKMGR_HOME to another folder" in said
    assert "bug" not in said


# the demonstration


@attrs.frozen
class Demonstration:
    """``make demo BACKEND=servers`` without make.

    Attributes:
        environment: of the process.
        folder: for the servers' data.
    """

    environment: dict[str, str]
    folder: Path

    @contextlib.contextmanager
    def started(self) -> Iterator[subprocess.Popen[str]]:
        """The process, killed at the end if it still runs."""
        process = subprocess.Popen(
            [sys.executable, "-m", "servers.demo", "--folder", self.folder],
            cwd=REPOSITORY,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


@pytest.fixture
def demonstration(tmp_path: Path) -> Demonstration:
    """On servers that it starts itself."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TASKMGR")}
    return Demonstration({**kept, "TASKMGR_HOME": str(tmp_path / "home")}, tmp_path / "servers")


def test_demonstration_is_done_by_two_workers(demonstration: Demonstration) -> None:
    """It starts everything, tells who ran which step, and leaves no process behind."""
    with demonstration.started() as process:
        assert process.stderr is not None
        told, children = [], set()
        for line in process.stderr:
            told.append(line)
            children |= set(psutil.Process(process.pid).children(recursive=True))
        assert process.wait() == 0, "".join(told)
    who = [line for line in told if line.startswith("demo: worker ")]
    assert len(who) == 2
    assert all("00" in line for line in who)
    assert len(children) > 5
    assert psutil.wait_procs(children, timeout=20)[1] == []


def test_interrupted_demonstration_leaves_nothing_behind(
    demonstration: Demonstration, empty: CommandLine
) -> None:
    """Ctrl-C while the workers start, on servers that are given: all that it started ends."""
    given = attrs.evolve(demonstration, environment={**demonstration.environment, **empty.settings})
    with given.started() as process:
        assert process.stderr is not None
        assert any("ready after" in line for line in iter(process.stderr.readline, ""))
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 2
        process.send_signal(signal.SIGINT)
        assert "everything that was started is stopped" in process.stderr.read()
        assert process.wait() == 130
    assert psutil.wait_procs(children, timeout=20)[1] == []


# Flower


@attrs.frozen
class Flower:
    """Flower's HTTP API.

    Attributes:
        port: on the loopback interface.
        account: ``user:password``.
    """

    port: int
    account: str = attrs.field(repr=False)

    def get(self, path: str) -> Any:
        """What it answers; nothing as long as it does not."""
        proof = base64.b64encode(self.account.encode()).decode()
        request = urllib.request.Request(
            f"http://{HOST}:{self.port}{path}", headers={"Authorization": f"Basic {proof}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return {}


@pytest.fixture
def flower(shared: CommandLine, tmp_path: Path) -> Iterator[Flower]:
    """Flower on the broker of the shared platform, as the guide starts it."""
    (port,) = free_ports(1)
    account = f"tester:{secrets.token_hex(8)}"
    with (tmp_path / "flower.log").open("w") as log:
        process = subprocess.Popen(
            [
                Path(sys.executable).with_name("celery"),
                *("flower", f"--address={HOST}", f"--port={port}"),
            ],
            cwd=tmp_path,
            env={
                **os.environ,
                "CELERY_BROKER_URL": shared.settings["TASKMGR_BROKER_URL"],
                "FLOWER_BASIC_AUTH": account,
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            yield Flower(port, account)
        finally:
            process.terminate()
            process.wait()
    assert account not in (tmp_path / "flower.log").read_text()


def test_flower_lists_workers_and_tasks(flower: Flower, taskmgr: CommandLine) -> None:
    """Both workers, and a run's step under its plugin's name, are in Flower's HTTP API."""
    names = {f"taskmgr@{each['id']}" for each in taskmgr.json("worker", "status")["workers"]}

    def listens() -> bool:
        found = flower.get("/api/workers?refresh=1")
        return set(found) >= names and all(each.get("stats") for each in found.values())

    wait_until(listens, "Flower lists both workers", 60)
    wait_until(lambda: _told_of_a_run(flower, taskmgr), "Flower lists the task", 60)


def _told_of_a_run(flower: Flower, taskmgr: CommandLine) -> bool:
    """Whether Flower has heard of a step; it asks the workers a while after its start."""
    run = taskmgr.json("run", "add", "left=1")["run_id"]
    found = flower.get("/api/tasks?taskname=add")
    return any(run in str(each["args"]) and each["name"] == "add" for each in found.values())
