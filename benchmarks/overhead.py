"""What a step costs beside its own work, against the floor of SQLite and a pipe."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.figures import Figure, median
from taskmgr_core.client import Client
from taskmgr_core.specs import PipelineSpec, StepSpec
from taskmgr_core.stores.progress import Progress
from taskmgr_core.wiring import connect

NOOP = Path(__file__).parent / "plugins" / "noop"
WARM_UP = 20
ROUNDS = 300

THREE_STEPS = PipelineSpec(
    pipeline="three_steps",
    inputs={"number": "integer"},
    steps=(
        StepSpec("001", "noop", {"input_001_number": "number"}),
        StepSpec("002", "noop", {"input_002_number": "output_001_result"}),
        StepSpec("003", "noop", {"input_003_number": "output_001_result"}),
    ),
)

_ECHO = "import os\nwhile (b := os.read(0, 65536)): os.write(1, b)"


def measure() -> list[Figure]:
    """Steps that do nothing, with warm runners."""
    with (
        tempfile.TemporaryDirectory(prefix="taskmgr-bench-") as folder,
        warm(Path(folder)) as client,
    ):
        one, synced_one = _steps(client)
        three = _runs(client)
    floor, synced = _floor(synchronous="NORMAL"), _floor(synchronous="FULL")
    note = f"floor of SQLite and a pipe: {floor:.2f}, with fsync {synced:.2f}"
    return [
        Figure("step_overhead_ms", one, "ms", 2.0, note=note),
        Figure(
            "step_synced_ms", synced_one, "ms", note="until the record that ends the run is synced"
        ),
        Figure("three_step_run_ms", three, "ms", 8.0, note="one step, then two in parallel"),
        Figure("step_floor_ratio", one / synced, "ratio", note="over the floor with fsync"),
    ]


@contextmanager
def warm(home: Path) -> Iterator[Client]:
    """A client whose worker has run the do-nothing task."""
    with connect(home) as client:
        client.publish(NOOP)
        for _ in range(WARM_UP):
            client.run(THREE_STEPS, {"number": 1})
        yield client


def _steps(client: Client) -> tuple[float, float]:
    """Milliseconds from enqueued to recorded, and until that is on the disk, too; medians.

    Both times of a step are taken before they are recorded: of two like records one is in the
    first figure. Both are in the second, and the sync of the last, which ends the run.
    """
    samples, synced = [], []
    finish, returned = client.metadata.finish, [0.0]

    def noted(*arguments: Any) -> Progress:
        progress = finish(*arguments)
        returned[0] = time.time()
        return progress

    with patch.object(client.metadata, "finish", noted):
        for number in range(ROUNDS):
            detail = client.run("noop", {"number": number})
            (step,) = detail.steps
            assert step.finished_at is not None
            assert step.ready_at is not None
            samples.append((step.finished_at - step.ready_at) * 1000)
            synced.append((returned[0] - step.ready_at) * 1000)
    return median(samples), median(synced)


def _runs(client: Client) -> float:
    """Milliseconds from the submission of three steps to the end of the run, median."""
    samples = []
    for number in range(ROUNDS):
        started = time.perf_counter()
        run_id = client.submit(THREE_STEPS, {"number": number})
        client.wait(run_id)
        samples.append((time.perf_counter() - started) * 1000)
    return median(samples)


def _floor(synchronous: str) -> float:
    """Two commits and one round trip over a pipe to another process, in milliseconds."""
    with tempfile.TemporaryDirectory(prefix="taskmgr-bench-") as folder:
        connection = sqlite3.connect(Path(folder) / "floor.sqlite3", isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("CREATE TABLE steps (id INTEGER PRIMARY KEY, document TEXT)")
        echo = subprocess.Popen(
            [sys.executable, "-c", _ECHO], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert echo.stdin is not None
        assert echo.stdout is not None
        samples = []
        for number in range(ROUNDS):
            started = time.perf_counter()
            connection.execute("INSERT INTO steps VALUES (?, ?)", (number, "x" * 300))
            os.write(echo.stdin.fileno(), b"x" * 300)
            os.read(echo.stdout.fileno(), 65536)
            connection.execute("UPDATE steps SET document = ? WHERE id = ?", ("y" * 300, number))
            samples.append((time.perf_counter() - started) * 1000)
        echo.stdin.close()
        echo.wait()
        echo.stdout.close()
        connection.close()
    return median(samples)
