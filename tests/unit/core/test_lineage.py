"""Lineage: the edges of a step, and walks over a run's edges."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.lineage import downstream, step_edges, upstream
from taskmgr_core.specs import Edge, GraphStep, Source

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


@given(acyclic_edges(), st.sets(st.sampled_from(NODES), max_size=3))
def test_walk_from_several_ports_is_the_walks_from_each(
    edges: list[Edge], starts: set[str]
) -> None:
    """From several ports a walk finds what it finds from each of them."""
    each = {port for start in starts for port in upstream(edges, start)}
    assert set(upstream(edges, *starts)) == each
