"""The tasks ``face_detection`` and ``face_detection_haar``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy
import pytest
from numpy.typing import NDArray
from plugin_runner import PluginRunner, TaskFailedError
from sample_pictures import EXAMPLES, PICTURES, PORTRAITS
from variations import HARMLESS, jpeg_turned_by_exif

Pixels = NDArray[Any]
Save = Callable[[Pixels], Path]
Face = dict[str, Any]

# Where the middle of the one face lies, and how wide it may be found: read off the pictures.
WHERE = {
    "astronaut": (222, 118, 110),
    "grace_hopper": (267, 225, 230),
    "senator": (281, 257, 300),
    "prime_minister": (243, 220, 270),
}


def faces_on(detector: PluginRunner, picture: Path) -> list[Face]:
    faces: list[Face] = detector(image=picture)["faces_array"]
    return faces


def middle(face: Face) -> Pixels:
    box = face["bbox"]
    return numpy.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])


def lies_inside(face: Face, width: int, height: int) -> bool:
    box = face["bbox"]
    return bool(
        box["x"] >= 0
        and box["y"] >= 0
        and box["width"] > 0
        and box["height"] > 0
        and box["x"] + box["width"] <= width + 0.01
        and box["y"] + box["height"] <= height + 0.01
    )


@pytest.mark.parametrize("name", PORTRAITS)
def test_portrait_has_one_face_in_its_place(name: str, any_detector: PluginRunner) -> None:
    """On a portrait each detector finds the one face, and where it is."""
    (face,) = faces_on(any_detector, PORTRAITS[name])
    x, y, width = WHERE[name]
    assert numpy.abs(middle(face) - (x, y)).max() < 0.2 * width
    assert 0.6 * width < face["bbox"]["width"] < 1.2 * width


@pytest.mark.parametrize("name", PORTRAITS)
def test_points_are_the_persons_own_right_and_left(name: str, any_detector: PluginRunner) -> None:
    """Five points: right eye left of the left one on the picture, eyes over nose over mouth."""
    (face,) = faces_on(any_detector, PORTRAITS[name])
    right_eye, left_eye, nose, right_corner, left_corner = face["points"]
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_corner[0] < left_corner[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_corner[1], left_corner[1])


def test_crowd_is_found_by_yunet(detect: PluginRunner) -> None:
    """Of the about 18 small faces in the street YuNet finds most."""
    assert 12 <= len(faces_on(detect, EXAMPLES / "city.jpg")) <= 20


def test_crowd_is_found_better_by_yunet(detect: PluginRunner, detect_haar: PluginRunner) -> None:
    """The cascade finds some of the faces in the street, YuNet more."""
    found = len(faces_on(detect_haar, EXAMPLES / "city.jpg"))
    assert 3 <= found < len(faces_on(detect, EXAMPLES / "city.jpg"))


@pytest.mark.parametrize("name", ["coffee.jpg", "cat.jpg"])
def test_picture_without_people_has_no_faces(name: str, detect: PluginRunner) -> None:
    """Neither a cup of coffee nor a cat is a face."""
    assert faces_on(detect, PICTURES / name) == []


@pytest.mark.parametrize("change", HARMLESS)
@pytest.mark.parametrize("name", PORTRAITS)
def test_changed_portrait_has_one_face(
    name: str, change: str, detect: PluginRunner, portraits: dict[str, Pixels], saved: Save
) -> None:
    """A mirrored, rescaled, darker, brighter, noisy or tilted portrait has its one face still."""
    assert len(faces_on(detect, saved(HARMLESS[change](portraits[name])))) == 1


def test_mirrored_face_is_found_in_the_mirrored_place(
    any_detector: PluginRunner, portraits: dict[str, Pixels], saved: Save
) -> None:
    """Mirroring the picture mirrors the box."""
    pixels = portraits["astronaut"]
    (face,) = faces_on(any_detector, saved(pixels))
    (other,) = faces_on(any_detector, saved(HARMLESS["mirrored"](pixels)))
    x, y = middle(face)
    assert numpy.abs(middle(other) - (pixels.shape[1] - x, y)).max() < 12


def test_exif_turned_picture_is_read_upright(
    any_detector: PluginRunner, portraits: dict[str, Pixels], tmp_path: Path
) -> None:
    """The boxes of a picture that lies on its side are those of the upright one."""
    lying = tmp_path / "lying.jpg"
    lying.write_bytes(jpeg_turned_by_exif(portraits["astronaut"]))
    (face,) = faces_on(any_detector, lying)
    x, y, width = WHERE["astronaut"]
    assert numpy.abs(middle(face) - (x, y)).max() < 0.2 * width


@pytest.mark.parametrize(
    "convert",
    [
        pytest.param(lambda bgr: cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), id="gray"),
        pytest.param(lambda bgr: cv2.cvtColor(bgr, cv2.COLOR_BGR2BGRA), id="with alpha"),
        pytest.param(lambda bgr: bgr.astype(numpy.uint16) * 257, id="16 bits"),
        pytest.param(
            lambda bgr: cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY).astype(numpy.uint16) * 257,
            id="gray of 16 bits",
        ),
    ],
)
def test_pixel_format_does_not_matter(
    convert: Callable[[Pixels], Pixels],
    any_detector: PluginRunner,
    portraits: dict[str, Pixels],
    saved: Save,
) -> None:
    """Gray, with alpha or 16 bits deep: the face is found in its place."""
    (face,) = faces_on(any_detector, saved(convert(portraits["astronaut"])))
    x, y, width = WHERE["astronaut"]
    assert numpy.abs(middle(face) - (x, y)).max() < 0.2 * width


@pytest.mark.parametrize(
    ("width", "height"), [(1, 1), (2, 3), (20_000, 10), (10, 20_000), (1, 700)]
)
def test_picture_of_any_size_is_taken(
    width: int, height: int, any_detector: PluginRunner, saved: Save
) -> None:
    """Tiny, wide and high pictures have no faces, and are no error."""
    assert faces_on(any_detector, saved(numpy.full((height, width, 3), 127, numpy.uint8))) == []


@pytest.mark.parametrize(
    "part",
    [
        pytest.param((slice(None), slice(225, None)), id="left half missing"),
        pytest.param((slice(None), slice(None, 225)), id="right half missing"),
        pytest.param((slice(None, 130), slice(None)), id="chin missing"),
        pytest.param((slice(100, None), slice(None)), id="forehead missing"),
    ],
)
def test_box_at_the_border_is_clipped(
    part: tuple[slice, slice],
    any_detector: PluginRunner,
    portraits: dict[str, Pixels],
    saved: Save,
) -> None:
    """The box of a face that the border cuts lies inside the picture."""
    cut = numpy.ascontiguousarray(portraits["astronaut"][part])
    for face in faces_on(any_detector, saved(cut)):
        assert lies_inside(face, cut.shape[1], cut.shape[0])


def test_cut_face_is_found_by_yunet(
    detect: PluginRunner, portraits: dict[str, Pixels], saved: Save
) -> None:
    """A face without its forehead is a face."""
    assert len(faces_on(detect, saved(portraits["astronaut"][100:]))) == 1


def test_faces_are_numbered_by_confidence(any_detector: PluginRunner) -> None:
    """``face_001`` is the surest; the confidences lie between 0 and 1."""
    faces = faces_on(any_detector, EXAMPLES / "city.jpg")
    sure = [each["confidence"] for each in faces]
    assert [each["face_id"] for each in faces] == [
        f"face_{number:03d}" for number in range(1, len(faces) + 1)
    ]
    assert sure == sorted(sure, reverse=True)
    assert 0 <= sure[-1] <= sure[0] <= 1


def test_detection_is_deterministic(any_detector: PluginRunner) -> None:
    """The same picture gives the same answer, whatever came between."""
    first = faces_on(any_detector, EXAMPLES / "city.jpg")
    faces_on(any_detector, EXAMPLES / "astronaut.png")
    assert faces_on(any_detector, EXAMPLES / "city.jpg") == first


def test_detector_refuses_what_is_no_picture(any_detector: PluginRunner, tmp_path: Path) -> None:
    """Bytes that are no picture are the input's fault: the step fails and is not retried."""
    text = tmp_path / "notes.txt"
    text.write_text("no picture")
    with pytest.raises(TaskFailedError, match=r"notes\.txt cannot be decoded") as failure:
        faces_on(any_detector, text)
    assert failure.value.frame["retryable"] is False
