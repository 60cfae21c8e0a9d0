"""Lineage: the edges of a step, walks over a run's edges, and where a value turned up."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.documents import digest_of
from taskmgr_core.lineage import Trace, downstream, step_edges, trace, upstream
from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.specs import Edge, FieldValue, Graph, GraphStep, Outcome, Run, Source, Step
from taskmgr_core.stores.sqlite import SqliteMetadata

NODES = [f"port_{number}" for number in range(8)]


@st.composite
def acyclic_edges(draw: st.DrawFn) -> list[Edge]:
    """Edges of any acyclic graph, in any order, some of them twice."""
    pairs = list(itertools.combinations(NODES, 2))
    return [Edge(*pair) for pair in draw(st.lists(st.sampled_from(pairs), max_size=20))]


def step(inputs: dict[str, Source], outputs: tuple[str, ...]) -> GraphStep:
    """Step 002 of a pipeline."""
    return GraphStep("002", "look", "1.0", "default", 5, 60.0, 512, 0, inputs, outputs, ("001",))


# the edges of a step


def test_step_edges_go_through_its_ports() -> None:
    """From each source to its input port, from each input port to each output port."""
    looking = step({"image": Source("photo"), "faces": Source("output_001_faces")}, ("age", "mood"))
    assert set(step_edges(looking, ["image", "faces"])) == {
        Edge("photo", "input_002_image"),
        Edge("output_001_faces", "input_002_faces"),
        Edge("input_002_image", "output_002_age"),
        Edge("input_002_image", "output_002_mood"),
        Edge("input_002_faces", "output_002_age"),
        Edge("input_002_faces", "output_002_mood"),
    }


def test_constants_and_defaults_have_no_source() -> None:
    """A constant, and an input left to its default, lead to the outputs and come from nothing."""
    looking = step({"limit": Source(constant=3)}, ("age",))
    assert set(step_edges(looking, ["limit", "threshold"])) == {
        Edge("input_002_limit", "output_002_age"),
        Edge("input_002_threshold", "output_002_age"),
    }


def test_step_without_inputs_has_no_edges() -> None:
    """What is made from nothing has no lineage."""
    assert step_edges(step({}, ("age",)), []) == ()


# walks


@given(acyclic_edges())
def test_walks_are_inverse(edges: list[Edge]) -> None:
    """What is upstream of a port has that port downstream, and the other way round."""
    up = {(here, there) for here in NODES for there in upstream(edges, here)}
    down = {(there, here) for here in NODES for there in downstream(edges, here)}
    assert up == down


@given(acyclic_edges())
def test_walks_find_everything_once(edges: list[Edge]) -> None:
    """A walk finds each port that can be reached, once, and not where it began."""
    for start in NODES:
        found = upstream(edges, start)
        assert len(set(found)) == len(found)
        assert start not in found
        reached = {edge.source for edge in edges if edge.target in (start, *found)}
        assert set(found) == reached


@given(acyclic_edges(), st.randoms(use_true_random=False))
def test_walks_do_not_depend_on_the_order(edges: list[Edge], random: object) -> None:
    """The order of the edges, and doubles among them, change no walk."""
    shuffled = [*edges, *edges]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert [downstream(shuffled, each) for each in NODES] == [
        downstream(edges, each) for each in NODES
    ]


@given(acyclic_edges())
def test_nearer_ports_come_first(edges: list[Edge]) -> None:
    """The ports of a walk are in the order of their distance."""
    for start in NODES:
        distances = {start: 0}
        for _ in NODES:
            for edge in edges:
                if edge.source in distances:
                    farther = distances[edge.source] + 1
                    distances[edge.target] = min(distances.get(edge.target, farther), farther)
        order = [distances[each] for each in downstream(edges, start)]
        assert order == sorted(order)


# traces


@pytest.fixture
def metadata(tmp_path: Path) -> Iterator[SqliteMetadata]:
    """An empty store."""
    store = SqliteMetadata(tmp_path / "metadata.sqlite3")
    store.initialize()
    yield store
    store.close()


def value(port: str, document: object, producer: str = "") -> FieldValue:
    """A recorded value."""
    return FieldValue(port, digest_of(repr(document).encode()), 1, "any", producer, document)


def recorded_run(metadata: SqliteMetadata, run_id: str, photo: str) -> list[FieldValue]:
    """A run that made ``faces`` of a photo and a constant, as it stands in the store."""
    detect = GraphStep(
        "001",
        "detect",
        "1.0",
        "default",
        5,
        60.0,
        512,
        0,
        {"image": Source("photo")},
        ("faces",),
        (),
    )
    graph = Graph("find", {}, (), {}, (detect,), {})
    run = Run(run_id, "find", "pipeline", graph, "running", 0.0)
    given_photo = value("photo", photo)
    ready = Step(run_id, "001", "detect", "1.0", "default", 5, "ready", ready_at=0.0)
    metadata.create_run(run, [ready], [given_photo])
    claim = metadata.claim("w1", (), 0.0)
    assert claim is not None
    image = attrs.evolve(given_photo, port="input_001_image", source="photo", document=None)
    limit = value("input_001_limit", 3)
    faces = value("output_001_faces", [photo, "face"], "001")
    edges = step_edges(detect, ["image", "limit"])
    metadata.finish(claim, Outcome("succeeded", (image, limit, faces), edges), decide, 0.0)
    return [given_photo, image, limit, faces]


def test_trace_tells_what_a_value_came_from_and_led_to(metadata: SqliteMetadata) -> None:
    """For an input, an output and a constant: everything up and down the run, nearest first."""
    photo, image, limit, faces = recorded_run(metadata, "run-1", "a.jpg")
    assert trace(metadata, photo.digest) == [Trace("run-1", photo, (), (image, faces))]
    assert trace(metadata, faces.digest) == [Trace("run-1", faces, (image, limit, photo), ())]
    assert trace(metadata, limit.digest) == [Trace("run-1", limit, (), (faces,))]


def test_trace_finds_every_run_the_newest_first(metadata: SqliteMetadata) -> None:
    """A value that several runs had is traced in each of them; others' values are not."""
    for number, photo in enumerate(["a.jpg", "b.jpg", "a.jpg"]):
        recorded_run(metadata, f"run-{number}", photo)
    digest = value("photo", "a.jpg").digest
    assert [each.run for each in trace(metadata, digest)] == ["run-2", "run-0"]
    assert [each.value.port for each in trace(metadata, digest)] == ["photo", "photo"]


def test_trace_of_what_turned_up_nowhere_is_empty(metadata: SqliteMetadata) -> None:
    """A digest that nothing has leads to nothing."""
    recorded_run(metadata, "run-1", "a.jpg")
    assert trace(metadata, digest_of(b"nothing")) == []
