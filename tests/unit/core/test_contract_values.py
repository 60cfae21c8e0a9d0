"""The values that tasks are tried with: made from schemas, odd and wrong, the same each time."""

from typing import Annotated, Any, Literal

import cv2
import numpy
import pytest
from hypothesis import given
from schema_strategies import SCHEMAS

from taskmgr_core.orchestrator.validation import Validator
from taskmgr_core.testing.contract.contents import Content, array, picture
from taskmgr_core.testing.contract.generating import Case, extremes, thinned, usual, wrongs
from taskmgr_plugins import Array, Box, File, Image, Points
from taskmgr_plugins.schemas import named_types, schema_of

VALIDATOR = Validator()


def stored(value: Any) -> Any:
    """A value with something in place of its files that fits where a file fits."""
    if isinstance(value, Content):
        return {"$artifact": "sha256:" + "0" * 64}
    if isinstance(value, dict):
        return {name: stored(each) for name, each in value.items()}
    return [stored(each) for each in value] if isinstance(value, list) else value


def fits(value: Any, schema: Any) -> bool:
    return not VALIDATOR.validate(stored(value), schema, "value")


@given(SCHEMAS)
def test_usual_value_fits_any_schema_of_an_annotation(schema: dict[str, Any]) -> None:
    """What is made for a schema as annotations give it is a value of it."""
    assert fits(usual(schema), schema)


@given(SCHEMAS)
def test_edges_fit_and_are_the_same_each_time(schema: dict[str, Any]) -> None:
    """Every value at the edges of such a schema fits it, and comes again."""
    found = list(extremes(schema))
    assert [case.what for case in found if not fits(case.value, schema)] == []
    assert found == list(extremes(schema))


@pytest.mark.parametrize(
    "annotation", [bool, int, float, str, list[int], dict[str, float], Box, Points, Literal["a"]]
)
def test_wrong_values_do_not_fit(annotation: Any) -> None:
    """There are wrong values of each kind, and none of them fits."""
    schema = schema_of(annotation)
    found = list(wrongs(schema))
    assert found
    assert [case.what for case in found if fits(case.value, schema)] == []


@pytest.mark.parametrize("name", sorted(set(named_types()) - {"any", "boolean"}))
def test_every_type_has_several_edges(name: str) -> None:
    """No type of a field goes without odd values."""
    assert len(list(extremes(named_types()[name]))) >= 2


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Annotated[int, {"minimum": 5, "maximum": 9}], 7),
        (Annotated[int, {"minimum": 5}], 6),
        (Annotated[float, {"exclusiveMaximum": 0}], -0.25),
        (Annotated[float, {"minimum": 0, "maximum": 1}], 0.5),
        (Annotated[str, {"maxLength": 3}], "The"),
        (Annotated[str, {"format": "date"}], "2024-02-29"),
        (Annotated[str, {"pattern": "^[a-z]+$", "examples": ["ada"]}], "ada"),
        (Annotated[list[int], {"minItems": 3}], [3, 3, 3]),
    ],
)
def test_usual_value_keeps_to_keywords(annotation: Any, value: Any) -> None:
    """Bounds, lengths, formats and an author's examples are heeded."""
    schema = schema_of(annotation)
    assert usual(schema) == value
    assert fits(value, schema)


def test_edges_of_a_bounded_number_are_its_bounds() -> None:
    """Of a number with bounds nothing beyond is given, and both bounds are."""
    schema = schema_of(Annotated[int, {"minimum": -3, "maximum": 10}])
    assert {case.value for case in extremes(schema)} == {-3, 10, 0, 1, -1}


def test_inner_fields_are_varied_one_by_one() -> None:
    """An odd box inside of a list stands alone in it."""
    found = {case.what: case.value for case in extremes(schema_of(list[Box]))}
    assert found["[0] of no size"] == [{"x": 0, "y": 0, "width": 0, "height": 0}]
    assert found["empty"] == []


@pytest.mark.parametrize(("bits", "dtype"), [(8, "uint8"), (16, "uint16")])
@pytest.mark.parametrize(("mode", "channels"), [("gray", 1), ("rgb", 3), ("rgba", 4)])
def test_picture_can_be_decoded(mode: str, channels: int, bits: int, dtype: str) -> None:
    """OpenCV reads a made picture with its size, channels and depth."""
    content = picture(5, 3, mode, bits).content
    read = cv2.imdecode(numpy.frombuffer(content, "uint8"), cv2.IMREAD_UNCHANGED)
    assert read is not None
    assert (read.reshape(3, 5, -1).shape[2], str(read.dtype)) == (channels, dtype)


def test_array_is_read_by_numpy(tmp_path: Any) -> None:
    """numpy reads a made array with its dtype, shape and elements."""
    path = tmp_path / "made.npy"
    path.write_bytes(array("<f4", (2, 3), numpy.float32(1.5).tobytes()).content)
    read = numpy.load(path)
    assert (read.dtype, read.shape, set(read.ravel())) == (numpy.float32, (2, 3), {1.5})


@pytest.mark.parametrize("annotation", [Image, Array])
def test_damaged_files_are_among_the_wrong_values(annotation: Any) -> None:
    """A file that is cut in half, and one that is something else, are tried."""
    names = {
        case.value.name for case in wrongs(schema_of(annotation)) if isinstance(case.value, Content)
    }
    assert any(name.startswith("half") for name in names)
    assert any(name.startswith("text") for name in names)


def test_empty_file_is_an_edge() -> None:
    """A file of no bytes is tried."""
    assert b"" in {case.value.content for case in extremes(schema_of(File))}


def test_too_many_cases_are_thinned_evenly() -> None:
    """Of more cases than wanted, so many are left, from the first to near the last."""
    cases = [Case(str(at), at) for at in range(100)]
    assert [case.value for case in thinned(cases, 4)] == [0, 25, 50, 75]
    assert thinned(cases[:3], 4) == cases[:3]
