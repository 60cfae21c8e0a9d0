"""How long until something can run: SDK import, virtualenvs, a worker."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, median
from benchmarks.overhead import NOOP
from taskmgr_core.environments import Environments
from taskmgr_core.settings import load
from taskmgr_core.specs import Release
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.wiring import Platform, connect

FACES = Path(__file__).parents[1] / "plugins" / "face_detection"
IMPORTS = 15
BUILDS = 3
STARTS = 3


def measure() -> list[Figure]:
    """Import, environments, worker start."""
    with tempfile.TemporaryDirectory(prefix="taskmgr-bench-") as folder:
        home = Path(folder)
        platform = Platform(load({}, home, home / "home"))
        with platform.client() as client:
            pure = client.publish(NOOP).release
            opencv = client.publish(FACES).release
            python = platform.environments.ensure(pure).python
            figures = [
                _import_of_sdk(python),
                _building("env_pure_s", platform, pure, home, 0.5),
                _building("env_opencv_s", platform, opencv, home, 1.2),
                Figure("venv_pip_opencv_s", _venv_pip_s(home), "s", note="python -m venv + pip"),
            ]
        return [*figures, Figure("worker_start_s", _worker_s(home), "s", 1.0)]


def _import_of_sdk(python: Path) -> Figure:
    """A process that imports the SDK, less one that imports nothing; medians, side by side.

    What importing attrs alone takes in the same minute is told with it: most of it, and what
    says how quick the machine is just now.
    """

    def process_ms(code: str) -> float:
        started = time.perf_counter()
        subprocess.run([str(python), "-I", "-c", code], check=True)
        return (time.perf_counter() - started) * 1000

    process_ms("import taskmgr_plugins")  # compiles the byte code
    codes = ("import taskmgr_plugins", "import attrs", "pass")
    samples = [[process_ms(code) for code in codes] for _ in range(IMPORTS)]
    sdk = median([loaded - bare for loaded, _, bare in samples])
    alone = median([loaded - bare for _, loaded, bare in samples])
    return Figure("sdk_import_ms", sdk, "ms", 60, note=f"of it attrs, imported alone: {alone:.0f}")


def _building(name: str, platform: Platform, release: Release, home: Path, wanted: float) -> Figure:
    """A virtualenv of a published plugin, with a warm package cache, in an empty folder.

    So it is the first of a machine, with which the SDK is compiled. What the others take,
    which find it compiled, is told with it.
    """
    kept = platform.environments.folder / ".bytecode"
    first = _build_s(platform, release, home / f"{name}-first", None)
    later = _build_s(platform, release, home / f"{name}-later", kept)
    note = f"the first of a machine; {later:.2f} where the SDK is compiled"
    return Figure(name, first, "s", wanted, note=note)


def _build_s(platform: Platform, release: Release, home: Path, bytecode: Path | None) -> float:
    samples = []
    for number in range(BUILDS):
        folder = home / str(number)
        environments = Environments(folder, platform.artifacts, platform.uv, bytecode=bytecode)
        started = time.perf_counter()
        environments.ensure(release)
        samples.append(time.perf_counter() - started)
    return median(samples)


def _venv_pip_s(home: Path) -> float:
    """What users do today for the same isolation, pip's cache warm."""
    samples = []
    for number in range(2):
        folder = home / f"venv-{number}"
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run(
            [str(folder / "bin" / "pip"), "install", "-q", "opencv-python-headless>=5", "numpy"],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        samples.append(time.perf_counter() - started)
    return min(samples)


def _worker_s(home: Path) -> float:
    """From starting the worker's process to its first claim."""
    samples = []
    for _ in range(STARTS):
        with connect(home / "home") as client:
            run_id = client.submit("noop", {"number": 1})
            started = time.time()
            worker = subprocess.Popen(
                [str(Path(sys.executable).with_name("taskmgr")), "worker", "start"],
                env={**os.environ, "TASKMGR_HOME": str(home / "home")},
                stderr=subprocess.DEVNULL,
            )
            try:
                _until_ended(client.metadata, run_id)
                (step,) = client.metadata.steps(run_id)
            finally:
                worker.terminate()
                worker.wait(timeout=30)
            assert step.started_at is not None
            samples.append(step.started_at - started)
    return median(samples)


def _until_ended(metadata: MetadataStore, run_id: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while metadata.status(run_id) == "running":
        if time.monotonic() > deadline:
            raise TimeoutError(f"run {run_id} has not ended after {seconds:g} s")
        time.sleep(0.01)
