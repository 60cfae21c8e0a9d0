"""The task ``face_attributes``, in its own virtualenv and runner.

How good it is, together with the detectors, is tested in ``tests/plugins``.
"""

from typing import Any

import numpy
import pytest

from taskmgr_core.testing import FailedRunError, RunIsolated
from taskmgr_plugins.testing import SampleImage

POINTS = [[30.0, 40.0], [70.0, 40.0], [50.0, 60.0], [35.0, 80.0], [65.0, 80.0]]


def face(name: str = "face_001", **changes: Any) -> dict[str, Any]:
    """A face as a detector gives it, on a picture of at least 100 x 100 pixels."""
    box = {"x": 10.0, "y": 10.0, "width": 80.0, "height": 80.0}
    return {"face_id": name, "bbox": box, "points": POINTS, **changes}


def test_no_faces_give_no_attributes(run_isolated: RunIsolated, sample_image: SampleImage) -> None:
    """An empty list of faces gives an empty list."""
    answer = run_isolated("face_attributes", faces_array=[], image=sample_image())
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
    x: float, y: float, width: float, height: float, run_isolated: RunIsolated
) -> None:
    """A box that covers something of the picture gives an answer."""
    box = {"x": x, "y": y, "width": width, "height": height}
    picture = numpy.full((100, 100, 3), 127, numpy.uint8)
    answer = run_isolated("face_attributes", faces_array=[face(bbox=box)], image=picture)
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
    box: dict[str, float], place: str, run_isolated: RunIsolated
) -> None:
    """A box that covers nothing is the input's fault; the message names the face and the size."""
    picture = numpy.full((100, 100, 3), 127, numpy.uint8)
    faces = [face(), face("face_007", bbox=box)]
    message = r"face_007: Box.* covers nothing .* 100 x 100"
    with pytest.raises(FailedRunError, match=message) as failure:
        run_isolated("face_attributes", faces_array=faces, image=picture)
    assert failure.value.failure is not None
    assert failure.value.failure.code == "invalid-input"


@pytest.mark.parametrize("points", [[], POINTS[:4], [[5.0, 5.0]] * 5, POINTS * 2])
def test_wrong_points_are_refused(points: list[list[float]], run_isolated: RunIsolated) -> None:
    """Other than five different points are refused, and the message says which are needed."""
    picture = numpy.full((100, 100, 3), 127, numpy.uint8)
    with pytest.raises(FailedRunError, match=r"face_001: points are .* five different") as failure:
        run_isolated("face_attributes", faces_array=[face(points=points)], image=picture)
    assert failure.value.failure is not None
    assert failure.value.failure.code == "invalid-input"


def test_thin_picture_is_taken(run_isolated: RunIsolated) -> None:
    """A face that somebody claims on a picture of 20,000 x 10 pixels gets an answer."""
    picture = numpy.full((10, 20_000, 3), 127, numpy.uint8)
    box = {"x": 0.0, "y": 0.0, "width": 20_000.0, "height": 10.0}
    answer = run_isolated("face_attributes", faces_array=[face(bbox=box)], image=picture)
    assert len(answer["attributes_array"]) == 1
