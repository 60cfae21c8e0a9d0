"""`taskmgr demo` in this checkout: real plugins, a real photograph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import REPOSITORY, CommandLine, Finished
from PIL import Image


@pytest.fixture(scope="module")
def checkout(
    new_platform: Callable[[Path, Path], CommandLine], tmp_path_factory: pytest.TempPathFactory
) -> CommandLine:
    """A terminal in the checkout, on a platform of its own."""
    return new_platform(tmp_path_factory.mktemp("demo"), REPOSITORY)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demonstration writes to."""
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def demo(checkout: CommandLine, out: Path) -> Finished:
    """What `taskmgr demo` printed the first time."""
    return checkout("demo", "--out", out, timeout=120)


def test_demo_tells_its_way(demo: Finished) -> None:
    """Publishing, steps, result, lineage, times, files and what to try next are told."""
    assert "face_attributes: 1.0.0 published in" in demo.err
    assert "003 face_features  succeeded" in demo.err
    for told in ("estimated_age", "128 numbers:", "(see above)", "as it was", "taskmgr lineage"):
        assert told in demo.out


def test_demo_writes_picture_and_report(demo: Finished, out: Path) -> None:
    """The picture has the photograph's size; the report is one HTML file with nothing outside."""
    with Image.open(out / "city.png") as drawn, original() as photograph:
        assert drawn.size == photograph.size
        assert drawn.convert("RGB").tobytes() != photograph.convert("RGB").tobytes()
    report = (out / "report.html").read_text()
    assert report.lstrip().lower().startswith("<!doctype html>")
    assert 'src="http' not in report


def original() -> Image.Image:
    """The photograph of the demonstration."""
    return Image.open(REPOSITORY / "examples" / "images" / "city.jpg")


def test_demo_is_quick_the_second_time(checkout: CommandLine, demo: Finished, out: Path) -> None:
    """Nothing is published again."""
    again = checkout("demo", "--out", out, timeout=60)
    assert again.err.count("unchanged") == 5


@pytest.mark.parametrize("size", [(1, 1), (20_000, 10), (640, 480)])
def test_picture_without_a_face_is_shown_as_it_is(
    checkout: CommandLine, demo: Finished, tmp_path: Path, size: tuple[int, int]
) -> None:
    """No face is no failure: the demonstration writes the picture without boxes, and the report."""
    Image.new("RGB", size, (90, 120, 60)).save(tmp_path / "empty.png")
    out = tmp_path / "out"
    done = checkout("demo", "--image", tmp_path / "empty.png", "--out", out, timeout=60)
    assert "faces" in done.out
    with Image.open(out / "empty.png") as drawn:
        assert drawn.getextrema() == ((90, 90), (120, 120), (60, 60))
    assert "face_processing" in (out / "report.html").read_text()


def test_face_processing_has_the_promised_shape(checkout: CommandLine, demo: Finished) -> None:
    """Each face has detection, attributes and features, each with the port that it came from."""
    run = checkout.json("run", "face_processing", "image=examples/images/astronaut.png")
    (face,) = run["result"]["faces"]
    assert face["face_id"] == "face_001"
    detection, attributes, features = (
        face[part] for part in ("detection", "attributes", "features")
    )
    assert set(detection["bbox"]) == {"x", "y", "width", "height"}
    assert detection["source"] == "output_001_faces_array"
    assert 0.6 <= detection["confidence"] <= 1
    assert set(attributes["age"]) == {"estimated_age", "confidence"}
    assert set(attributes["gender"]) == {"predicted_gender", "confidence"}
    assert set(attributes["emotion"]) == {"dominant_emotion", "confidence"}
    assert attributes["source"] == "output_002_attributes_array"
    assert_features(features)
    summary = run["result"]["processing_summary"]
    assert set(summary) == {"total_time", "parallel_speedup", "data_lineage"}
    assert summary["data_lineage"]["input_003_faces_array"] == ["output_001_faces_array"]


def assert_features(features: dict[str, Any]) -> None:
    """The embedding is a list of 128 numbers, the landmarks are 68 points."""
    assert features["source"] == "output_003_features_array"
    assert features["feature_dimension"] == 128
    assert len(features["feature_vector"]) == 128
    assert all(isinstance(number, float) for number in features["feature_vector"])
    assert len(features["landmarks"]) == 68


def test_two_versions_of_opencv_run_in_one_pipeline(checkout: CommandLine, demo: Finished) -> None:
    """OpenCV 5 and OpenCV 4.14 detect the same face side by side, each in its own virtualenv."""
    run = checkout.json("run", "detector_comparison", "image=examples/images/astronaut.png")
    steps = checkout.json("show", run["run_id"])["steps"]
    assert {each["task"] for each in steps} == {"face_detection", "face_detection_haar"}
    found = {
        each["port"]: each["value"]
        for each in checkout.json("show", run["run_id"])["values"]
        if each["producer"]
    }
    boxes = [faces[0]["bbox"] for faces in found.values()]
    assert len(boxes) == 2
    assert overlap(*boxes) > 0.4
    versions = {
        line.split("==")[1].split()[0].rstrip("\\")
        for plugin in ("face_detection", "face_detection_haar")
        for line in (REPOSITORY / "plugins" / plugin / "taskmgr.lock").read_text().splitlines()
        if line.startswith("opencv-python-headless==")
    }
    assert {version.split(".")[0] for version in versions} == {"4", "5"}


def overlap(one: dict[str, float], other: dict[str, float]) -> float:
    """The shared area of two boxes over that of both."""
    width = min(one["x"] + one["width"], other["x"] + other["width"]) - max(one["x"], other["x"])
    height = min(one["y"] + one["height"], other["y"] + other["height"]) - max(one["y"], other["y"])
    shared = max(width, 0) * max(height, 0)
    both = one["width"] * one["height"] + other["width"] * other["height"] - shared
    return shared / both


def test_demo_outside_of_a_checkout_says_so(empty: CommandLine) -> None:
    """Elsewhere the message says where to go."""
    assert "is not in a checkout" in empty("demo", code=2).err
