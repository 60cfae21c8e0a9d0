"""Any result becomes tables that can be read, whatever its tasks return."""

import base64
import json
import struct

import pytest
from report_samples import THINGS, Shape, Thing, graph_step, one_step_graph, task_run, things_run

from taskmgr_core.report.cells import NONE, cell
from taskmgr_core.report.overlays import find_overlays
from taskmgr_core.report.tables import ROWS, Heading, result_view
from taskmgr_core.specs import Graph, Source
from taskmgr_plugins.schemas import schema_of

IMAGE = {"$artifact": "sha256:0", "size": 1, "media_type": "image/png", "name": "p.png"}


def unopened(digest: str):
    """These runs have no value that lies in a file."""
    raise AssertionError(digest)


def test_joined_result_is_a_table_with_groups():
    """A joined result has a row for each key and a group of columns for each port."""
    (table,) = result_view(things_run(IMAGE), ()).tables
    assert (table.head, table.count) == ("thing id", 2)
    assert [(group.text, group.span, group.source) for group in table.groups] == [
        ("found", 2, "output_001_things"),
        ("shape", 3, "output_002_shapes"),
    ]
    assert [column.text for column in table.columns] == [
        "box",
        "score",
        "corners",
        "kinds",
        "vector",
    ]
    assert [row.head for row in table.rows] == ["a", "b"]


def test_rows_know_their_item_on_the_picture():
    """A row and the marks of the same key show the same colour."""
    detail = things_run(IMAGE)
    overlays = find_overlays(detail, unopened)
    (table,) = result_view(detail, overlays).tables
    items = {mark.key: mark.item for mark in overlays[0].marks}
    assert [row.item for row in table.rows] == [items["a"], items["b"]]


def test_list_of_objects_is_a_table():
    """The records of a port are numbered from 1, each known by its colour."""
    graph = one_step_graph(schema_of(list[Thing]))
    detail = task_run(graph, {"image": IMAGE, "output_001_out": THINGS}, {"out": THINGS})
    (table,) = result_view(detail, find_overlays(detail, unopened)).tables
    assert (table.head, table.source, table.groups) == ("#", "output_001_out", ())
    assert [(row.head, row.item) for row in table.rows] == [("1", 0), ("2", 1)]
    assert table.columns[2] == Heading("score", number=True)


def test_nested_objects_are_columns():
    """Objects inside objects become columns with the names that lead to them."""
    records = [{"size": {"width": 3, "height": {"value": 2, "unit": "cm"}}}, {"note": "none"}]
    detail = task_run(one_step_graph({}), {}, {"out": records})
    (table,) = result_view(detail, ()).tables
    headings = [column.text for column in table.columns]
    assert headings == ["size · width", "size · height · value", "size · height · unit", "note"]
    assert table.rows[1].cells[:3] == (NONE, NONE, NONE)


def test_dictionary_is_one_cell():
    """An object whose names are data is one cell with the greatest first."""
    detail = task_run(
        one_step_graph(schema_of(list[Shape])),
        {},
        {"out": [{"thing_id": "a", "kinds": {"flat": 0.2, "round": 0.7, "odd": 0.1}}]},
    )
    (table,) = result_view(detail, ()).tables
    assert table.rows[0].cells[1].text == "round 0.7 · flat 0.2 · +1"
    assert "odd: 0.1" in table.rows[0].cells[1].full


def test_single_values_are_facts():
    """A number and the fields of an object are named values."""
    graph = Graph(
        "two",
        {},
        (),
        {},
        (graph_step("001", "t", {"a": Source("", 1)}, ("count", "about")),),
        {"count": "output_001_count", "about": "output_001_about"},
    )
    detail = task_run(graph, {}, {"count": 3, "about": {"mean_score": 0.123456}})
    facts = result_view(detail, ()).facts
    assert [(fact.name, fact.cell.text) for fact in facts] == [
        ("count", "3"),
        ("about · mean score", "0.1235"),
    ]


def test_long_table_is_cut_and_counted():
    """Of thousands of rows the first are shown, and all are counted."""
    detail = task_run(one_step_graph({}), {}, {"out": [{"n": n} for n in range(ROWS + 7)]})
    (table,) = result_view(detail, ()).tables
    assert (len(table.rows), table.count) == (ROWS, ROWS + 7)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\u2013"),
        ([], "\u2013"),
        (True, "true"),
        (12345678, "12345678"),
        (0.000012345, "1.234e-05"),
        (12345.678, "12346"),
        ("two\nlines", "two lines"),
        ("", '""'),
        ([20, 27.5], "20, 27.5"),
        (["a", "b"], "a, b"),
        ([[1, 2], [3, 4], [5, 6]], "3 points"),
        (list(range(128)), "128 numbers"),
        ([{"a": 1}, 2], "2 entries"),
        ({"x": 4, "y": 5, "width": 20, "height": 30.5}, "20 \u00d7 30.5 at 4, 5"),
        (IMAGE, "p.png (1 B, 0)"),
    ],
)
def test_value_is_told_shortly(value, text):
    """Each kind of value has a short form of its own."""
    assert cell(value).text == text


@pytest.mark.parametrize("value", ["x" * 500, list(range(500)), [{"deep": [[[1]]]}] * 3])
def test_what_is_cut_can_be_unfolded(value):
    """What the short form leaves out is there in full."""
    shown = cell(value)
    assert len(shown.text) < 100
    assert "".join(shown.full.split()) in (
        str(value).strip("[]").replace(" ", ""),
        "".join(json.dumps(value).split()),
    )


def test_enormous_values_are_limited():
    """A text of a megabyte does not become a page of a megabyte, and says so."""
    assert len(cell("x" * 1_000_000).full) < 30_000
    assert "characters more" in cell("x" * 1_000_000).full


def test_inline_array_is_shown_by_its_numbers():
    """An array recorded byte for byte is a curve and a list of numbers."""
    content = base64.b64encode(struct.pack("<6f", *range(6))).decode()
    shown = cell({"$array": {"dtype": "<f4", "shape": [2, 3], "base64": content}})
    assert shown.text == "<f4 2 \u00d7 3"
    assert shown.full == "0.0, 1.0, 2.0, 3.0, 4.0, 5.0"
    assert shown.spark


@pytest.mark.parametrize(
    "array", [{}, {"dtype": "O", "shape": "x", "base64": "!"}, {"dtype": [], "shape": None}]
)
def test_damaged_array_is_shown_as_it_is(array):
    """An array that cannot be read does not stop the report."""
    assert cell({"$array": array}).text


@pytest.mark.parametrize("numbers", [[1e308, -1e308], [5.0] * 9, [10**400, 1, 2, 3, 4], [1.0]])
def test_curve_of_any_numbers_can_be_drawn(numbers):
    """Equal, enormous and single numbers make a curve or none, within its height."""
    for point in cell(numbers * 5).spark.split():
        assert 0 <= float(point.split(",")[1]) <= 20
