"""What holds for each plugin's project: its wheel, its weights, what it announces."""

import configparser
import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plugin_runner import PLUGINS, REPOSITORY, PluginRunner
from sample_pictures import EXAMPLES

LARGEST_WHEEL = 32 * 1024
PERMISSIVE = {"MIT", "Apache-2.0", "CC0-1.0"}

Start = Callable[[str], PluginRunner]

every_plugin = pytest.mark.parametrize("name", PLUGINS)


def folder_of(name: str) -> Path:
    return REPOSITORY / "plugins" / name


def weights_of(name: str) -> dict[str, Path]:
    return {path.name: path for path in (folder_of(name) / "models").glob("*.onnx")}


def names(fields: list[dict[str, Any]]) -> list[str]:
    return [each["name"] for each in fields]


@every_plugin
def test_plugin_wheel_holds_code_only(name: str, wheels: dict[str, Path]) -> None:
    """A plugin's wheel stays under 32 KB: the weights are no part of it."""
    inside = zipfile.ZipFile(wheels[name]).namelist()
    assert wheels[name].stat().st_size < LARGEST_WHEEL
    assert not [each for each in inside if each.endswith((".onnx", ".xml"))]


@every_plugin
def test_plugin_is_named_after_its_task(name: str, wheels: dict[str, Path]) -> None:
    """Folder, entry point and task have one name, and the distribution's is made of it."""
    with zipfile.ZipFile(wheels[name]) as wheel:
        (points,) = (each for each in wheel.namelist() if each.endswith("entry_points.txt"))
        parser = configparser.ConfigParser()
        parser.read_string(wheel.read(points).decode())
    assert dict(parser["taskmgr.plugins"]) == {name: f"taskmgr_{name}"}
    assert wheels[name].name.startswith(f"taskmgr_{name}-")


@every_plugin
def test_plugin_announces_the_task_of_its_entry_point(name: str, plugin: Start) -> None:
    """An installed plugin describes one task, with a sentence on what it does."""
    task = plugin(name).describe()
    assert task["name"] == name
    assert task["description"].endswith(".")


@every_plugin
def test_plugin_declares_the_weights_that_lie_beside_it(name: str, plugin: Start) -> None:
    """The declared digests are those of the files in ``models``, and no file is left out."""
    declared = {each["name"]: each["sha256"] for each in plugin(name).describe()["models"]}
    lying = {
        each: hashlib.sha256(path.read_bytes()).hexdigest()
        for each, path in weights_of(name).items()
    }
    assert declared == lying


@every_plugin
def test_plugin_weights_come_with_their_licence(name: str, plugin: Start) -> None:
    """Weights are permissively licensed; the notice names each file and its digest."""
    for model in plugin(name).describe()["models"]:
        notice = (folder_of(name) / "models" / "NOTICE.md").read_text()
        assert model["licence"] in PERMISSIVE
        assert model["name"] in notice
        assert model["sha256"] in notice


@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    [
        ("face_detection", ["image"], ["faces_array"]),
        ("face_detection_haar", ["image"], ["faces_array"]),
        ("face_attributes", ["faces_array", "image"], ["attributes_array"]),
        ("face_features", ["faces_array", "image"], ["features_array"]),
        (
            "text_sentiment",
            ["text"],
            ["sentiment", "score", "positive", "neutral", "negative"],
        ),
    ],
)
def test_plugin_has_its_documented_fields(
    name: str, inputs: list[str], outputs: list[str], plugin: Start
) -> None:
    """The fields of a task are those that pipelines map."""
    task = plugin(name).describe()
    assert (names(task["inputs"]), names(task["outputs"])) == (inputs, outputs)


def test_detector_plugins_can_be_swapped(plugin: Start) -> None:
    """Both detectors have the same fields with the same types."""
    first, second = plugin("face_detection").describe(), plugin("face_detection_haar").describe()
    assert first["inputs"] == second["inputs"]
    assert first["outputs"] == second["outputs"]


def test_detector_plugins_need_opencv_of_two_majors() -> None:
    """The two detectors cannot share a virtualenv: that is what one pipeline runs."""
    projects = [
        (folder_of(name) / "pyproject.toml").read_text()
        for name in ("face_detection", "face_detection_haar")
    ]
    assert '"opencv-python-headless>=5,<6"' in projects[0]
    assert '"opencv-python-headless==4.14.*"' in projects[1]


@pytest.mark.parametrize("name", ["face_detection", "face_detection_haar"])
def test_plugin_loads_its_model_once(name: str, plugin: Start) -> None:
    """Calls after the first do not read the weights again."""
    runner, picture = plugin(name), EXAMPLES / "astronaut.png"
    runner(image=picture)
    assert min(runner.timed(image=picture).seconds["load"] for _ in range(3)) < 0.002
