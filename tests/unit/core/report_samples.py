"""Runs that the tests of reports share, built by hand and all about things, never faces."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any
from xml.etree import ElementTree

import attrs
from PIL import Image as Pictures

from taskmgr_core.documents import canonical, digest_of
from taskmgr_core.specs import (
    Edge,
    FieldValue,
    Graph,
    GraphStep,
    ResultSpec,
    Run,
    RunDetail,
    Source,
    Step,
)
from taskmgr_plugins import Box, Image, On, Points
from taskmgr_plugins.schemas import schema_of

RUN = "01990f1e-7c9a-7d3c-9b1e-0d7c2a5f0001"
BEGAN = 1_790_000_000.0


@attrs.frozen
class Thing:
    """Something found in a picture."""

    thing_id: str
    box: Annotated[Box, On("image")]
    score: float


@attrs.frozen
class Shape:
    """The same thing again, from another task that calls the picture otherwise."""

    thing_id: str
    corners: Annotated[Points, On("photo")]
    kinds: dict[str, float]
    vector: list[float]


THINGS: list[dict[str, Any]] = [
    {"thing_id": "a", "box": {"x": 20, "y": 30, "width": 40, "height": 50}, "score": 0.93},
    {"thing_id": "b", "box": {"x": 120, "y": 60, "width": 30, "height": 20}, "score": 0.5},
]
SHAPES: list[dict[str, Any]] = [
    {
        "thing_id": each,
        "corners": [[x, 40.0], [x + 8, 48.0]],
        "kinds": {"round": 0.7, "flat": 0.2, "odd": 0.1},
        "vector": [float(at % 7) for at in range(32)],
    }
    for each, x in (("b", 125.0), ("a", 25.0))
]


@attrs.frozen
class Store:
    """Artifacts in a folder, as a report asks for them."""

    folder: Path
    names: dict[str, Path] = attrs.field(factory=dict)

    def add(self, path: Path, media_type: str = "image/png") -> dict[str, Any]:
        """Keep a file; returns the document that stands for it."""
        content = path.read_bytes()
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        self.names[digest] = path
        return {
            "$artifact": digest,
            "media_type": media_type,
            "size": len(content),
            "name": path.name,
        }

    def open(self, digest: str) -> Path:
        """The file with that digest."""
        return self.names[digest]


def parsed(markup: str) -> ElementTree.Element:
    """The root of a drawing, which must be well formed."""
    return ElementTree.fromstring(markup)  # noqa: S314 - made by the code under test


def picture(folder: Path, size: tuple[int, int] = (200, 150), colour: str = "#808080") -> Path:
    """A picture of one colour."""
    path = folder / "picture.png"
    Pictures.new("RGB", size, colour).save(path)
    return path


def value(
    port: str, document: Any, producer: str = "", source: str = "", type_name: str = "array"
) -> FieldValue:
    """A recorded value; an alias of ``source`` where that is given."""
    reference = isinstance(document, Mapping) and "$artifact" in document
    content = canonical(document)
    return FieldValue(
        port=port,
        digest=document["$artifact"] if reference else digest_of(content),
        size=document["size"] if reference else len(content),
        type="Image" if reference else type_name,
        producer=producer,
        document=None if source else document,
        source=source,
    )


def graph_step(
    step_id: str,
    task: str,
    inputs: Mapping[str, Source],
    outputs: Iterable[str],
    after: Iterable[str] = (),
) -> GraphStep:
    """A step of a compiled pipeline with everything ordinary."""
    return GraphStep(
        id=step_id,
        task=task,
        version="1.2.0",
        queue="default",
        priority=5,
        timeout=60.0,
        memory_mb=512,
        retries=0,
        inputs=inputs,
        outputs=tuple(outputs),
        after=tuple(after),
    )


def state(step: GraphStep, start: float, end: float, **changes: Any) -> Step:
    """A step that succeeded, from ``start`` to ``end`` seconds after the run began."""
    done = Step(
        run=RUN,
        id=step.id,
        task=step.task,
        version=step.version,
        queue="default",
        priority=5,
        status="succeeded",
        attempt=1,
        worker="worker-1",
        ready_at=BEGAN + start - 0.01,
        started_at=BEGAN + start,
        finished_at=BEGAN + end,
        seconds={"queue": 0.01, "load": (end - start) / 4, "compute": (end - start) / 2},
    )
    return attrs.evolve(done, **changes)


def things_graph(label: str = "{found.score:.0%}") -> Graph:
    """Two steps on one picture, which reaches the second under another name."""
    image, things = schema_of(Image), schema_of(list[Thing])
    return Graph(
        name="things",
        inputs={"picture": image},
        optional=(),
        schemas={
            "picture": image,
            "input_001_image": image,
            "output_001_things": things,
            "input_002_photo": image,
            "input_002_things": things,
            "output_002_shapes": schema_of(list[Shape]),
        },
        steps=(
            graph_step("001", "find", {"image": Source("picture")}, ("things",)),
            graph_step(
                "002",
                "measure",
                {"photo": Source("picture"), "things": Source("output_001_things")},
                ("shapes",),
                ("001",),
            ),
        ),
        result={
            "things": ResultSpec(
                ports={"found": "output_001_things", "shape": "output_002_shapes"},
                join="thing_id",
                label=label,
            )
        },
    )


def things_run(image: Mapping[str, Any], label: str = "{found.score:.0%}") -> RunDetail:
    """A run of ``things_graph`` that succeeded."""
    graph = things_graph(label)
    run = Run(RUN, graph.name, "pipeline", graph, "succeeded", BEGAN, BEGAN + 1.0)
    steps = (state(graph.steps[0], 0.1, 0.4), state(graph.steps[1], 0.45, 0.95))
    values = (
        value("picture", image),
        value("input_001_image", image, "001", "picture"),
        value("output_001_things", THINGS, "001"),
        value("input_002_photo", image, "002", "input_001_image"),
        value("input_002_things", THINGS, "002", "output_001_things"),
        value("output_002_shapes", SHAPES, "002"),
    )
    edges = (Edge("picture", "input_001_image"), Edge("input_001_image", "output_001_things"))
    return RunDetail(run, steps, values, edges, {"things": joined_things()})


def joined_things() -> list[dict[str, Any]]:
    """What ``results.assemble`` makes of the two ports."""
    shapes = {shape["thing_id"]: shape for shape in SHAPES}
    return [
        {
            "thing_id": thing["thing_id"],
            "found": _part(thing, "output_001_things"),
            "shape": _part(shapes[thing["thing_id"]], "output_002_shapes"),
        }
        for thing in THINGS
    ]


def task_run(graph: Graph, values: Mapping[str, Any], result: Any = None) -> RunDetail:
    """A run of any graph with these values, all its steps succeeded."""
    recorded = tuple(value(port, document) for port, document in values.items())
    run = Run(RUN, graph.name, "task", graph, "succeeded", BEGAN, BEGAN + 1.0)
    steps = tuple(state(step, 0.1, 0.9) for step in graph.steps)
    return RunDetail(run, steps, recorded, (), result)


def one_step_graph(
    schema: Mapping[str, Any], task: str = "look", image_field: str = "image"
) -> Graph:
    """One task with a picture in and one output of that schema."""
    image = schema_of(Image)
    return Graph(
        name=task,
        inputs={"image": image},
        optional=(),
        schemas={"image": image, f"input_001_{image_field}": image, "output_001_out": schema},
        steps=(graph_step("001", task, {image_field: Source("image")}, ("out",)),),
        result={"out": "output_001_out"},
    )


def changed(detail: RunDetail, port: str, change: Callable[[FieldValue], FieldValue]) -> RunDetail:
    """The run with one recorded value replaced."""
    values = tuple(change(each) if each.port == port else each for each in detail.values)
    return attrs.evolve(detail, values=values)


def _part(element: Mapping[str, Any], port: str) -> dict[str, Any]:
    rest = {name: each for name, each in element.items() if name != "thing_id"}
    return {**rest, "source": port}
