"""The task ``face_features``, in its own virtualenv and runner.

How good it is, together with the detectors, is tested in ``tests/plugins``.
"""

import math

import numpy
import pytest

from taskmgr_core.testing import FailedRunError, RunIsolated
from taskmgr_plugins.testing import SampleImage


def test_no_faces_give_no_features(run_isolated: RunIsolated, sample_image: SampleImage) -> None:
    """An empty list of faces gives an empty list."""
    answer = run_isolated("face_features", faces_array=[], image=sample_image())
    assert answer == {"features_array": []}


@pytest.mark.parametrize(
    "box",
    [
        pytest.param({"x": -60.0, "y": -60.0, "width": 100.0, "height": 100.0}, id="corner"),
        pytest.param({"x": 50.0, "y": 50.0, "width": 0.01, "height": 0.01}, id="tiny"),
        pytest.param({"x": -1e9, "y": -1e9, "width": 2e9, "height": 2e9}, id="huge"),
    ],
)
def test_box_over_the_border_has_features(box: dict[str, float], run_isolated: RunIsolated) -> None:
    """A box that covers something of the picture gives an answer, blank as it may be."""
    picture = numpy.full((100, 100, 3), 127, numpy.uint8)
    points = [[-500.0, -500.0], [-400.0, -500.0], [-450.0, -450.0], [-490, -400], [-410, -400]]
    face = {"face_id": "face_001", "bbox": box, "points": points}
    (entry,) = run_isolated("face_features", faces_array=[face], image=picture)["features_array"]
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
    box: tuple[int, ...], points: int, message: str, run_isolated: RunIsolated
) -> None:
    """An empty box, one off the picture and missing points are the input's fault."""
    picture = numpy.full((100, 100, 3), 127, numpy.uint8)
    face = {
        "face_id": "face_001",
        "bbox": dict(zip(("x", "y", "width", "height"), box, strict=True)),
        "points": [[12, 15], [20, 15], [16, 20], [13, 25], [19, 25]][:points],
    }
    with pytest.raises(FailedRunError, match=f"face_001: .*{message}") as failure:
        run_isolated("face_features", faces_array=[face], image=picture)
    assert failure.value.failure is not None
    assert failure.value.failure.code == "invalid-input"
