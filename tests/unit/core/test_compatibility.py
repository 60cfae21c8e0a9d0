"""Which schemas fit which: single cases, and what a fit promises for any schema."""

import json
from enum import Enum
from typing import Annotated, Any, Literal

import attrs
import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_examples import FaceBox, Guess
from schema_strategies import SCHEMAS, Schema, changed, values_of

from taskmgr_core.orchestrator.compatibility import problems_between, type_name
from taskmgr_plugins import Array, Box, File, Image, On, Points
from taskmgr_plugins.schemas import named_types, schema_of


@attrs.frozen
class Optioned:
    """One property that must be there and one that need not."""

    name: str
    size: int = 0


@attrs.frozen
class Face:
    """As ``FaceBox``, but with texts for the corner."""

    face_id: int
    bbox: dict[str, str]
    confidence: str


class Color(Enum):
    """An enumeration."""

    RED = "red"
    BLUE = "blue"


FITS = [
    (int, int),
    (int, float),
    (int, float | None),
    (int | None, float | None),
    (Image, Image),
    (Image, File),
    (Image, Image | None),
    (Box, Box | Points),
    (Annotated[Box, On("image")], Box),
    (Points, list[list[float]]),
    (Points, list[tuple[float, float]]),
    (Literal["a"], Literal["a", "b"]),
    (Literal["a", "b"], str),
    (Literal[1, "a"], int | str),
    (Color, str),
    (Color, Literal["blue", "red"]),
    (bool, Literal[True, False]),
    (type(None), Literal["none", None]),  # noqa: PYI061 - an enumeration with null is meant
    (list[FaceBox], list[FaceBox]),
    (list[FaceBox], list[dict[str, Any]]),
    (FaceBox, dict[str, Any]),
    (dict[str, int], dict[str, float]),
    (tuple[int, int], tuple[float, float]),
    (tuple[int, int], list[int]),
    (tuple[int, str], list[int | str]),
    (Any, list[FaceBox]),
    (list[Any], list[FaceBox]),
    (list, list[FaceBox]),
    (dict, FaceBox),
    (str, Any),
    (Image, Any),
    (list[FaceBox] | list[Guess], list[FaceBox | Guess]),
]


@pytest.mark.parametrize(("source", "target"), FITS, ids=str)
def test_source_fits(source: Any, target: Any) -> None:
    """These annotations fit."""
    assert problems_between(schema_of(source), schema_of(target)) == ()


MISFITS = [
    (str, float, "string does not fit number"),
    (float, int, "number does not fit integer"),
    (bool, int, "boolean does not fit integer"),
    (int | None, int, "null does not fit integer"),
    (str | None, int | float, "string does not fit integer or number"),
    (File, Image, "File does not fit Image"),
    (Array, Image, "Array does not fit Image"),
    (Image, dict, "Image does not fit object"),
    (Array, list[float], "Array does not fit array of number"),
    (list[float], Array, "array of number does not fit Array"),
    (dict, Box, "object does not fit Box"),
    (list[list[float]], Points, "array of array of number does not fit Points"),
    (str, Literal["a", "b"], 'string does not fit one of "a", "b"'),
    (Literal["a", "c"], Literal["a", "b"], '"c" does not fit one of "a", "b"'),
    (Literal["a", 1], str, "1 does not fit string"),
    (bool, Literal[True], "boolean does not fit true"),
    (Literal[1], Literal[True], "1 does not fit true"),
    (list[str], list[float], "[]: string does not fit number"),
    (list[float], tuple[float, float], "array of number does not fit array of (number, number)"),
    (tuple[int, int], tuple[int], "array of (integer, integer) does not fit array of (integer)"),
    (tuple[int, str], tuple[int, int], "[1]: string does not fit integer"),
    (tuple[int, str], list[int], "[1]: string does not fit integer"),
    (Guess, FaceBox, "face_id: is missing, and it is required"),
    (Optioned, dict[str, str], "size: integer does not fit string"),
    (dict[str, int], dict[str, str], "*: integer does not fit string"),
    (dict[str, float], Optioned, "name: is missing, and it is required"),
    (list[Face], list[FaceBox], "[].bbox: object of string does not fit Box"),
    (list[Face | None], list[FaceBox | None], "[].bbox: object of string does not fit Box"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "target", "message"), MISFITS, ids=str)
def test_source_does_not_fit(source: Any, target: Any, message: str) -> None:
    """These annotations do not fit, and the first message says where and why."""
    assert problems_between(schema_of(source), schema_of(target))[0] == message


def test_messages_start_with_the_place_of_the_value() -> None:
    """The place that is given stands before the place inside the value."""
    found = problems_between(schema_of(list[Face]), schema_of(list[FaceBox]), "faces")
    assert found == (
        "faces[].bbox: object of string does not fit Box",
        "faces[].confidence: string does not fit number",
    )


def test_property_that_may_be_absent_does_not_fit_one_that_must_be_there() -> None:
    """What the target requires must be required in the source."""
    target = {**schema_of(Optioned), "required": ["name", "size"]}
    assert problems_between(schema_of(Optioned), target) == (
        "size: is not always there, and it is required",
    )


def test_further_properties_are_refused_where_the_target_refuses_them() -> None:
    """A source may have more properties, unless the target forbids others."""
    target = {"type": "object", "properties": {"name": {"type": "string"}}}
    assert problems_between(schema_of(Optioned), target) == ()
    closed = {**target, "additionalProperties": False}
    assert problems_between(schema_of(Optioned), closed) == ("size: is not allowed",)


def test_ranges_and_patterns_are_left_to_the_value() -> None:
    """A narrower range is no misfit: tasks seldom declare how narrow their outputs are."""
    share = Annotated[float, {"minimum": 0, "maximum": 1}]
    assert problems_between(schema_of(float), schema_of(share)) == ()
    some = Annotated[list[int], {"minItems": 1}]
    assert problems_between(schema_of(list[int]), schema_of(some)) == ()


def test_lists_of_types_and_constants_are_understood() -> None:
    """Schemas that users write may have ``type`` lists and ``const``."""
    assert problems_between({"const": "a"}, {"type": ["string", "null"]}) == ()
    assert problems_between({"type": ["string", "null"]}, {"type": "string"}) == (
        "null does not fit string",
    )


def test_elements_behind_a_prefix_are_checked() -> None:
    """An array with a prefix and further elements fits only if these fit too."""
    source = {"type": "array", "prefixItems": [{"type": "integer"}], "items": {"type": "string"}}
    assert problems_between(source, schema_of(list[int])) == ("[]: string does not fit integer",)
    assert problems_between(source, schema_of(list[int | str])) == ()


def test_words_beside_anyof_hold_for_each_alternative() -> None:
    """What stands beside ``anyOf`` is added to its members; what both say is left open."""
    either = {"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}
    given = {"type": "object", "properties": {"a": {}, "c": {}}, "required": ["c"]}
    assert problems_between(given, either) == ("object does not fit object",)
    assert problems_between({**given, "required": ["a"]}, either) == ()
    assert (
        problems_between({"type": "string"}, {"type": "object", "anyOf": [{"type": "array"}]}) == ()
    )


def test_every_named_type_fits_itself_and_any() -> None:
    """Each type that a pipeline file may name fits itself; all fit ``any``."""
    for schema in named_types().values():
        assert problems_between(schema, schema) == ()
        assert problems_between(schema, named_types()["any"]) == ()


NAMES = [
    (Any, "any"),
    (str, "string"),
    (float | None, "number or null"),
    (Image, "Image"),
    (list[Image], "array of Image"),
    (list[FaceBox], "array of FaceBox"),
    (list[float | None], "array of (number or null)"),
    (tuple[int, str], "array of (integer, string)"),
    (dict[str, int], "object of integer"),
    (dict, "object"),
    (list, "array"),
    (Literal["a"], '"a"'),
    (Literal["a", 1, None], 'one of "a", 1, null'),  # noqa: PYI061 - as above
    (Literal[1, 2, 3, 4, 5, 6], "one of 1, 2, 3, 4, ..."),
]


@pytest.mark.parametrize(("annotation", "name"), NAMES, ids=str)
def test_type_name_is_short_and_readable(annotation: Any, name: str) -> None:
    """These annotations have these names."""
    assert type_name(schema_of(annotation)) == name


@given(st.data())
def test_value_of_a_source_that_fits_is_valid_for_the_target(data: st.DataObject) -> None:
    """Whatever the checker lets through, every value of it validates against the target."""
    source = data.draw(SCHEMAS)
    target = data.draw(changed(source))
    if problems_between(source, target):
        return
    value = data.draw(values_of(source))
    assert jsonschema_rs.is_valid(source, value)
    assert jsonschema_rs.is_valid(target, value), json.dumps([source, target, value])


@given(SCHEMAS)
def test_every_schema_fits_itself(schema: Schema) -> None:
    """Nothing is refused that is the same."""
    assert problems_between(schema, schema) == ()


@given(SCHEMAS, SCHEMAS)
def test_every_schema_fits_a_wider_one(schema: Schema, other: Schema) -> None:
    """Nothing is refused that the target has as one of its alternatives."""
    assert problems_between(schema, {"anyOf": [other, schema]}) == ()
    assert problems_between(schema, {}) == ()
