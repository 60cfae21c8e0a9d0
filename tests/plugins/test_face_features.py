"""The task ``face_features``."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray
from plugin_runner import PluginRunner
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


def test_features_are_deterministic(detect: PluginRunner, features: PluginRunner) -> None:
    """The same face gives the same numbers, whatever came between."""
    first = found(detect, features, PORTRAITS["senator"])
    found(detect, features, PORTRAITS["astronaut"])
    assert found(detect, features, PORTRAITS["senator"]) == first
