"""The pipelines in ``pipelines``, against the plugins that they name."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from plugin_runner import PLUGINS, REPOSITORY, PluginRunner

from taskmgr_core.documents import loads, structure
from taskmgr_core.orchestrator.graph import compile_pipeline
from taskmgr_core.specs import Graph, PipelineSpec, Release, StoredFile, TaskSpec, TaskVersion

Start = Callable[[str], PluginRunner]

FILES = sorted((REPOSITORY / "pipelines").glob("*.json"))

NOTHING = StoredFile(name="", digest="", size=0)
RELEASE = Release(
    distribution="",
    version="1.0.0",
    wheel=NOTHING,
    lock=NOTHING,
    sdk=NOTHING,
    models=(),
    python="3.11",
    platform="linux-x86_64",
    published_at="2026-01-01T00:00:00Z",
)


def task_of(runner: PluginRunner) -> TaskSpec:
    """What a plugin says of its task, as a publisher registers it."""
    return structure(runner.describe(), TaskSpec, f"the task {runner.plugin}")


def compiled(path: Path, plugin: Start) -> Graph:
    """The graph of a pipeline file, with the plugins' own definitions of their tasks."""
    versions = {name: TaskVersion(task_of(plugin(name)), RELEASE) for name in PLUGINS}
    return compile_pipeline(loads(path.read_text(), PipelineSpec, path.name), versions)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_pipeline_file_compiles(path: Path, plugin: Start) -> None:
    """Every pipeline file fits the plugins, ports, types and labels included."""
    assert compiled(path, plugin).name == path.stem


def test_face_pipelines_differ_in_the_detector_only(plugin: Start) -> None:
    """Swapping the detector changes one word of the pipeline."""
    first, second = (
        json.loads((REPOSITORY / "pipelines" / f"{name}.json").read_text())
        for name in ("face_processing", "face_processing_haar")
    )
    assert second["steps"][0].pop("task") == first["steps"][0].pop("task") + "_haar"
    assert first["steps"] == second["steps"]
    assert first["result"] == second["result"]


def test_comparison_runs_both_detectors_at_once(plugin: Start) -> None:
    """Neither detector waits for the other, though they need two OpenCVs."""
    graph = compiled(REPOSITORY / "pipelines" / "detector_comparison.json", plugin)
    assert {step.task: step.after for step in graph.steps} == {
        "face_detection": (),
        "face_detection_haar": (),
    }
