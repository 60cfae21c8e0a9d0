"""JSON Schemas from annotations."""

import enum
import json
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Optional

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_plugins import Array, Box, File, Image, On, Points, TaskDefinitionError
from taskmgr_plugins.schemas import named_types, schema_of


class Color(enum.Enum):
    """An enum."""

    RED = "red"
    BLUE = "blue"


@attrs.frozen
class Face:
    """A nested class."""

    bbox: Annotated[Box, On("image")]
    confidence: float
    label: str | None = None


@attrs.frozen
class Later:
    """A class whose annotation is given as text."""

    face: "Face"


@attrs.frozen
class Unreadable:
    """A class whose annotation names nothing."""

    x: "Nowhere"  # type: ignore[name-defined]  # noqa: F821


@attrs.frozen
class Endless:
    """A class that contains itself."""

    children: "list[Endless]"


NUMBER = {"type": "number"}


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (bool, {"type": "boolean"}),
        (int, {"type": "integer"}),
        (float, NUMBER),
        (str, {"type": "string"}),
        (None, {"type": "null"}),
        (type(None), {"type": "null"}),
        (Any, {}),
        (list, {"type": "array"}),
        (tuple, {"type": "array"}),
        (dict, {"type": "object"}),
        (typing.List, {"type": "array"}),  # noqa: UP006
        (typing.Sequence, {"type": "array"}),
        (typing.Tuple, {"type": "array"}),  # noqa: UP006
        (typing.Dict, {"type": "object"}),  # noqa: UP006
        (typing.Mapping, {"type": "object"}),
        (list[float], {"type": "array", "items": NUMBER}),
        (Sequence[float], {"type": "array", "items": NUMBER}),
        (tuple[float, ...], {"type": "array", "items": NUMBER}),
        (
            tuple[int, str],
            {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
                "minItems": 2,
                "maxItems": 2,
            },
        ),
        (dict[str, float], {"type": "object", "additionalProperties": NUMBER}),
        (Mapping[str, float], {"type": "object", "additionalProperties": NUMBER}),
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (Optional[int], {"anyOf": [{"type": "integer"}, {"type": "null"}]}),  # noqa: UP045
        (Literal["a", 1, True], {"enum": ["a", 1, True]}),
        (Color, {"enum": ["red", "blue"]}),
        (Annotated[int, {"minimum": 0}], {"type": "integer", "minimum": 0}),
        (Annotated[int, "a remark"], {"type": "integer"}),
    ],
)
def test_schema_says_what_the_annotation_says(annotation: Any, schema: dict[str, Any]) -> None:
    """Each allowed annotation has the schema of its values."""
    assert schema_of(annotation) == schema


@pytest.mark.parametrize("field_type", [Image, File])
def test_schema_of_a_file_is_a_reference(field_type: type) -> None:
    """A file travels as a reference to an artifact, marked with its type."""
    schema = schema_of(field_type)
    assert schema["x-taskmgr-type"] == field_type.__name__
    assert schema["required"] == ["$artifact"]


def test_schema_of_an_array_is_marked() -> None:
    """An Array is an object of a kind of its own."""
    assert schema_of(Array) == {"x-taskmgr-type": "Array", "type": "object"}


def test_schema_of_points_is_a_list_of_pairs() -> None:
    """Points are pairs of numbers, marked."""
    schema = schema_of(Points)
    assert schema["x-taskmgr-type"] == "Points"
    assert (schema["items"]["minItems"], schema["items"]["maxItems"]) == (2, 2)


def test_schema_of_a_class_has_its_fields() -> None:
    """A field with a default is not required; a box knows its image, a class its name."""
    schema = schema_of(Face)
    assert schema["title"] == "Face"
    assert schema["required"] == ["bbox", "confidence"]
    assert schema["properties"]["bbox"]["x-taskmgr-type"] == "Box"
    assert schema["properties"]["bbox"]["x-taskmgr-on"] == "image"
    assert schema["properties"]["label"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}


def test_schema_of_a_class_reads_text_annotations() -> None:
    """Annotations given as text mean what they say."""
    assert schema_of(Later)["properties"]["face"] == schema_of(Face)


def test_text_annotation_that_names_nothing_is_refused() -> None:
    """The message has the class and the name that is not there."""
    with pytest.raises(TaskDefinitionError, match=r"annotations of Unreadable .*'Nowhere'"):
        schema_of(Unreadable)


def test_class_that_contains_itself_is_refused() -> None:
    """A type without an end has no schema; the message has the place."""
    with pytest.raises(TaskDefinitionError, match=r"x\.children\[\]: Endless contains itself"):
        schema_of(Endless, "x")


@attrs.frozen
class Wrong:
    """A class with a field that JSON has no word for, deep inside."""

    pixels: list[dict[str, bytes]]


def test_refused_annotation_has_its_place() -> None:
    """The message has the path to the annotation, what it is and what is allowed."""
    with pytest.raises(
        TaskDefinitionError, match=r"image\.pixels\[\]: bytes cannot be passed .* Box and Points"
    ):
        schema_of(Wrong, "image")


@pytest.mark.parametrize("annotation", [set[int], bytes, object, complex, "int", 5])
def test_annotation_without_json_is_refused(annotation: Any) -> None:
    """What JSON has no word for is refused with what is allowed."""
    with pytest.raises(TaskDefinitionError, match="cannot be passed between tasks; allowed are"):
        schema_of(annotation)


def test_dict_with_other_keys_is_refused() -> None:
    """JSON's keys are text."""
    with pytest.raises(TaskDefinitionError, match="the keys of a dict must be str"):
        schema_of(dict[int, str])


@pytest.mark.parametrize("annotation", [Literal[b"x"], Literal[Color.RED]])
def test_choice_that_is_not_json_is_refused(annotation: Any) -> None:
    """The members of a choice must be JSON values themselves."""
    with pytest.raises(TaskDefinitionError, match="is not a JSON value; the members of an enum"):
        schema_of(annotation)


def test_named_types_are_the_field_types() -> None:
    """A pipeline file may name the JSON types and every field type."""
    named = named_types()
    json_types = {"any", "string", "integer", "number", "boolean", "array", "object"}
    assert set(named) == json_types | {"Image", "File", "Array", "Box", "Points"}
    assert named["Image"] == schema_of(Image)


SCALARS = st.sampled_from([bool, int, float, str, None, Image, Array, Box, Color, Any])
ANNOTATIONS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        inner.map(lambda each: list[each]),  # type: ignore[valid-type]
        inner.map(lambda each: dict[str, each]),  # type: ignore[valid-type]
        st.tuples(inner, inner).map(lambda pair: tuple[pair]),  # type: ignore[valid-type]
        inner.map(lambda each: Annotated[each, {"description": "x"}]),
    ),
    max_leaves=6,
)


@given(ANNOTATIONS)
def test_schema_of_nested_annotations_is_json(annotation: Any) -> None:
    """Whatever is built of allowed parts has a schema that is plain JSON."""
    schema = schema_of(annotation)
    assert json.loads(json.dumps(schema)) == schema
