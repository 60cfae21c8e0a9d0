"""What ``run_task`` checks where the platform is installed, too; arrays and pictures."""

from __future__ import annotations

from typing import Annotated

import attrs
import numpy
import pytest

from taskmgr_plugins import Array, Image, Points, task
from taskmgr_plugins.errors import InvalidOutputError, InvalidValueError
from taskmgr_plugins.testing import MakeArtifact, RunTask, SampleImage

Share = Annotated[float, {"minimum": 0, "maximum": 1}]


@task
def halved(share: Share) -> Share:
    """Halve what is over 0.1; of less make something that is not allowed."""
    return share / 2 if share > 0.1 else 7.0


@task
def doubled(array: Array) -> Array:
    """Double numbers."""
    return array * 2


@attrs.frozen
class Looked:
    """What is on pictures."""

    sizes: list[list[int]]
    first: Image
    corners: Points


@task
def looked_at(pictures: list[Image]) -> Looked:
    """Measure pictures."""
    pixels = [each.to_array("bgr") for each in pictures]
    height, width = pixels[0].shape[:2]
    sizes = [list(each.shape[:2]) for each in pixels]
    return Looked(sizes, Image(pixels[0]), Points([(0, 0), (width, height)]))


@task
def ramp(length: int) -> list[int]:
    """A long list."""
    return list(range(length))


def test_keyword_of_an_input_is_checked(run_task: RunTask) -> None:
    """What the schema of an input adds to its type is checked as a submission checks it."""
    assert run_task(halved, share=1) == 0.5
    with pytest.raises(InvalidValueError, match="share: 2 is greater than the maximum of 1"):
        run_task(halved, share=2)


def test_keyword_of_an_output_is_checked(run_task: RunTask) -> None:
    """What the schema of an output adds to its type is checked as a worker checks it."""
    with pytest.raises(InvalidOutputError, match=r"result: 7.* is greater than the maximum of 1"):
        run_task(halved, share=0.05)


@pytest.mark.parametrize("size", [2, 5000])
def test_array_goes_both_ways(size: int, run_task: RunTask, artifact: MakeArtifact) -> None:
    """An array, small or large, comes back as it was given, by its value or its file."""
    array = numpy.linspace(0, 1, size, dtype="float32")
    for given in (array, artifact(array).path):
        found = run_task(doubled, array=given)
        assert found.dtype == "float32"
        assert numpy.array_equal(found, array * 2)


def test_pictures_go_both_ways(run_task: RunTask, sample_image: SampleImage) -> None:
    """Pictures in a list, by object, path and bytes, and points come back as what they are."""
    given = [sample_image(8, 6), sample_image(4, 4).path, sample_image(4, 4).read_bytes()]
    found = run_task(looked_at, pictures=given)
    assert found.sizes == [[6, 8], [4, 4], [4, 4]]
    assert found.first.to_array("bgr").shape == (6, 8, 3)
    assert found.corners == Points([(0, 0), (8, 6)])


def test_long_list_comes_back(run_task: RunTask) -> None:
    """A value that is large enough to be put aside into a file comes back as itself."""
    assert run_task(ramp, length=300_000)[-1] == 299_999
