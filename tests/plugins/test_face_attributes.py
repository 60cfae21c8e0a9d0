"""The task ``face_attributes``."""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray
from plugin_runner import PluginRunner, TaskFailedError
from sample_pictures import EXAMPLES, PORTRAITS
from variations import HARMLESS

Pixels = NDArray[Any]
Save = Callable[[Pixels], Path]

# How old each was when the picture was taken. The age network's mean error is
# about five years; twice that is allowed to the mean of these four.
AGES = {"astronaut": 42, "grace_hopper": 77, "senator": 43, "prime_minister": 41}
MEAN_AGE_ERROR = 10

# The gender network is right on about 19 of 20 faces; on Grace Hopper's it is not.
GENDERS = {"astronaut": "female", "senator": "male", "prime_minister": "female"}
SMILING = ("astronaut", "senator", "prime_minister")

POINTS = [[30.0, 40.0], [70.0, 40.0], [50.0, 60.0], [35.0, 80.0], [65.0, 80.0]]


def face(name: str = "face_001", **changes: Any) -> dict[str, Any]:
    """A face as a detector gives it, on a picture of at least 100 x 100 pixels."""
    box = {"x": 10.0, "y": 10.0, "width": 80.0, "height": 80.0}
    return {"face_id": name, "bbox": box, "points": POINTS, **changes}


def found(detector: PluginRunner, attributes: PluginRunner, picture: Path) -> list[dict[str, Any]]:
    """What is said of the faces that a detector finds."""
    faces = detector(image=picture)["faces_array"]
    said: list[dict[str, Any]] = attributes(faces_array=faces, image=picture)["attributes_array"]
    return said


def age_of(said: dict[str, Any]) -> float:
    return float(said["age"]["estimated_age"])


def test_ages_are_right_in_the_mean(any_detector: PluginRunner, attributes: PluginRunner) -> None:
    """With either detector the ages of four known people are met to ten years in the mean."""
    errors = []
    for name, age in AGES.items():
        (said,) = found(any_detector, attributes, PORTRAITS[name])
        errors.append(abs(age_of(said) - age))
    assert statistics.mean(errors) <= MEAN_AGE_ERROR


def test_ages_are_ordered(detect: PluginRunner, attributes: PluginRunner) -> None:
    """A woman of 77 looks older to the network than people of about 40."""
    ages = {name: age_of(found(detect, attributes, PORTRAITS[name])[0]) for name in AGES}
    assert max(ages, key=lambda name: ages[name]) == "grace_hopper"
    assert min(ages.values()) > 20


@pytest.mark.parametrize("name", GENDERS)
def test_gender_of_clear_faces(
    name: str, any_detector: PluginRunner, attributes: PluginRunner
) -> None:
    """Three faces on which the network is sure are taken for what they are."""
    (said,) = found(any_detector, attributes, PORTRAITS[name])
    assert said["gender"]["predicted_gender"] == GENDERS[name]


@pytest.mark.parametrize("name", SMILING)
def test_smile_is_happy(name: str, any_detector: PluginRunner, attributes: PluginRunner) -> None:
    """A broad smile is taken for happiness."""
    (said,) = found(any_detector, attributes, PORTRAITS[name])
    assert said["emotion"]["dominant_emotion"] == "happy"


def test_calm_face_is_not_happy(detect: PluginRunner, attributes: PluginRunner) -> None:
    """A calm official portrait is taken for neutral."""
    (said,) = found(detect, attributes, PORTRAITS["grace_hopper"])
    assert said["emotion"]["dominant_emotion"] == "neutral"


@pytest.mark.parametrize("name", SMILING)
def test_gender_and_emotion_survive_harmless_changes(
    name: str,
    detect: PluginRunner,
    attributes: PluginRunner,
    portraits: dict[str, Pixels],
    saved: Save,
) -> None:
    """A mirrored, rescaled, darker, brighter, noisy or tilted smile is the same person's smile."""
    for change in HARMLESS.values():
        (said,) = found(detect, attributes, saved(change(portraits[name])))
        assert said["gender"]["predicted_gender"] == GENDERS[name]
        assert said["emotion"]["dominant_emotion"] == "happy"


def test_ages_survive_harmless_changes(
    detect: PluginRunner, attributes: PluginRunner, portraits: dict[str, Pixels], saved: Save
) -> None:
    """Over four people and seven changes of the picture, the age moves by less than its error."""
    moved = []
    for pixels in portraits.values():
        (plain,) = found(detect, attributes, saved(pixels))
        for change in HARMLESS.values():
            (said,) = found(detect, attributes, saved(change(pixels)))
            moved.append(abs(age_of(said) - age_of(plain)))
    assert statistics.mean(moved) < MEAN_AGE_ERROR


def test_every_face_of_a_crowd_has_its_entry(
    detect: PluginRunner, attributes: PluginRunner
) -> None:
    """One entry for each face, in the detector's order, with probabilities in range."""
    picture = EXAMPLES / "city.jpg"
    faces = detect(image=picture)["faces_array"]
    said = attributes(faces_array=faces, image=picture)["attributes_array"]
    assert [each["face_id"] for each in said] == [each["face_id"] for each in faces]
    for each in said:
        assert 0 <= each["age"]["estimated_age"] <= 80
        assert 0 <= each["age"]["confidence"] <= 1
        assert 0.5 <= each["gender"]["confidence"] <= 1
        assert 1 / 7 <= each["emotion"]["confidence"] <= 1


def test_no_faces_give_no_attributes(attributes: PluginRunner) -> None:
    """An empty list of faces gives an empty list."""
    answer = attributes(faces_array=[], image=EXAMPLES / "astronaut.png")
    assert answer == {"attributes_array": []}


@pytest.mark.parametrize(
    ("x", "y", "width", "height"),
    [
        pytest.param(-60, -60, 100, 100, id="corner"),
        pytest.param(60, 20, 500, 30, id="wide"),
        pytest.param(99, 99, 50, 50, id="one pixel left"),
        pytest.param(50, 50, 0.01, 0.01, id="less than a pixel"),
        pytest.param(-1e9, -1e9, 2e9, 2e9, id="huge"),
    ],
)
def test_box_over_the_border_is_taken(
    x: float, y: float, width: float, height: float, attributes: PluginRunner, saved: Save
) -> None:
    """A box that covers something of the picture gives an answer."""
    box = {"x": x, "y": y, "width": width, "height": height}
    picture = saved(numpy.full((100, 100, 3), 127, numpy.uint8))
    answer = attributes(faces_array=[face(bbox=box)], image=picture)
    assert len(answer["attributes_array"]) == 1


@pytest.mark.parametrize(
    ("box", "place"),
    [
        ({"x": 10.0, "y": 10.0, "width": 0.0, "height": 20.0}, "zero width"),
        ({"x": 10.0, "y": 10.0, "width": 20.0, "height": -5.0}, "negative height"),
        ({"x": 100.0, "y": 10.0, "width": 20.0, "height": 20.0}, "beyond the border"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_box_of_nothing_is_refused(
    box: dict[str, float], place: str, attributes: PluginRunner, saved: Save
) -> None:
    """A box that covers nothing is the input's fault; the message names the face and the size."""
    picture = saved(numpy.full((100, 100, 3), 127, numpy.uint8))
    message = r"face_007: Box.* covers nothing .* 100 x 100"
    with pytest.raises(TaskFailedError, match=message) as failure:
        attributes(faces_array=[face(), face("face_007", bbox=box)], image=picture)
    assert failure.value.frame["retryable"] is False


@pytest.mark.parametrize("points", [[], POINTS[:4], [[5.0, 5.0]] * 5, POINTS * 2])
def test_wrong_points_are_refused(
    points: list[list[float]], attributes: PluginRunner, saved: Save
) -> None:
    """Other than five different points are refused, and the message says which are needed."""
    picture = saved(numpy.full((100, 100, 3), 127, numpy.uint8))
    with pytest.raises(TaskFailedError, match=r"face_001: points are .* five different") as failure:
        attributes(faces_array=[face(points=points)], image=picture)
    assert failure.value.frame["retryable"] is False


def test_thin_picture_is_taken(attributes: PluginRunner, saved: Save) -> None:
    """A face that somebody claims on a picture of 20,000 x 10 pixels gets an answer."""
    picture = saved(numpy.full((10, 20_000, 3), 127, numpy.uint8))
    box = {"x": 0.0, "y": 0.0, "width": 20_000.0, "height": 10.0}
    answer = attributes(faces_array=[face(bbox=box)], image=picture)
    assert len(answer["attributes_array"]) == 1
