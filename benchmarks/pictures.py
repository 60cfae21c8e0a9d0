"""Sixty pictures through ``face_processing`` on three workers, and the same in a plain loop."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import cv2
import psutil

from benchmarks.figures import Figure
from benchmarks.processes import running, wait_for
from servers import start_redis
from taskmgr_core.settings import load
from taskmgr_core.stores.metadata import RunFilter
from taskmgr_core.uv import Uv
from taskmgr_core.wiring import Platform

ROOT = Path(__file__).parents[1]
PLUGINS = tuple(
    ROOT / "plugins" / name for name in ("face_detection", "face_attributes", "face_features")
)
PICTURES = 60
WORKERS = 3
TASKMGR = Path(sys.executable).with_name("taskmgr")


def measure() -> list[Figure]:
    """Pictures per minute, and what each way takes of memory."""
    with tempfile.TemporaryDirectory(prefix="taskmgr-bench-") as name:
        folder = Path(name)
        pictures = folder / "pictures"
        _make_pictures(pictures)
        # Before and after, because the machine is not always as fast.
        loop = _loop(pictures, folder / "loop")
        with start_redis(folder / "redis") as redis:
            team = _team(pictures, folder / "home", redis.url_for("0"))
        again = _loop(pictures, folder / "again")
    cores = os.cpu_count() or 1
    alone = 2 * PICTURES / (loop["seconds"] + again["seconds"]) * 60
    together = PICTURES / team.seconds * 60
    note = f"{alone:.0f}/min in a loop on one core, {loop['faces']:.0f} faces"
    return [
        Figure("images_per_minute", together, "1/min", note=note),
        Figure("images_per_core_ratio", together / (cores * alone), "ratio", 0.85, at_most=False),
        Figure("picture_submit_ms", team.submit_ms, "ms", note="checked, stored, recorded; before"),
        Figure(
            "worker_memory_mb",
            team.megabytes,
            "MB",
            note=f"a worker with its three runners; the loop {loop['megabytes']:.0f} MB",
        ),
    ]


def _make_pictures(folder: Path) -> None:
    """Each one another: the examples in slightly different sizes."""
    folder.mkdir()
    examples = sorted((ROOT / "examples" / "images").glob("*.[jp][pn]g"))
    for number in range(PICTURES):
        pixels = cv2.imread(str(examples[number % len(examples)]))
        assert pixels is not None
        scale = 1 - number / 400
        cv2.imwrite(str(folder / f"{number:02}.png"), cv2.resize(pixels, None, fx=scale, fy=scale))


def _loop(pictures: Path, environment: Path) -> dict[str, float]:
    uv = Uv.find(os.environ)
    uv.run(["venv", "--quiet", "--python", sys.executable, str(environment)])
    python = environment / "bin" / "python"
    projects = [str(each) for each in (ROOT / "taskmgr_plugins", *PLUGINS)]
    uv.run(["pip", "install", "--quiet", "--python", str(python), *projects])
    script = Path(__file__).with_name("plain_loop.py")
    models = [str(each / "models") for each in PLUGINS]
    done = subprocess.run(
        [str(python), str(script), str(pictures), *models],
        capture_output=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    told: dict[str, float] = json.loads(done.stdout)
    return told


@attrs.frozen
class Team:
    """What the workers did.

    Attributes:
        seconds: for all pictures, from when the workers went on to the last result.
        submit_ms: what submitting one picture took before.
        megabytes: memory of a worker with its runners, the largest.
    """

    seconds: float
    submit_ms: float
    megabytes: float


def _team(pictures: Path, home: Path, broker: str) -> Team:
    """All pictures by workers that are warm; what is submitted waits until all of it is there."""
    environment = {
        "TASKMGR_HOME": str(home),
        "TASKMGR_BROKER_URL": broker,
        "TASKMGR_THREADS": "1",  # three workers share the cores of one machine
    }
    platform = Platform(load(environment, home, home))
    platform.initialize()
    with platform.client() as client:
        for plugin in PLUGINS:
            client.publish(plugin)
        client.publish_pipeline(ROOT / "pipelines" / "face_processing.json")
        command = [str(TASKMGR), "worker", "start", "--slots", "1", "--loglevel", "warning"]
        with running([command] * WORKERS, environment) as workers:
            wait_for(lambda: len(client.workers()) == WORKERS)
            paths = sorted(pictures.iterdir())
            for path in paths[: 4 * WORKERS]:
                client.submit("face_processing", {"image": path})
            wait_for(lambda: not client.runs(RunFilter(status="running", limit=1)))
            with _standing_still(workers):
                begun = time.perf_counter()
                runs = [client.submit("face_processing", {"image": path}) for path in paths]
                submitted = time.perf_counter() - begun
            started = time.time()
            wait_for(lambda: not client.runs(RunFilter(status="running", limit=1)), pause=0.1)
            details = [client.metadata.run(run) for run in runs]
            megabytes = max(_megabytes(each.pid) for each in workers)
            assert {each.status for each in details} == {"succeeded"}
    seconds = max(each.finished_at or 0.0 for each in details) - started
    return Team(seconds, submitted / len(paths) * 1000, megabytes)


@contextlib.contextmanager
def _standing_still(processes: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    for each in processes:
        each.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for each in processes:
            each.send_signal(signal.SIGCONT)


def _megabytes(pid: int) -> float:
    """Memory of a process and all that it started; what they share is counted once."""
    return sum(each.memory_full_info().pss for each in _tree(pid)) / 1e6


def _tree(pid: int) -> Iterator[psutil.Process]:
    process = psutil.Process(pid)
    yield process
    yield from process.children(recursive=True)
