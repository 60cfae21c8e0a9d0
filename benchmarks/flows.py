"""What large pipelines cost: graphs of a thousand steps, a map over ten thousand elements.

The shapes are those of the scientific workflows that schedulers are compared by: S. Bharathi et
al., "Characterization of Scientific Workflows", WORKS 2008 (Montage, Epigenomics, CyberShake).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.figures import Figure, median
from benchmarks.overhead import warm
from taskmgr_core.client import Client
from taskmgr_core.specs import PipelineSpec, StepSpec

STEPS = 1000
ELEMENTS = 10_000
FEWER_ELEMENTS = 1000
TIMES_FEWER = 3
JOINED = 16  # how many a step takes at most

# Step -> those that it waits for.
Shape = Mapping[str, Sequence[str]]


def measure() -> list[Figure]:
    """Runs whose steps do nothing, so that what they take is the platform's."""
    with (
        tempfile.TemporaryDirectory(prefix="taskmgr-bench-") as folder,
        warm(Path(folder)) as client,
    ):
        taken = {name: _graph_ms(client, name, shape()) for name, shape in SHAPES.items()}
        # Before and after: in the second that one of them takes the machine may be slow.
        fewer = [_map_s(client, FEWER_ELEMENTS) for _ in range(TIMES_FEWER)]
        all_of_them = _map_s(client, ELEMENTS)
        fewer += [_map_s(client, FEWER_ELEMENTS) for _ in range(TIMES_FEWER)]
    slowest = max(taken, key=taken.__getitem__)
    told = ", ".join(f"{name} {taken[name]:.2f}" for name in taken)
    growth = (all_of_them / ELEMENTS) / (median(fewer) / FEWER_ELEMENTS)
    note = f"the slowest of {told}"
    return [
        Figure("graph_1000_ms_per_step", taken[slowest], "ms", 2.0, note=note),
        Figure("map_10000_s", all_of_them, "s", 15.0, note="elements that do nothing"),
        Figure("map_element_growth", growth, "ratio", 1.15, note="an element of 10,000, of 1,000"),
    ]


def montage(steps: int = STEPS) -> Shape:
    """Images are projected, overlapping pairs compared, a model fitted, each corrected, joined."""
    images = (steps - 6) // 4
    shape: dict[str, list[str]] = {f"project{n}": [] for n in range(images)}
    pairs = [(n, n + reach) for reach in (1, 2) for n in range(images - reach)]
    for left, right in pairs:
        shape[f"diff{left}x{right}"] = [f"project{left}", f"project{right}"]
    shape["concat"] = [f"diff{left}x{right}" for left, right in pairs]
    shape["model"] = ["concat"]
    shape |= {f"correct{n}": [f"project{n}", "model"] for n in range(images)}
    shape["table"] = [f"correct{n}" for n in range(images)]
    shape |= {"add": ["table"], "shrink": ["add"], "picture": ["shrink"]}
    return shape


def epigenomics(steps: int = STEPS) -> Shape:
    """Lanes are split, each part goes through a chain of its own, all of it is merged."""
    lanes, chain = 4, ("filter", "convert", "encode", "map")
    parts = (steps - 2 * lanes - 3) // (lanes * len(chain))
    shape: dict[str, list[str]] = {}
    for lane in range(lanes):
        shape[f"split{lane}"] = []
        for part in range(parts):
            before = f"split{lane}"
            for each in chain:
                shape[f"{each}{lane}x{part}"] = [before]
                before = f"{each}{lane}x{part}"
        shape[f"merge{lane}"] = [f"map{lane}x{part}" for part in range(parts)]
    shape["merge"] = [f"merge{lane}" for lane in range(lanes)]
    return shape | {"index": ["merge"], "pileup": ["index"]}


def cybershake(steps: int = STEPS) -> Shape:
    """Few sources, many syntheses from each, a peak from each of those, two archives."""
    sources = 4
    each = (steps - sources - 2) // 2
    shape: dict[str, list[str]] = {f"extract{n}": [] for n in range(sources)}
    shape |= {f"synthesis{n}": [f"extract{n % sources}"] for n in range(each)}
    shape |= {f"peak{n}": [f"synthesis{n}"] for n in range(each)}
    shape["seismograms"] = [f"synthesis{n}" for n in range(each)]
    shape["peaks"] = [f"peak{n}" for n in range(each)]
    return shape


def chain(steps: int = STEPS) -> Shape:
    """Each waits for the one before: nothing of it can be done at the same time."""
    return {f"link{n}": [f"link{n - 1}"] if n else [] for n in range(steps)}


SHAPES: dict[str, Callable[[], Shape]] = {
    "Montage": montage,
    "Epigenomics": epigenomics,
    "CyberShake": cybershake,
    "chain": chain,
}


def pipeline(name: str, shape: Shape) -> PipelineSpec:
    """A pipeline of that shape, of steps that do nothing; where many meet, in groups."""
    numbers: dict[str, str] = {}
    steps: list[StepSpec] = []

    def add(sources: Sequence[str]) -> str:
        number = f"{len(steps) + 1:04}"
        if len(sources) > JOINED:
            groups = [sources[at : at + JOINED] for at in range(0, len(sources), JOINED)]
            return add([f"output_{add(group)}_result" for group in groups])
        fields = ["number", *(f"number_{at}" for at in range(1, JOINED))]
        given = dict(zip((f"input_{number}_{field}" for field in fields), sources, strict=False))
        steps.append(StepSpec(number, "join" if len(sources) > 1 else "noop", given))
        return number

    for step, before in shape.items():
        numbers[step] = add([f"output_{numbers[each]}_result" for each in before] or ["number"])
    return PipelineSpec(pipeline=name, inputs={"number": "integer"}, steps=tuple(steps))


def _graph_ms(client: Client, name: str, shape: Shape) -> float:
    """Milliseconds a step, from the submission to the end: the tasks themselves take no time."""
    spec = pipeline(name, shape)
    started = time.perf_counter()
    client.wait(client.submit(spec, {"number": 1}))
    return (time.perf_counter() - started) / len(spec.steps) * 1000


def _map_s(client: Client, elements: int) -> float:
    """Seconds from the submission to the end."""
    spec = PipelineSpec(
        pipeline="mapped",
        inputs={"numbers": {"type": "array", "items": {"type": "integer"}}},
        steps=(StepSpec("001", "noop", {"input_001_number": "numbers"}, map="numbers"),),
    )
    started = time.perf_counter()
    client.wait(client.submit(spec, {"numbers": list(range(elements))}))
    return time.perf_counter() - started
