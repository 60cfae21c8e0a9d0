"""The graph as SVG: well formed, nothing on top of anything, everything escaped."""

import itertools
import random
import re
from xml.etree.ElementTree import Element

import attrs
import pytest
from report_samples import graph_step, parsed, state, things_graph, things_run

from taskmgr_core.report.graph_svg import graph_svg
from taskmgr_core.report.layout import Link, Node, lay_out
from taskmgr_core.report.theme import STATUS_SIGNS
from taskmgr_core.specs import Graph, GraphStep, ResultSpec, Source

SVG = "{http://www.w3.org/2000/svg}"


def graph_of(steps: list[GraphStep], result: dict[str, str | ResultSpec] | None = None) -> Graph:
    """A pipeline of these steps on one input."""
    return Graph("many", {"image": {}}, (), {}, tuple(steps), result or {})


def random_graph(count: int, seed: int) -> Graph:
    """Steps that take up to three outputs of any of the twenty before them."""
    chance = random.Random(seed)  # noqa: S311 - the same graphs each time
    steps = []
    for number in range(count):
        earlier = sorted(
            {chance.randrange(max(0, number - 20), number) for _ in range(3)} if number else ()
        )
        inputs = {"image": Source("image")} | {
            f"in_{each}": Source(f"output_{each:03}_out") for each in earlier
        }
        steps.append(
            graph_step(f"{number:03}", "task", inputs, ("out",), [f"{each:03}" for each in earlier])
        )
    return graph_of(steps, {"last": f"output_{count - 1:03}_out"})


def cards(root: Element) -> list[tuple[float, float, float, float]]:
    """The edges of every card: left, top, right, bottom."""
    found = []
    for group in root.iter(f"{SVG}g"):
        if group.get("class", "").startswith("node"):
            place = re.fullmatch(r"translate\((\S+) (\S+)\)", group.get("transform", ""))
            rect = group.find(f"{SVG}rect")
            assert place is not None
            assert rect is not None
            x, y = float(place[1]), float(place[2])
            found.append((x, y, x + float(rect.get("width", 0)), y + float(rect.get("height", 0))))
    return found


def overlap(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    """Whether two rectangles share any area."""
    return (
        first[0] < second[2]
        and second[0] < first[2]
        and first[1] < second[3]
        and second[1] < first[3]
    )


@pytest.mark.parametrize(("count", "seed"), [(1, 0), (7, 1), (100, 2), (100, 3)])
def test_cards_do_not_overlap(count, seed):
    """Every step, the inputs and the result have a card, and no two touch."""
    root = parsed(graph_svg(random_graph(count, seed)))
    found = cards(root)
    assert len(found) == count + 2
    assert not any(overlap(*pair) for pair in itertools.combinations(found, 2))


def test_cards_lie_inside_the_picture():
    """The view box holds all cards."""
    root = parsed(graph_svg(random_graph(100, 4)))
    _, _, width, height = map(float, root.get("viewBox", "").split())
    assert all(card[0] >= 0 and card[2] <= width for card in cards(root))
    assert all(card[1] >= 0 and card[3] <= height for card in cards(root))


def test_steps_stand_right_of_what_they_take():
    """Columns follow the data: inputs, then each step after its sources, then the result."""
    root = parsed(graph_svg(things_graph()))
    inputs, find, measure, result = (card[0] for card in cards(root))
    assert inputs < find < measure < result


def test_lines_pass_no_card():
    """Where a line crosses columns it stays clear of every card in them."""
    nodes = [Node("source", 0, 100, 40, {}, {"out": 20})]
    nodes += [Node(f"n{at}", at, 100, 60, {"in": 30}, {"out": 30}) for at in (1, 2, 3)]
    links = [Link("source", "out", f"n{at}", "in") for at in (1, 2, 3)]
    links += [Link(f"n{at}", "out", f"n{at + 1}", "in") for at in (1, 2)]
    layout = lay_out(nodes, links)
    for route in layout.routes:
        for (x, y), (to_x, _) in zip(route[1:-1:2], route[2:-1:2], strict=True):
            for node in nodes:
                left, top = layout.places[node.id]
                apart = y < top or y > top + node.height or to_x <= left or x >= left + node.width
                assert apart


def test_lines_join_the_ports_that_are_mapped():
    """There is one line for each mapped input and each port of the result, and no other."""
    root = parsed(graph_svg(things_graph()))
    wires = [each for each in root.iter(f"{SVG}path") if each.get("class") == "wire"]
    titles = [wire.findtext(f"{SVG}title") for wire in wires]
    assert titles == [
        "picture → input_001_image",
        "picture → input_002_photo",
        "output_001_things → input_002_things",
        "output_001_things → result",
        "output_002_shapes → result",
    ]


def test_result_column_can_be_left_out():
    """Without the result there are only inputs and steps."""
    assert len(cards(parsed(graph_svg(things_graph(), result=False)))) == 3


def test_constants_are_written_and_not_wired():
    """A constant input stands on the card with its value, without a pin."""
    step = graph_step("001", "task", {"limit": Source("", 0.5)}, ())
    root = parsed(graph_svg(graph_of([step])))
    assert "limit = 0.5" in [text.text for text in root.iter(f"{SVG}text")]
    assert not [each for each in root.iter(f"{SVG}path") if each.get("class") == "wire"]


def test_hostile_names_are_escaped():
    """Markup, quotes and control characters in any name stay text."""
    name = "<script>alert('\"&\x00\x1b')</script>"
    inputs = {name: Source(name), "constant": Source("", name)}
    step = graph_step(name, name, inputs, (name,))
    graph = Graph(name, {name: {}}, (), {}, (step,), {name: f"output_{name}_{name}"})
    written = graph_svg(graph)
    parsed(written)
    assert "<script" not in written


def test_long_names_are_cut_and_told_in_full():
    """A long name ends in an ellipsis on the card and is whole in its title."""
    name = "a_name_that_goes_on_" * 8
    step = graph_step("001", name, {name: Source("image")}, (name,))
    root = parsed(graph_svg(graph_of([step])))
    texts = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert max(map(len, texts)) < 60
    assert sum(text.endswith("…") for text in texts) >= 3
    assert any(name in (title.text or "") for title in root.iter(f"{SVG}title"))


@pytest.mark.parametrize("status", list(STATUS_SIGNS))
def test_status_has_a_sign_of_its_own(status):
    """Status is told by shape, not by colour alone."""
    graph = things_graph()
    steps = [attrs.evolve(state(step, 0.1, 0.2), status=status) for step in graph.steps]
    root = parsed(graph_svg(graph, steps))
    signs = [each.get("d") for each in root.iter(f"{SVG}path") if "sign" in each.get("class", "")]
    assert signs == [STATUS_SIGNS[status]] * 2
    assert len(set(STATUS_SIGNS.values())) == len(STATUS_SIGNS)


def test_drawing_for_a_page_leaves_colours_to_it():
    """Inside a page there is no namespace and no second set of colours."""
    detail = things_run({"$artifact": "sha256:0", "size": 1})
    inside = graph_svg(detail.run.graph, detail.steps, standalone=False)
    assert "xmlns" not in inside
    assert "--card:" not in inside
    assert "--card:" in graph_svg(detail.run.graph, detail.steps)
