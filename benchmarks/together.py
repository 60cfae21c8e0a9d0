"""What a batch saves: the elements of a map one by one, and gathered in one runner."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy

from benchmarks.figures import Figure, median
from taskmgr_core.client import Client
from taskmgr_core.settings import load
from taskmgr_core.specs import PipelineSpec, StepSpec
from taskmgr_core.wiring import Platform

ROOT = Path(__file__).parents[1]
PLUGIN = Path(__file__).parent / "plugins" / "together"
WEIGHTS = ROOT / "plugins" / "face_features" / "models"
ELEMENTS = 64
ROUNDS = 3
SIDE = 112
# As many slots as there are cores keep the cores busy one by one; a batch needs more.
ALONE, TOGETHER = 2, 16


def measure() -> list[Figure]:
    """Elements of a map by tasks that differ only in taking batches."""
    with tempfile.TemporaryDirectory(prefix="taskmgr-bench-") as name:
        folder = Path(name)
        faces, seeds = _faces(folder / "faces"), list(range(ELEMENTS))
        _publish(folder)
        face = _seconds(folder, "face", "Image", faces)
        dense = _seconds(folder, "dense", "integer", seeds)
    return [
        Figure("batch_speedup", *_ratio(face), 1.5, at_most=False, note=_note("SFace", face)),
        Figure(
            "batch_dense_speedup",
            *_ratio(dense),
            1.5,
            at_most=False,
            note=_note("4 dense layers", dense),
        ),
    ]


def _ratio(seconds: Mapping[str, float]) -> tuple[float, str]:
    return seconds["alone"] / seconds["together"], "ratio"


def _note(model: str, seconds: Mapping[str, float]) -> str:
    each = {name: it / ELEMENTS * 1000 for name, it in seconds.items()}
    return (
        f"{model}, a map over {ELEMENTS}: {each['alone']:.1f} ms an element one by one in {ALONE} "
        f"slots, {each['together']:.1f} ms in batches of {TOGETHER} slots"
    )


def _faces(folder: Path) -> list[Path]:
    folder.mkdir()
    random = numpy.random.default_rng(1)
    paths = [folder / f"{number:02}.png" for number in range(ELEMENTS)]
    for path in paths:
        cv2.imwrite(str(path), random.integers(0, 255, (SIDE, SIDE, 3), numpy.uint8))
    return paths


def _publish(folder: Path) -> None:
    project = folder / "together"
    shutil.copytree(PLUGIN, project)
    shutil.copytree(WEIGHTS, project / "models", ignore=shutil.ignore_patterns("*68*", "*.md"))
    with Platform(load({}, folder / "home", folder)).client() as client:
        client.publish(project)


def _seconds(folder: Path, model: str, kind: str, values: Sequence[Any]) -> dict[str, float]:
    """What a map over all values takes, the median; both ways by turns."""
    ways = {"alone": ALONE, "together": TOGETHER}
    samples: dict[str, list[float]] = {way: [] for way in ways}
    clients = {
        way: Platform(load({"TASKMGR_SLOTS": str(slots)}, folder / "home", folder)).client()
        for way, slots in ways.items()
    }
    try:
        for way, client in clients.items():
            _mapped(client, f"{model}_{way}", kind, values)
        for _ in range(ROUNDS):
            for way, client in clients.items():
                samples[way].append(_mapped(client, f"{model}_{way}", kind, values))
    finally:
        for client in clients.values():
            client.close()
    return {way: median(each) for way, each in samples.items()}


def _mapped(client: Client, task: str, kind: str, values: Sequence[Any]) -> float:
    field = "face" if kind == "Image" else "seed"
    items = {"x-taskmgr-type": "Image"} if kind == "Image" else {"type": kind}
    step = StepSpec("001", task, {f"input_001_{field}": "values"}, map="values", parallel=ELEMENTS)
    spec = PipelineSpec(task, {"values": {"type": "array", "items": items}}, (step,))
    started = time.perf_counter()
    detail = client.run(spec, {"values": list(values)})
    assert detail.run.status == "succeeded", detail.run.failure
    return time.perf_counter() - started
