"""The plugins of this repository, each built, installed and run in a virtualenv of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy
import pytest
from numpy.typing import NDArray
from plugin_runner import PLUGINS, REPOSITORY, PluginRunner, build_wheel, install
from sample_pictures import PORTRAITS


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel of each plugin by its folder's name, and the SDK's as ``sdk``."""
    projects = {name: REPOSITORY / "plugins" / name for name in PLUGINS}
    projects["sdk"] = REPOSITORY / "taskmgr_plugins"
    return {
        name: build_wheel(project, tmp_path_factory.mktemp(f"wheel-{name}"))
        for name, project in projects.items()
    }


@pytest.fixture(scope="session")
def plugin(
    wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], PluginRunner]]:
    """Starts the runner of a plugin, once a session."""
    started: dict[str, PluginRunner] = {}

    def start(name: str) -> PluginRunner:
        if name not in started:
            home = tmp_path_factory.mktemp(name)
            python = install([wheels["sdk"], wheels[name]], home / "virtualenv")
            (home / "work").mkdir()
            started[name] = PluginRunner(name, python, home / "work")
        return started[name]

    yield start
    for runner in started.values():
        runner.close()


@pytest.fixture
def detect(plugin: Callable[[str], PluginRunner]) -> PluginRunner:
    """The task ``face_detection``."""
    return plugin("face_detection")


@pytest.fixture
def detect_haar(plugin: Callable[[str], PluginRunner]) -> PluginRunner:
    """The task ``face_detection_haar``."""
    return plugin("face_detection_haar")


@pytest.fixture(params=["face_detection", "face_detection_haar"])
def any_detector(
    request: pytest.FixtureRequest, plugin: Callable[[str], PluginRunner]
) -> PluginRunner:
    """Each of the two tasks that find faces."""
    return plugin(request.param)


@pytest.fixture
def attributes(plugin: Callable[[str], PluginRunner]) -> PluginRunner:
    """The task ``face_attributes``."""
    return plugin("face_attributes")


@pytest.fixture
def features(plugin: Callable[[str], PluginRunner]) -> PluginRunner:
    """The task ``face_features``."""
    return plugin("face_features")


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[NDArray[Any]], Path]:
    """Writes pixels into a PNG file."""

    def save(pixels: NDArray[Any]) -> Path:
        path = tmp_path / f"picture-{len(list(tmp_path.iterdir()))}.png"
        path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
        return path

    return save


@pytest.fixture(scope="session")
def portraits() -> dict[str, NDArray[Any]]:
    """Four pictures with one face each, BGR, by name."""
    return {name: numpy.asarray(cv2.imread(str(path))) for name, path in PORTRAITS.items()}
