"""Whom a change of a task breaks: the pipelines that use what has changed."""

import pytest

from taskmgr_core.orchestrator.changes import Change
from taskmgr_core.specs import PipelineSpec, ResultSpec, StepSpec
from taskmgr_core.testing.contract.published import users

STEPS = (
    StepSpec("001", "detect", {"input_001_image": "image"}),
    StepSpec("002", "describe", {"input_002_faces": "output_001_faces"}),
)
PIPELINE = PipelineSpec("faces", {"image": "Image"}, STEPS, {"all": "output_002_text"})
JOINED = PipelineSpec(
    "joined", {"image": "Image"}, STEPS[:1], {"all": ResultSpec({"a": "output_001_marks"}, "id")}
)


@pytest.mark.parametrize(
    ("task", "change", "named"),
    [
        ("detect", Change("removed", "input image", "", breaking=True), ["faces", "joined"]),
        ("detect", Change("removed", "input size", "", breaking=True), []),
        ("detect", Change("added", "input size", "", breaking=True), ["faces", "joined"]),
        ("detect", Change("changed", "output faces", "", breaking=True), ["faces"]),
        ("detect", Change("removed", "output marks", "", breaking=True), ["joined"]),
        ("describe", Change("removed", "output text", "", breaking=True), ["faces"]),
        ("other", Change("removed", "input image", "", breaking=True), []),
    ],
)
def test_pipeline_is_named_that_uses_the_field(task: str, change: Change, named: list[str]) -> None:
    """A pipeline is told of where it maps the input, or takes the output, and not otherwise."""
    found = users([PIPELINE, JOINED], task, [change])
    assert [line.split()[2] for line in found] == named
    assert all(change.place in line for line in found)
