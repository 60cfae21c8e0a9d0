"""Arrays and numpy's scalars pass exactly: every bit, dtype and shape."""

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

numpy = pytest.importorskip("numpy")
from hypothesis.extra import numpy as numpy_strategies  # noqa: E402 - needs numpy itself

from taskmgr_plugins import Array, Image  # noqa: E402
from taskmgr_plugins.converter import INLINE_ARRAY_BYTES, ValueConverter  # noqa: E402
from taskmgr_plugins.errors import InvalidValueError  # noqa: E402

DTYPES = st.one_of(
    numpy_strategies.boolean_dtypes(),
    numpy_strategies.integer_dtypes(),
    numpy_strategies.unsigned_integer_dtypes(),
    numpy_strategies.floating_dtypes(sizes=(16, 32, 64), endianness="?"),
    numpy_strategies.complex_number_dtypes(sizes=(64, 128)),
    numpy_strategies.unicode_string_dtypes(),
    numpy_strategies.byte_string_dtypes(),
    numpy_strategies.datetime64_dtypes(),
)
SHAPES = numpy_strategies.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)


def through_json(converter: ValueConverter, value: Any, annotation: Any) -> Any:
    """A value as the next task gets it: what was written to a file is an artifact by then."""
    document = json.loads(json.dumps(converter.unstructure(value, annotation, "field")))
    if "$file" in document:
        converter.paths = {"sha256:1": str(converter.folder / document.pop("$file"))}
        document["$artifact"] = "sha256:1"
    return converter.structure(document, annotation, "field")


def identical(one: Any, other: Any) -> bool:
    """Whether two arrays have the same dtype, shape and bits."""
    same_kind = (one.dtype, one.shape) == (other.dtype, other.shape)
    return bool(same_kind and one.tobytes() == other.tobytes())


@given(numpy_strategies.arrays(DTYPES, SHAPES))
def test_arrays_of_any_dtype_survive(shared_converter: ValueConverter, value: Any) -> None:
    """Any dtype and shape come back with every bit: -0.0, NaN and subnormal numbers too."""
    assert identical(through_json(shared_converter, value, Array), value)


@given(numpy_strategies.arrays(numpy.float32, SHAPES, elements=st.floats(width=32)))
def test_float32_arrays_survive(shared_converter: ValueConverter, value: Any) -> None:
    """The dtype of embeddings, with all its special numbers, comes back bit for bit."""
    assert identical(through_json(shared_converter, value, Array), value)


@pytest.mark.parametrize("count", [INLINE_ARRAY_BYTES // 4, INLINE_ARRAY_BYTES // 4 + 1])
def test_array_at_the_inline_limit_survives(converter: ValueConverter, count: int) -> None:
    """An array travels inline up to the limit and as a file past it, exactly in both cases."""
    value = numpy.linspace(-1, 1, count, dtype=numpy.float32)
    value[:4] = (-0.0, numpy.nan, numpy.inf, 1e-45)
    document = converter.unstructure(value, Array, "field")
    assert ("$array" in document) == (value.nbytes <= INLINE_ARRAY_BYTES)
    assert identical(through_json(converter, value, Array), value)


@pytest.mark.parametrize(
    "change",
    [
        lambda array: array.T,
        lambda array: array[::-1, ::2],
        lambda array: numpy.asfortranarray(array),
        lambda array: numpy.broadcast_to(array[0], (50, 80)),
        lambda array: array.astype(">f4"),
    ],
)
def test_array_in_any_layout_survives(converter: ValueConverter, change: Any) -> None:
    """The layout in memory does not matter: transposed, strided, broadcast, big endian."""
    value = change(numpy.arange(4000, dtype=numpy.float32).reshape(50, 80))
    assert identical(through_json(converter, value, Array), value)
    small = value[:2, :2]
    assert identical(through_json(converter, small, Array), small)


def test_structured_array_keeps_its_fields(converter: ValueConverter) -> None:
    """A small array of records keeps the names of its fields."""
    value = numpy.array([(1, 2.5)], dtype=[("id", "<i4"), ("score", "<f4")])
    assert identical(through_json(converter, value, Array), value)


def test_array_that_a_task_gets_cannot_be_written_to(converter: ValueConverter) -> None:
    """Inputs are shared between tasks, so they are read-only, inline or not."""
    for count in (1, 10_000):
        value = through_json(converter, numpy.zeros(count), Array)
        assert not value.flags.writeable


def test_large_array_is_mapped_not_read(converter: ValueConverter) -> None:
    """A large array costs no memory until it is looked at."""
    value = through_json(converter, numpy.zeros(10_000), Array)
    assert isinstance(value, numpy.memmap)


def test_list_is_taken_as_an_array(converter: ValueConverter) -> None:
    """A task may return rows of numbers where it declares an Array."""
    back = through_json(converter, [[1.0, 2.0], [3.0, 4.0]], Array)
    assert identical(back, numpy.array([[1.0, 2.0], [3.0, 4.0]]))


@pytest.mark.parametrize("value", [None, object(), [1, None]])
def test_array_of_objects_is_refused(converter: ValueConverter, value: Any) -> None:
    """Nothing that would need pickle is passed on."""
    with pytest.raises(InvalidValueError, match="field: an array of dtype object cannot be passed"):
        converter.unstructure(value, Array, "field")


def test_array_may_be_absent(converter: ValueConverter) -> None:
    """An optional Array is an array or None."""
    assert converter.unstructure(None, Array | None, "field") is None
    assert converter.structure(None, Array | None, "field") is None
    assert "$array" in converter.unstructure(numpy.zeros(2), Array | None, "field")


@pytest.mark.parametrize(
    "inline",
    [
        {},
        {"dtype": "O", "shape": [1], "base64": "AAAAAAAAAAA="},
        {"dtype": "<f4", "shape": [3], "base64": "AAAAAA=="},
        {"dtype": "<f4", "shape": [1], "base64": "***"},
        {"dtype": "nonsense", "shape": [1], "base64": "AAAAAA=="},
    ],
)
def test_garbled_array_is_refused(converter: ValueConverter, inline: dict[str, Any]) -> None:
    """An array whose parts do not fit together is an invalid value, with its place."""
    with pytest.raises(InvalidValueError, match=r"^field: "):
        converter.structure({"$array": inline}, Array, "field")


def test_file_of_pickles_is_refused(converter: ValueConverter, tmp_path: Path) -> None:
    """A file that would run code when it is read is not read."""
    path = tmp_path / "evil.npy"
    numpy.save(path, numpy.array([{"a": 1}]), allow_pickle=True)
    converter.paths = {"sha256:1": str(path)}
    with pytest.raises(InvalidValueError, match=r"^field: "):
        converter.structure({"$artifact": "sha256:1"}, Array, "field")


@attrs.frozen
class Score:
    """What a model gives: numbers that are numpy's."""

    value: float
    count: int
    sure: bool
    name: str


def test_numpy_scalars_are_plain_numbers(converter: ValueConverter) -> None:
    """numpy's scalars are taken where Python's are declared, exactly."""
    score = Score(numpy.float32(0.1), numpy.int64(3), numpy.bool_(True), numpy.str_("a"))
    document = converter.unstructure(score, Score, "field")
    assert document == {"value": float(numpy.float32(0.1)), "count": 3, "sure": True, "name": "a"}
    assert {type(each) for each in document.values()} == {float, int, bool, str}


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_numpy_scalars_survive(shared_converter: ValueConverter, value: float) -> None:
    """A float32 is the same number as the float that the next task gets."""
    assert through_json_scalar(shared_converter, numpy.float32(value)) == value


def through_json_scalar(converter: ValueConverter, value: Any) -> Any:
    """A scalar as the next task gets it."""
    return converter.structure(converter.unstructure(value, float, "field"), float, "field")


def test_numpy_scalar_of_another_kind_is_refused(converter: ValueConverter) -> None:
    """numpy's scalars are checked like Python's."""
    with pytest.raises(InvalidValueError, match=r"field\[0\]: 1\.5 is not of type int"):
        converter.unstructure([numpy.float64(1.5)], list[int], "field")
    with pytest.raises(InvalidValueError, match=r"field: nan is not a finite number"):
        converter.unstructure(numpy.float32("nan"), float, "field")


def test_array_is_a_list_where_a_list_is_declared(converter: ValueConverter) -> None:
    """Rows of an array may be returned as lists of numbers."""
    rows = converter.unstructure(numpy.eye(2), list[list[float]], "field")
    assert rows == [[1.0, 0.0], [0.0, 1.0]]


def test_nan_in_a_list_has_its_place(converter: ValueConverter) -> None:
    """A NaN that an array may hold is refused in a list, where JSON has no word for it."""
    with pytest.raises(InvalidValueError, match=r"field\[1\]: nan is not a finite number"):
        converter.unstructure(numpy.array([1.0, numpy.nan]), list[float], "field")


def test_array_returned_as_an_image_is_a_png(converter: ValueConverter) -> None:
    """A picture made of an array is written as PNG, without loss."""
    pytest.importorskip("cv2")
    pixels = numpy.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=numpy.uint8)
    document = converter.unstructure(Image(pixels), Image, "field")
    assert document["media_type"] == "image/png"
    written = Image(converter.folder / document["$file"])
    assert identical(written.to_array(), pixels)
