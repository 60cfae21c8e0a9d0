"""``sample_image``, ``artifact`` and ``assert_outputs``: what tests of tasks are written with."""

from __future__ import annotations

import contextlib
import enum
import hashlib
import math
import re
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_plugins import Box, File, Points
from taskmgr_plugins.errors import InvalidValueError
from taskmgr_plugins.testing import MakeArtifact, SampleImage, assert_outputs


class Colour(enum.Enum):
    """A choice."""

    RED = "red"


@attrs.frozen
class Face:
    """A record of outputs."""

    box: Box
    score: float
    colour: Colour = Colour.RED


FACE = Face(Box(1, 2, 3, 4), 0.5)


# pictures


def test_sample_is_the_same_bytes_everywhere(sample_image: SampleImage) -> None:
    """A PNG or BMP has, by its size and seed, the bytes that it has on any machine."""
    made = [sample_image(8, 4, format=each).read_bytes() for each in ("png", "bmp")]
    assert [hashlib.sha256(each).hexdigest()[:16] for each in made] == [
        "4394eb3cf66b82b0",
        "e8d091bfe547e313",
    ]


def test_sample_of_another_seed_is_another_picture(sample_image: SampleImage) -> None:
    """Each seed gives a picture of its own, under a name of its own."""
    made = [sample_image(16, 16, seed=each) for each in range(10)]
    assert len({each.read_bytes() for each in made}) == len({each.path for each in made}) == 10


@pytest.mark.parametrize("mode", ["color", "gray"])
@pytest.mark.parametrize("kind", ["png", "bmp", "jpeg", "webp", "tiff", "gif"])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (5, 3), (300, 200)])
def test_sample_can_be_decoded(
    width: int, height: int, kind: str, mode: str, sample_image: SampleImage
) -> None:
    """Every format and mode is a picture of the size that was asked for, with its slopes."""
    pytest.importorskip("PIL")
    picture = sample_image(width, height, format=kind, mode=mode)  # type: ignore[arg-type]
    pixels = picture.to_array("rgb")
    assert pixels.shape == (height, width, 3)
    if width == 300:
        red = pixels[190, 10, 0], pixels[190, 290, 0]
        assert red[0] + 50 < red[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width 0: allowed is a whole number of pixels from 1"),
        ({"height": 1.5}, "height 1.5"),
        ({"width": 10_000, "height": 10_000}, "50000000 pixels at most"),
        ({"format": "heic"}, "format 'heic': allowed are 'png', 'bmp'"),
        ({"mode": "cmyk"}, "mode 'cmyk': allowed are 'color', 'gray'"),
    ],
)
def test_sample_that_cannot_be_is_refused(
    options: dict[str, Any], message: str, sample_image: SampleImage
) -> None:
    """A size, format or mode that is not there is refused with what is."""
    with pytest.raises(InvalidValueError, match=message):
        sample_image(**options)


# files


def test_artifact_has_content_and_name(artifact: MakeArtifact, tmp_path: Path) -> None:
    """Bytes, a text and a path become files with that content, and a name."""
    (tmp_path / "here.txt").write_bytes(b"in a file")
    made = [artifact(b"bytes"), artifact("tëxt", "t.txt"), artifact(tmp_path / "here.txt")]
    assert [(each.name, each.read_bytes()) for each in made] == [
        ("artifact", b"bytes"),
        ("t.txt", "tëxt".encode()),
        ("here.txt", b"in a file"),
    ]


def test_artifact_of_an_array(artifact: MakeArtifact) -> None:
    """An array becomes an .npy file, or the picture that the name says."""
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(12, dtype="uint8").reshape(3, 4)
    assert numpy.array_equal(numpy.load(artifact(array).path), array)
    assert artifact(array, "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("content", [5, Path("/not/there")])
def test_artifact_of_nothing_is_refused(content: Any, artifact: MakeArtifact) -> None:
    """What is no content, and a file that is not there, is refused by name."""
    with pytest.raises(InvalidValueError, match=re.escape(str(content))):
        artifact(content)


# comparing


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (FACE, FACE),
        (FACE, {"score": 0.5}),
        (FACE, {"box": {"x": 1, "width": 3}, "colour": "red"}),
        ({"box": {"x": 1, "y": 2, "width": 3, "height": 4}, "score": 0.5, "colour": "red"}, FACE),
        ([1, 2.0, "a", None, True], (1, 2, "a", None, True)),
        (Points([(1, 2)]), [[1, 2]]),
        (float("nan"), float("nan")),
        (File(b"ab", "x"), b"ab"),
        (File(b"ab", "x"), File(b"ab", "y")),
    ],
)
def test_equal_outputs_pass(found: Any, wanted: Any) -> None:
    """The same values pass, an expected mapping naming the fields that matter."""
    assert_outputs(found, wanted)


@pytest.mark.parametrize(
    ("found", "wanted", "message"),
    [
        (FACE, attrs.evolve(FACE, score=0.6), "result.score: 0.5, not 0.6"),
        (FACE, {"box": {"x": 2}}, "result.box.x: 1, not 2"),
        (FACE, {"name": 1}, "result.name: is not there"),
        (FACE, Box(1, 2, 3, 4), "is no Box"),
        ({"a": 1}, {}, "result.a: was not expected"),
        ([1, 2], [1], "result: 2 entries, not 1"),
        (True, 1, "result: True, not 1"),
        ("1", 1, "result: '1', not 1"),
        (None, {"a": 1}, "result: None, not"),
        (float("nan"), 1.0, "result: nan, not 1.0"),
        (File(b"ab", "x"), b"ac", "the content of"),
        (list(range(30)), list(range(1, 31)), "and 20 more"),
    ],
)
def test_other_outputs_fail_with_their_place(found: Any, wanted: Any, message: str) -> None:
    """What differs is told with its place and both values."""
    with pytest.raises(AssertionError, match=re.escape(message)):
        assert_outputs(found, wanted)


@given(st.floats(-1e6, 1e6), st.floats(-20, 20), st.floats(0, 10), st.floats(0, 0.1))
def test_tolerance_is_the_larger_of_both(
    wanted: float, off: float, tolerance: float, relative: float
) -> None:
    """Two numbers pass when they differ by no more than one of the tolerances allows."""
    found = wanted + off
    near = abs(found - wanted) <= max(tolerance, relative * abs(wanted))
    expected = contextlib.nullcontext() if near else pytest.raises(AssertionError, match=r"a.0.:")
    with expected:
        assert_outputs({"a": [found]}, {"a": [wanted]}, tolerance=tolerance, relative=relative)


@pytest.mark.parametrize(
    ("found", "wanted", "message"),
    [
        ([[1, 2]], [[1, 2.5]], None),
        ([1.0, math.nan], [1.2, math.nan], None),
        ([[1, 2]], [[1, 3]], r"result\[0, 1\]: 2, not 3 \(1 of 2 elements differ\)"),
        ([1, 2, 3], [1, 2], r"of shape \(3,\), not \(2,\)"),
        ([0], [255], "0, not 255"),
    ],
)
def test_arrays_are_compared_by_element(found: Any, wanted: Any, message: str | None) -> None:
    """Arrays pass within the tolerance; of others the first element that differs is told."""
    numpy = pytest.importorskip("numpy")
    array = numpy.array(found, dtype="uint8" if wanted == [255] else None)
    for other in (wanted, numpy.array(wanted, array.dtype) if message else wanted):
        if message is None:
            assert_outputs(array, other, tolerance=0.5)
        else:
            with pytest.raises(AssertionError, match=message):
                assert_outputs(array, other, tolerance=0.5)


def test_arrays_of_other_types_differ() -> None:
    """An array of float32 is not one of float64; a list may stand for both."""
    numpy = pytest.importorskip("numpy")
    with pytest.raises(AssertionError, match="of dtype float32, not float64"):
        assert_outputs(numpy.zeros(2, "float32"), numpy.zeros(2))
    assert_outputs(numpy.zeros(2, "float32"), [0, 0])
