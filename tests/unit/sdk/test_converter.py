"""Values to JSON and back: nothing is lost, nothing is taken for what it is not."""

import datetime
import enum
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_plugins import Box, On, Points
from taskmgr_plugins.converter import ValueConverter, non_finite
from taskmgr_plugins.errors import InvalidValueError


class Color(enum.Enum):
    """An enum."""

    RED = "red"
    BLUE = "blue"


@attrs.frozen
class Face:
    """A nested class."""

    bbox: Annotated[Box, On("image")]
    confidence: Annotated[float, {"minimum": 0}]
    label: str | None = None


@attrs.frozen
class Detection:
    """A class of classes."""

    faces_array: list[Face]
    by_name: dict[str, Face]
    color: Color = Color.RED


FINITE = st.floats(allow_nan=False, allow_infinity=False)
BOXES = st.builds(Box, FINITE, FINITE, FINITE, FINITE)
FACES = st.builds(Face, BOXES, FINITE, st.none() | st.text())
DETECTIONS = st.builds(
    Detection,
    st.lists(FACES, max_size=3),
    st.dictionaries(st.text(), FACES, max_size=3),
    st.sampled_from(Color),
)


def through_json(converter: ValueConverter, value: Any, annotation: Any) -> Any:
    """A value as the next task gets it."""
    document = converter.unstructure(value, annotation, "field")
    return converter.structure(json.loads(json.dumps(document)), annotation, "field")


@given(DETECTIONS)
def test_nested_classes_survive(shared_converter: ValueConverter, value: Detection) -> None:
    """Classes in lists and dicts in classes come back equal."""
    assert through_json(shared_converter, value, Detection) == value


@given(FINITE)
def test_floats_survive_exactly(shared_converter: ValueConverter, value: float) -> None:
    """Every finite float comes back with its bits, the zero's sign included."""
    assert through_json(shared_converter, value, float).hex() == value.hex()


@given(st.integers() | st.text() | st.booleans())
def test_scalars_survive(shared_converter: ValueConverter, value: Any) -> None:
    """Integers of any size, text and booleans come back as they were, and as what they were."""
    back = through_json(shared_converter, value, type(value))
    assert (back, type(back)) == (value, type(value))


@given(st.lists(st.tuples(FINITE, FINITE), max_size=5))
def test_points_survive(shared_converter: ValueConverter, rows: list[tuple[float, float]]) -> None:
    """Points come back equal."""
    assert through_json(shared_converter, Points(rows), Points) == Points(rows)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON_VALUES)
def test_any_json_survives(shared_converter: ValueConverter, value: Any) -> None:
    """Under Any, JSON stays what it is."""
    assert through_json(shared_converter, value, Any) == value


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ((1, "a"), tuple[int, str]),
        ((1, 2, 3), tuple[int, ...]),
        ((1, 2), Sequence[int]),
        ([], list[str]),
        ([1, "a", None], list[Any]),
        ({"a": 1}, Mapping[str, int]),
        (Color.BLUE, Color),
        ("a", Literal["a", "b"]),
        (None, int | None),
        (Face(Box(0, 0, 1, 1), 1), Face | None),
        (1, int | str),
        ("1", int | str),
        (None, int | str | None),
        ([1], list[int] | str),
        ("a", list[int] | str),
        (Face(Box(0, 0, 1, 1), 1), Box | Face),
        (Box(0, 0, 1, 1), Face | Box | str),
        (True, bool | int),
        (1, bool | int),
        (3, Annotated[int, {"minimum": 0}]),
        ([3], list[Annotated[int, {"minimum": 0}]]),
    ],
)
def test_containers_choices_and_unions_survive(
    converter: ValueConverter, value: Any, annotation: Any
) -> None:
    """Every allowed annotation can be converted, and gives the value back."""
    back = through_json(converter, value, annotation)
    assert (back, type(back)) == (value, type(value))


@pytest.mark.parametrize(
    ("document", "annotation", "message"),
    [
        (3.5, int, "field: 3.5 is not of type int"),
        (True, int, "field: True is not of type int"),
        (1, bool, "field: 1 is not of type bool"),
        (True, float, "field: True is not of type float"),
        ("1", float, "field: '1' is not of type float"),
        (1, str, "field: 1 is not of type str"),
        (None, str, "field: None is not of type str"),
        ("ab", list[str], "field: 'ab' is not a list"),
        ({"a": 1}, list[str], "field: {'a': 1} is not a list"),
        ("ab", tuple[str, ...], "field: 'ab' is not a list"),
        ([1, 2, 3], tuple[int, int], "field: [1, 2, 3] is not a list of 2"),
        ([1], dict[str, int], "field: expected a mapping"),
        ([1, "x"], list[int], "field[1]: 'x' is not of type int"),
        ({"a": "x"}, dict[str, int], "field.a: 'x' is not of type int"),
        ("green", Color, "field: 'green' is not one of 'red', 'blue'"),
        (True, Literal[1, 2], "field: True is not one of 1, 2"),
        (1.5, int | str, "field: 1.5 fits none of int, str"),
        ([[1, 2, 3]], Points, "field[0]: [1, 2, 3] is not a list of 2"),
        ([["1", 2]], Points, "field[0][0]: '1' is not of type float"),
        (5, Box, "field: 5 is not a Box"),
        ({"x": 1, "y": 1, "width": 1}, Box, "field.height: required field missing"),
        (5, Face | None, "field: 5 is not a Face"),
    ],
)
def test_input_that_does_not_fit_is_refused(
    converter: ValueConverter, document: Any, annotation: Any, message: str
) -> None:
    """The message has the place, the value and what it should have been."""
    with pytest.raises(InvalidValueError) as raised:
        converter.structure(document, annotation, "field")
    assert str(raised.value) == message


def test_input_names_the_place_of_every_fault(converter: ValueConverter) -> None:
    """All faults are told at once, each with the path to it."""
    box = {"x": 1, "y": 1, "width": 1, "height": 1}
    faces = [
        {"bbox": box, "confidence": 1},
        {"bbox": box, "confidence": 1},
        {"bbox": {**box, "x": "left"}, "confidence": None},
    ]
    with pytest.raises(InvalidValueError) as raised:
        converter.structure(faces, list[Face], "faces_array")
    assert str(raised.value) == (
        "faces_array[2].bbox.x: 'left' is not of type float; "
        "faces_array[2].confidence: None is not of type float"
    )


def test_whole_number_is_an_integer(converter: ValueConverter) -> None:
    """3.0 is an integer, as JSON Schema has it, in and out."""
    assert type(converter.structure(3.0, int, "field")) is int
    assert type(converter.unstructure(3.0, int, "field")) is int


def test_unknown_keys_are_dropped(converter: ValueConverter) -> None:
    """A class takes what it knows: a newer task may give more fields than an older one takes."""
    document = {"x": 1, "y": 2, "width": 3, "height": 4, "angle": 5}
    assert converter.structure(document, Box, "field") == Box(1, 2, 3, 4)


@pytest.mark.parametrize(
    ("value", "annotation", "message"),
    [
        ("x", int, "field: 'x' is not of type int"),
        (1.5, int, "field: 1.5 is not of type int"),
        (None, float, "field: None is not of type float"),
        ("ab", list[str], "field: 'ab' is not a list"),
        (5, list[int], "field: 5 is not a list"),
        ((1, 2, 3), tuple[int, int], "field: (1, 2, 3) is not a list of 2"),
        ((1, "x"), tuple[int, int], "field[1]: 'x' is not of type int"),
        ("c", Literal["a", "b"], "field: 'c' is not one of 'a', 'b'"),
        (3, str | None, "field: 3 is not of type str"),
        (b"x", Any, "field: b'x' is not a JSON value"),
        ({1, 2}, Any, "field: {1, 2} is not a JSON value"),
        ({"a": [1j]}, Any, "field.a[0]: 1j is not a JSON value"),
        ({1: 2}, dict, "field: the key 1 is not a str, as JSON needs it"),
        (float("nan"), float, "field: nan is not a finite number, as JSON needs it"),
        ([1.0, float("-inf")], list[float], "field[1]: -inf is not a finite number, as JSON nee"),
        ({"a": float("nan")}, Any, "field.a: nan is not a finite number, as JSON needs it"),
        (Points([(0, float("nan"))]), Points, "field[0][1]: nan is not a finite number, as JSON"),
        (datetime.date(2020, 1, 2), Any, "field: datetime.date(2020, 1, 2) is not a JSON value"),
        ({"x": 1}, Box, "field: {'x': 1} is not a Box ('dict' object has no attribute 'x')"),
    ],
)
def test_output_that_does_not_fit_is_refused(
    converter: ValueConverter, value: Any, annotation: Any, message: str
) -> None:
    """What a task returns is checked as strictly as what it gets, with the place."""
    with pytest.raises(InvalidValueError) as raised:
        converter.unstructure(value, annotation, "field")
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Face("here", 1), "faces_array[1].bbox: 'here' is not a Box"),  # type: ignore[arg-type]
        (Face(Box(0, "1", 2, 3), 1), "faces_array[1].bbox.y: '1' is not of type float"),  # type: ignore[arg-type]
        (Face(Box(0, 1, 2, float("inf")), 1), "faces_array[1].bbox.height: inf is not a finite"),
        (Face(Box(0, 1, 2, 3), 1, 5), "faces_array[1].label: 5 is not of type str"),  # type: ignore[arg-type]
        ("face", "faces_array[1]: 'face' is not a Face"),
    ],
)
def test_output_names_the_place_of_its_fault(
    converter: ValueConverter, wrong: Any, message: str
) -> None:
    """A wrong part deep inside an output is found."""
    with pytest.raises(InvalidValueError) as raised:
        converter.unstructure([Face(Box(0, 0, 1, 1), 1), wrong], list[Face], "faces_array")
    assert str(raised.value).startswith(message)


def test_long_value_is_shortened_in_a_message(converter: ValueConverter) -> None:
    """A message stays readable, however long the value is."""
    with pytest.raises(InvalidValueError) as raised:
        converter.structure("x" * 10_000, int, "field")
    assert len(str(raised.value)) < 150


def test_large_value_is_read_from_its_file(converter: ValueConverter, tmp_path: Path) -> None:
    """A value that the platform keeps in a file is read from there."""
    path = tmp_path / "large"
    path.write_text(json.dumps([1, 2, 3]))
    converter.paths = {"sha256:1": str(path)}
    reference = {"$artifact": "sha256:1", "media_type": "application/json", "size": 7}
    assert converter.structure(reference, list[int], "field") == [1, 2, 3]


def test_value_that_looks_like_a_large_one_stays(converter: ValueConverter) -> None:
    """Only a reference to an artifact is read; a value may have a media_type of its own."""
    value = {"media_type": "application/json"}
    assert converter.structure(value, dict[str, str], "field") == value


@given(JSON_VALUES)
def test_finite_json_has_no_non_finite_place(value: Any) -> None:
    """Nothing is reported where every number is finite."""
    assert list(non_finite(value, "field")) == []


def test_non_finite_numbers_are_all_found() -> None:
    """Every NaN and infinity is reported with its place."""
    document = {"a": [1.0, float("inf")], "b": {"c": float("-inf")}}
    assert list(non_finite(document, "x")) == [("x.a[1]", float("inf")), ("x.b.c", float("-inf"))]
