"""Workers on servers restarted one by one while runs are submitted: nothing is dropped."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs
import pytest

from conftest import TASKMGR, TRIALS
from servers import Share
from servers.child import GUARD
from taskmgr_core.client import Client
from taskmgr_core.settings import load
from taskmgr_core.specs import FINAL_RUN_STATUSES
from taskmgr_core.wiring import Platform
from waiting import wait_until

pytestmark = pytest.mark.long

PAUSE_SECONDS = 0.05
SUBMIT_SECONDS = 0.03


@attrs.define(eq=False)
class Fleet:
    """Worker processes on one platform.

    Attributes:
        environment: of each process.
        folder: for what they log.
        client: of this process.
    """

    environment: Mapping[str, str] = attrs.field(repr=False)
    folder: Path
    client: Client
    processes: list[subprocess.Popen[bytes]] = attrs.field(factory=list)
    _started: int = 0

    def start(self) -> None:
        """One more; returns when it is alive."""
        self._started += 1
        with (self.folder / f"worker-{self._started}.log").open("w") as log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", str(GUARD), str(os.getpid())),
                    *(str(TASKMGR), "worker", "start", "--slots", "2"),
                ],
                env=dict(self.environment),
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        wait_until(lambda: self._alive(process.pid), "a worker is alive", 60)

    def replace_oldest(self) -> None:
        """SIGTERM the oldest, wait until it has left, and start another one."""
        process = self.processes.pop(0)
        process.terminate()
        assert process.wait(60) == 0
        self.start()

    def close(self) -> None:
        """End them all."""
        for each in self.processes:
            each.kill()
            each.wait()

    def _alive(self, pid: int) -> bool:
        return any(each.pid == pid for each in self.client.workers())


@pytest.fixture
def fleet(
    redis_server: Share, mongodb_server: Share, s3_server: Share, tmp_path: Path
) -> Iterator[Fleet]:
    """A platform on servers where the trial tasks are published; no worker yet."""
    settings = {
        "TASKMGR_METADATA_URL": mongodb_server.url,
        "TASKMGR_ARTIFACTS_URL": s3_server.url,
        "TASKMGR_BROKER_URL": redis_server.url,
        "TASKMGR_HOME": str(tmp_path / "home"),
        # A machine that is busy with other tests is not to count as a lost one.
        "TASKMGR_LOST_AFTER": "20",
        "TASKMGR_WRITABLE": str(tmp_path),  # for the notes of the tasks
    }
    platform = Platform(load(settings, tmp_path))
    platform.initialize()
    with platform.client() as client, contextlib.ExitStack() as stack:
        client.publish(TRIALS)
        fleet = Fleet({**os.environ, **settings}, tmp_path, client)
        stack.callback(fleet.close)
        yield fleet


@attrs.define(eq=False)
class Load:
    """Submits runs in a thread of its own until it is told to stop.

    Attributes:
        client: of the platform.
        notes: each execution of a step writes a line with its run's number there.
        submitted: the runs so far.
    """

    client: Client
    notes: Path
    submitted: list[str] = attrs.field(factory=list)
    _stop: threading.Event = attrs.field(factory=threading.Event)

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        """Submit meanwhile."""
        thread = threading.Thread(target=self._submit_all)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def executions(self) -> Counter[int]:
        """How often each run was executed."""
        found = ((self.notes / str(n)) for n in range(len(self.submitted)))
        return Counter(
            {n: len(path.read_text().splitlines()) for n, path in enumerate(found) if path.exists()}
        )

    def _submit_all(self) -> None:
        while not self._stop.wait(SUBMIT_SECONDS):
            note = self.notes / str(len(self.submitted))
            inputs = {"seconds": PAUSE_SECONDS, "note": str(note)}
            self.submitted.append(self.client.submit("pause", inputs))


def roll(fleet: Fleet, notes: Path, rounds: int) -> Load:
    """Replace each of three workers, some times, while runs are submitted; all of them end."""
    notes.mkdir()
    load = Load(fleet.client, notes)
    for _ in range(3):
        fleet.start()
    with load.going_on():
        for _ in range(3 * rounds):
            fleet.replace_oldest()
    metadata = fleet.client.metadata
    wait_until(
        lambda: all(metadata.status(each) in FINAL_RUN_STATUSES for each in load.submitted),
        "every run has ended",
        120,
    )
    return load


def assert_nothing_was_dropped(fleet: Fleet, load: Load) -> None:
    """Every run succeeded at its first attempt, was executed once, and waited for nobody."""
    details = [fleet.client.detail(each) for each in load.submitted]
    steps = [detail.steps[0] for detail in details]
    assert {detail.run.status for detail in details} == {"succeeded"}
    assert {(step.attempt, step.lost) for step in steps} == {(1, 0)}
    assert set(load.executions().values()) == {1}
    assert len(load.executions()) == len(details)

    waits = sorted((step.started_at or 0) - (step.ready_at or 0) for step in steps)
    workers = len({step.worker for step in steps})
    print(f"{len(steps)} runs over {workers} workers, longest wait {waits[-1]:.2f} s")


@pytest.mark.timeout(400)
def test_rolling_update_drops_nothing(fleet: Fleet, tmp_path: Path) -> None:
    """Three workers, each replaced once by SIGTERM while runs are submitted: no attempt is lost."""
    assert_nothing_was_dropped(fleet, roll(fleet, tmp_path / "notes", rounds=1))


@pytest.mark.load
@pytest.mark.timeout(1200)
def test_many_rolling_updates_drop_nothing(fleet: Fleet, tmp_path: Path) -> None:
    """The same with each of the three workers replaced five times."""
    began = time.monotonic()
    load = roll(fleet, tmp_path / "notes", rounds=5)
    assert_nothing_was_dropped(fleet, load)
    print(f"{len(load.submitted)} runs in {time.monotonic() - began:.0f} s")
