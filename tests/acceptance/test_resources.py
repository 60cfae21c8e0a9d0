"""Steps that need resources, through the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import CommandLine, wait_until

DEVICES = '''
import os
import time
from pathlib import Path

from taskmgr_plugins import hookimpl, task

NAMES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "TASKMGR_RESOURCE_GPU")


@task(resources={"gpu": 1})
def on_gpu(gate: str = "") -> dict[str, str]:
    """What a task with a device sees."""
    if gate:
        Path(f"{gate}.{os.environ['TASKMGR_RESOURCE_GPU']}").touch()
        while not Path(gate).exists():
            time.sleep(0.02)
    return {"pid": str(os.getpid())} | {n: os.environ[n] for n in NAMES if n in os.environ}


@task
def elsewhere() -> dict[str, str]:
    """What one without sees."""
    return {name: os.environ[name] for name in NAMES if name in os.environ}


@hookimpl
def taskmgr_tasks() -> list[object]:
    """Announce the tasks."""
    return [on_gpu, elsewhere]
'''
PYPROJECT = """[project]
name = "taskmgr-devices"
version = "1.0.0"
requires-python = ">=3.11"
dependencies = ["taskmgr-plugins>=0.1"]

[project.entry-points."taskmgr.plugins"]
on_gpu = "taskmgr_devices"
elsewhere = "taskmgr_devices"

[build-system]
requires = ["uv_build>=0.13,<0.14"]
build-backend = "uv_build"
"""


@pytest.fixture(scope="session")
def with_devices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the two tasks, to be copied only."""
    folder = tmp_path_factory.mktemp("devices")
    package = folder / "devices" / "src" / "taskmgr_devices"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(DEVICES)
    (folder / "devices" / "pyproject.toml").write_text(PYPROJECT)
    CommandLine(folder / "home", folder)("publish", "devices")
    return folder / "home"


@pytest.fixture
def home(with_devices: Path, tmp_path: Path) -> CommandLine:
    """A terminal on a home of its own with the two tasks."""
    return CommandLine(Path(shutil.copytree(with_devices, tmp_path / "home")), tmp_path)


def test_each_runner_sees_its_own_device(home: CommandLine) -> None:
    """Two steps at once get one device each; one without needs sees none; runners stay warm."""
    gate = home.folder / "gate"
    with home.worker("--slots", "3", "--resources", "gpu=2"):
        runs = [home("run", "on_gpu", f"gate={gate}", "--no-wait").out.strip() for _ in range(2)]
        begun = [Path(f"{gate}.{number}") for number in (0, 1)]
        wait_until(lambda: all(each.exists() for each in begun), "both run at once")
        seen = home.json("run", "elsewhere")["result"]["result"]
        assert seen == {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": ""}
        gate.touch()
        wait_until(lambda: {home.status(run) for run in runs} == {"succeeded"}, "both have run")
        found = [home.json("show", run)["result"]["result"] for run in runs]
        for number in ("0", "1"):
            (one,) = (each for each in found if each["TASKMGR_RESOURCE_GPU"] == number)
            assert one["CUDA_VISIBLE_DEVICES"] == one["HIP_VISIBLE_DEVICES"] == number
        again = home.json("run", "on_gpu")["result"]["result"]
        assert again in found, "the runner of device 0 was kept"


def test_worker_without_resources_leaves_the_step(home: CommandLine) -> None:
    """`run` says what is missing and how to get it; once it is there the run is done."""
    with home.worker():
        waiting = home("run", "on_gpu", "--no-wait")
        assert "it needs gpu=1 in queue default" in waiting.err
        assert "taskmgr worker start --resources gpu=1" in waiting.err
        assert home.json("run", "elsewhere")["result"]["result"] == {}
        assert home.status(waiting.out.strip()) == "running"
        with home.worker("--resources", "gpu"):
            wait_until(lambda: home.status(waiting.out.strip()) == "succeeded", "it has run")
    info = home.json("info", "on_gpu")
    assert info["resources"] == {"gpu": 1}


@pytest.mark.parametrize("given", ["gpu=0", "GPU=1", "gpu=two", "gpu=1,gpu=2", "=1"])
def test_offer_that_cannot_be_is_refused(home: CommandLine, given: str) -> None:
    """A worker with resources that no task can name does not start: exit code 2."""
    assert "--resources" in home("worker", "start", "--resources", given, code=2).err
