"""The task ``face_detection``, in its own virtualenv and runner."""

from pathlib import Path
from typing import Any

import pytest

from taskmgr_core.inputs import InvalidInputsError
from taskmgr_core.testing import RunIsolated, TemporaryPlatform
from taskmgr_plugins.testing import MakeArtifact, SampleImage

ASTRONAUT = Path(__file__).parents[3] / "examples" / "images" / "astronaut.png"


def test_portrait_has_one_face(run_isolated: RunIsolated) -> None:
    """The face of the astronaut is found, where it is."""
    (face,) = run_isolated("face_detection", image=ASTRONAUT)["faces_array"]
    box = face["bbox"]
    assert box["x"] < 222 < box["x"] + box["width"]
    assert box["y"] < 118 < box["y"] + box["height"]
    assert len(face["points"]) == 5


@pytest.mark.parametrize("kind", ["png", "bmp", "jpeg", "webp", "tiff"])
@pytest.mark.parametrize("mode", ["color", "gray"])
def test_picture_of_any_format_is_taken(
    kind: Any, mode: Any, run_isolated: RunIsolated, sample_image: SampleImage
) -> None:
    """A picture without people has no faces, in whatever format it comes."""
    found = run_isolated("face_detection", image=sample_image(format=kind, mode=mode))
    assert found == {"faces_array": []}


def test_damaged_picture_is_the_inputs_fault(
    run_isolated: RunIsolated, artifact: MakeArtifact, sample_image: SampleImage
) -> None:
    """A picture that is cut off is refused by name before the task is run."""
    cut = artifact(sample_image(format="jpeg").read_bytes()[:300], "cut.jpg")
    with pytest.raises(InvalidInputsError, match=r"image: cut\.jpg"):
        run_isolated("face_detection", image=cut)


def test_lost_worker_costs_no_face(
    platform: TemporaryPlatform, fail_next: Any, assert_lineage: Any
) -> None:
    """When the worker that looks for faces dies, another finds them, and they are recorded once."""
    platform.publish()
    fail_next("face_detection", "lost worker")
    run = platform.run("face_detection", image=ASTRONAUT)
    assert (run.status, run.failures) == ("succeeded", ["worker-lost"])
    assert len(run.value("output_001_faces_array")) == 1
    assert_lineage(run, "output_001_faces_array", came_from="image")
