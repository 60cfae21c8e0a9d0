"""The task ``face_features``."""

import itertools
import math
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

# OpenCV's threshold for SFace: from this cosine on two faces are one person's.
SAME_PERSON = 0.363

EYES = (slice(36, 42), slice(42, 48))


def found(detector: PluginRunner, features: PluginRunner, picture: Path) -> dict[str, Any]:
    """The features of the one face on a picture, with the detector's ``points``."""
    (face,) = detector(image=picture)["faces_array"]
    (entry,) = features(faces_array=[face], image=picture)["features_array"]
    return {**entry, "points": face["points"]}


def cosine(first: dict[str, Any], second: dict[str, Any]) -> float:
    return float(numpy.dot(first["feature_vector"], second["feature_vector"]))


def test_vector_has_128_numbers_of_length_one(detect: PluginRunner, features: PluginRunner) -> None:
    """The embedding is 128 numbers, L2-normalised, and says so."""
    entry = found(detect, features, PORTRAITS["astronaut"])
    assert len(entry["feature_vector"]) == entry["feature_dimension"] == 128
    assert math.hypot(*entry["feature_vector"]) == pytest.approx(1, abs=1e-9)


def test_different_people_are_told_apart(
    any_detector: PluginRunner, features: PluginRunner
) -> None:
    """With either detector no two of four people pass for one."""
    entries = [found(any_detector, features, path) for path in PORTRAITS.values()]
    for first, second in itertools.combinations(entries, 2):
        assert cosine(first, second) < SAME_PERSON


@pytest.mark.parametrize("name", PORTRAITS)
def test_person_is_recognised_after_harmless_changes(
    name: str,
    detect: PluginRunner,
    features: PluginRunner,
    portraits: dict[str, Pixels],
    saved: Save,
) -> None:
    """A mirrored, rescaled, darker, brighter, noisy or tilted portrait is the same person's."""
    plain = found(detect, features, saved(portraits[name]))
    for change in HARMLESS.values():
        assert cosine(plain, found(detect, features, saved(change(portraits[name])))) >= SAME_PERSON


@pytest.mark.parametrize("name", PORTRAITS)
def test_person_is_recognised_across_detectors(
    name: str, detect: PluginRunner, detect_haar: PluginRunner, features: PluginRunner
) -> None:
    """The cascade's estimated points align a face well enough to recognise it."""
    exact = found(detect, features, PORTRAITS[name])
    assert cosine(exact, found(detect_haar, features, PORTRAITS[name])) >= SAME_PERSON


@pytest.mark.parametrize("name", PORTRAITS)
def test_landmarks_lie_on_the_face(name: str, detect: PluginRunner, features: PluginRunner) -> None:
    """68 landmarks; the eyes among them are where the detector has them."""
    entry = found(detect, features, PORTRAITS[name])
    landmarks, points = numpy.array(entry["landmarks"]), numpy.array(entry["points"])
    assert landmarks.shape == (68, 2)
    between = math.dist(points[0], points[1])
    for eye, point in zip(EYES, points[:2], strict=True):
        assert math.dist(landmarks[eye].mean(axis=0), point) < 0.25 * between
    # The chin under the mouth, the jaw as wide as a face.
    assert landmarks[8, 1] > landmarks[48:68, 1].max()
    assert 1.5 * between < math.dist(landmarks[0], landmarks[16]) < 3.5 * between


def test_every_face_of_a_crowd_has_its_entry(detect: PluginRunner, features: PluginRunner) -> None:
    """One entry for each face, in the detector's order."""
    picture = EXAMPLES / "city.jpg"
    faces = detect(image=picture)["faces_array"]
    entries = features(faces_array=faces, image=picture)["features_array"]
    assert [each["face_id"] for each in entries] == [each["face_id"] for each in faces]


def test_no_faces_give_no_features(features: PluginRunner) -> None:
    """An empty list of faces gives an empty list."""
    answer = features(faces_array=[], image=EXAMPLES / "astronaut.png")
    assert answer == {"features_array": []}


def test_features_are_deterministic(detect: PluginRunner, features: PluginRunner) -> None:
    """The same face gives the same numbers, whatever came between."""
    first = found(detect, features, PORTRAITS["senator"])
    found(detect, features, PORTRAITS["astronaut"])
    assert found(detect, features, PORTRAITS["senator"]) == first


@pytest.mark.parametrize(
    "box",
    [
        pytest.param({"x": -60.0, "y": -60.0, "width": 100.0, "height": 100.0}, id="corner"),
        pytest.param({"x": 50.0, "y": 50.0, "width": 0.01, "height": 0.01}, id="tiny"),
        pytest.param({"x": -1e9, "y": -1e9, "width": 2e9, "height": 2e9}, id="huge"),
    ],
)
def test_box_over_the_border_has_features(
    box: dict[str, float], features: PluginRunner, saved: Save
) -> None:
    """A box that covers something of the picture gives an answer, blank as it may be."""
    picture = saved(numpy.full((100, 100, 3), 127, numpy.uint8))
    points = [[-500.0, -500.0], [-400.0, -500.0], [-450.0, -450.0], [-490, -400], [-410, -400]]
    face = {"face_id": "face_001", "bbox": box, "points": points}
    (entry,) = features(faces_array=[face], image=picture)["features_array"]
    assert math.hypot(*entry["feature_vector"]) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    ("box", "points", "message"),
    [
        ((10, 10, 0, 20), 5, "covers nothing of the picture of 100 x 100"),
        ((200, 10, 20, 20), 5, "covers nothing of the picture of 100 x 100"),
        ((10, 10, 20, 20), 4, "five different"),
    ],
)
def test_face_that_cannot_be_is_refused(
    box: tuple[int, ...], points: int, message: str, features: PluginRunner, saved: Save
) -> None:
    """An empty box, one off the picture and missing points are the input's fault."""
    picture = saved(numpy.full((100, 100, 3), 127, numpy.uint8))
    face = {
        "face_id": "face_001",
        "bbox": dict(zip(("x", "y", "width", "height"), box, strict=True)),
        "points": [[12, 15], [20, 15], [16, 20], [13, 25], [19, 25]][:points],
    }
    with pytest.raises(TaskFailedError, match=f"face_001: .*{message}") as failure:
        features(faces_array=[face], image=picture)
    assert failure.value.frame["retryable"] is False
