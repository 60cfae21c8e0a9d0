"""How long from publishing to the first result, and what virtualenvs cost on the disk."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from benchmarks.figures import Figure, median
from benchmarks.overhead import NOOP
from benchmarks.processes import running, wait_for
from taskmgr_core.environments import Environments
from taskmgr_core.runners import Needs
from taskmgr_core.settings import load
from taskmgr_core.specs import TaskVersion
from taskmgr_core.wiring import Platform

ROOT = Path(__file__).parents[1]
FACES = ROOT / "plugins" / "face_detection"
PICTURE = ROOT / "examples" / "images" / "astronaut.png"
TASKMGR = Path(sys.executable).with_name("taskmgr")
SAMPLES = 3
ENVIRONMENTS = 10
OPENCV = ("opencv-python-headless>=5", "numpy")


def measure() -> list[Figure]:
    """Publish to result, today's way beside ours, the disk."""
    with tempfile.TemporaryDirectory(prefix="taskmgr-bench-") as name:
        folder = Path(name)
        bench = _Bench(folder, folder / "home")
        with bench.worker():
            pure = bench.publish_to_result_s(NOOP, ["noop", "number=1"])
            opencv = bench.publish_to_result_s(FACES, ["face_detection", f"image={PICTURE}"])
        ours, theirs = bench.ours_and_pip_s()
        return [
            Figure("publish_to_result_pure_s", pure, "s", 1.5, note="two commands, running worker"),
            Figure("publish_to_result_opencv_s", opencv, "s", 2.5, note="warm package cache"),
            Figure(
                "venv_pip_ratio",
                theirs / ours,
                "ratio",
                10,
                at_most=False,
                note=f"venv + pip + start {theirs:.1f} s, ours {ours:.2f} s",
            ),
            Figure("shared_disk_ratio", bench.disk_ratio(), "ratio", 1.3, note="OpenCV and numpy"),
        ]


@attrs.frozen
class _Bench:
    """One home.

    Attributes:
        folder: for everything.
        home: where the platform keeps its data.
    """

    folder: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"TASKMGR_HOME": str(self.home)}

    def command(self, *words: str) -> None:
        """One command, as a user types it."""
        subprocess.run(
            [str(TASKMGR), *words],
            env={**os.environ, **self.environment},
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @contextlib.contextmanager
    def worker(self) -> Iterator[None]:
        """A worker that is alive."""
        platform = Platform(load({}, self.folder, self.home))
        platform.initialize()
        start = [str(TASKMGR), "worker", "start", "--loglevel", "error"]
        with platform.client() as client, running([start], self.environment):
            wait_for(lambda: bool(client.workers()))
            yield

    def publish_to_result_s(self, plugin: Path, run: Sequence[str]) -> float:
        """Versions that nobody has seen, from `taskmgr publish` to the end of `taskmgr run`."""
        samples = []
        for number in range(SAMPLES + 1):
            project = _version(plugin, self.folder / f"{plugin.name}-{number}", f"9.{number}")
            started = time.perf_counter()
            self.command("publish", str(project))
            self.command("run", *run)
            samples.append(time.perf_counter() - started)
        return median(samples[1:])  # the first fetches the packages

    def ours_and_pip_s(self) -> tuple[float, float]:
        """A plugin of OpenCV in a virtualenv of its own up to a process with its network loaded.

        Both with warm caches, in turn: ours by the builder and the launcher that workers
        use, on a machine whose worker has had the minute after which it compiles what was
        installed; theirs by ``python -m venv``, ``pip install`` and ``python -c``.
        """
        platform = Platform(load({}, self.folder, self.home))
        platform.environments.compile()
        with platform.client() as client:
            version = client.metadata.version("face_detection")
            (weights,) = platform.models.paths(version.release.models).values()
            pairs = [
                (self._ours_s(platform, version), self._pip_s(weights, number))
                for number in range(SAMPLES)
            ]
        return median([ours for ours, _ in pairs]), median([theirs for _, theirs in pairs])

    def _ours_s(self, platform: Platform, version: TaskVersion) -> float:
        environments = platform.environments
        shutil.rmtree(environments.ensure(version.release).path)
        os.sync()  # what pip has left unwritten is not ours to wait for
        started = time.perf_counter()
        environment = environments.ensure(version.release)
        paths = platform.models.paths(version.release.models)
        needs = Needs(readable=tuple(Path(each).parent for each in paths.values()))
        distribution = version.release.distribution
        runner = platform.launcher(slots=1).start(environment, distribution, needs=needs)
        runner.request({"kind": "load", "task": version.name, "models": dict(paths)})
        seconds = time.perf_counter() - started
        runner.close()
        return seconds

    def _pip_s(self, weights: str, number: int) -> float:
        folder = self.folder / f"pip-{number}"
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run(
            [str(folder / "bin" / "pip"), "install", "-q", *OPENCV],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        code = f"import cv2, numpy; cv2.FaceDetectorYN.create({weights!r}, '', (320, 320))"
        subprocess.run([str(folder / "bin" / "python"), "-c", code], check=True)
        return time.perf_counter() - started

    def disk_ratio(self) -> float:
        """What ten virtualenvs take on the disk, over what one takes."""
        platform = Platform(load({}, self.folder, self.home))
        with platform.client() as client:
            known = client.metadata.versions("face_detection")
            releases = [known[0].release]
            for number in range(ENVIRONMENTS - 1):
                plugin = self.folder / f"disk-{number}"
                project = _version(FACES, plugin, f"10.{number}")
                releases.append(client.publish(project).release)
        environments = Environments(self.folder / "disk", platform.artifacts, platform.uv)
        environments.ensure(releases[0])
        one = _used_bytes(self.folder / "disk")
        for release in releases[1:]:
            environments.ensure(release)
        return _used_bytes(self.folder / "disk") / one


def _version(plugin: Path, target: Path, version: str) -> Path:
    """A copy of a plugin under another version."""
    shutil.copytree(plugin, target)
    project = target / "pyproject.toml"
    text = re.sub(r'(?m)^version = "[^"]*"', f'version = "{version}"', project.read_text())
    project.write_text(text)
    return target


def _used_bytes(folder: Path) -> int:
    """What a folder takes on the disk; files with several names are counted once."""
    seen: dict[tuple[int, int], int] = {}
    for root, folders, names in os.walk(folder):
        for name in (*folders, *names):
            found = (Path(root) / name).lstat()
            seen[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(seen.values())
