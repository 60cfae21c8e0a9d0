"""Results for people: joined entries, labels, arrays as numbers."""

import base64
import contextlib
import json
import math
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_examples import face_pipeline, face_tasks

from taskmgr_core.errors import InvalidValueError, NotFoundError
from taskmgr_core.orchestrator.graph import compile_pipeline, compile_task
from taskmgr_core.results import assemble, present, render_label
from taskmgr_core.specs import Graph

DETECTION = "output_001_faces_array"
ATTRIBUTES = "output_002_attributes_array"
FEATURES = "output_003_features_array"


def graph() -> Graph:
    """The face pipeline, compiled: three ports joined on ``face_id``."""
    return compile_pipeline(face_pipeline(), face_tasks())


def assembled(detection: Any, attributes: Any, features: Any) -> Any:
    """The entry ``faces`` of the face pipeline's result."""
    values = {DETECTION: detection, ATTRIBUTES: attributes, FEATURES: features}
    return assemble(graph(), values)["faces"]


def test_ports_are_joined_on_their_key() -> None:
    """An entry for each key in the first port's order, each element with its port as source."""
    found = assembled(
        [{"face_id": 7, "confidence": 0.9}, {"face_id": 3, "confidence": 0.8}],
        [{"face_id": 3, "estimated_age": 30}, {"face_id": 7, "estimated_age": None}],
        [{"face_id": 3, "embedding": [1]}],
    )
    assert found == [
        {
            "face_id": 7,
            "detection": {"confidence": 0.9, "source": DETECTION},
            "attributes": {"estimated_age": None, "source": ATTRIBUTES},
        },
        {
            "face_id": 3,
            "detection": {"confidence": 0.8, "source": DETECTION},
            "attributes": {"estimated_age": 30, "source": ATTRIBUTES},
            "features": {"embedding": [1], "source": FEATURES},
        },
    ]


def test_no_elements_give_an_empty_list() -> None:
    """A picture without faces has an empty result, not a missing one."""
    assert assembled([], [], []) == []


def test_key_of_a_later_port_only_is_kept_at_the_end() -> None:
    """An element that the first port has not is not lost."""
    found = assembled([{"face_id": 1}], [{"face_id": 2}, {"face_id": 1}], [])
    assert [(each["face_id"], "detection" in each) for each in found] == [(1, True), (2, False)]


def test_keys_differ_as_in_json() -> None:
    """``true`` and ``1`` are two keys, though they are equal in Python."""
    assert len(assembled([{"face_id": True}, {"face_id": 1}, {"face_id": "1"}], [], [])) == 3


def test_documents_are_not_changed_by_joining() -> None:
    """The recorded documents stay as they are."""
    detection = [{"face_id": 1, "confidence": 0.5}]
    assembled(detection, [], [])
    assert detection == [{"face_id": 1, "confidence": 0.5}]


@pytest.mark.parametrize(
    ("detection", "message"),
    [
        ({"$artifact": "sha256:0"}, f"{DETECTION} cannot be joined on 'face_id': it is no array"),
        ([3], f"{DETECTION}[0] cannot be joined: it is no object with 'face_id'"),
        ([{"id": 3}], f"{DETECTION}[0] cannot be joined: it is no object with 'face_id'"),
        ([{"face_id": [1]}], f"{DETECTION}[0].face_id: [1] is no key"),
        ([{"face_id": 1}, {"face_id": 1}], f"{DETECTION}[1]: face_id 1 is there already"),
    ],
)
def test_port_that_cannot_be_joined_is_told(detection: Any, message: str) -> None:
    """A port that holds something else, or a key twice, is refused with its place."""
    with pytest.raises(InvalidValueError, match="^" + message.replace("[", r"\[")):
        assembled(detection, [], [])


def test_plain_entry_is_the_document_of_its_port() -> None:
    """A result that names a port is that port's document; a port without value is told."""
    task = compile_task(face_tasks()["face_detection"])
    assert assemble(task, {DETECTION: [1, 2]}) == {"faces_array": [1, 2]}
    with pytest.raises(NotFoundError, match="no value of port 'output_001_faces_array'"):
        assemble(task, {})


# --- labels -----------------------------------------------------------------------------------

ENTRY = {"face_id": 3, "attributes": {"gender": {"value": "female"}, "age": 30.4, "hat": None}}


@pytest.mark.parametrize(
    ("template", "label"),
    [
        ("{attributes.gender.value} {attributes.age:.0f}", "female 30"),
        ("#{face_id:03}", "#003"),
        ("{{{face_id}}}", "{3}"),
        ("", ""),
        ("{attributes.hat:.0f} {attributes.hair} {nothing.at.all} {face_id.x}", "? ? ? ?"),
        ("{attributes.gender.value:.0f}", "female"),
        ("{attributes.gender}", '{"value": "female"}'),
        ("{attributes.__class__} {face_id.__class__}", "? ?"),
    ],
)
def test_label_is_rendered(template: str, label: str) -> None:
    """Dotted names and formats are filled in; what is missing is a question mark."""
    assert render_label(template, ENTRY) == label


@pytest.mark.parametrize(
    "template",
    [
        "{",
        "}",
        "{}",
        "{a[0]}",
        "{a!r}",
        "{a..b}",
        "{a:{b}}",
        "{a b}",
        "{a:9999999999}",
        "{a:.9999f}",
    ],
)
def test_template_with_anything_else_is_refused(template: str) -> None:
    """Indexes, conversions, nested fields and enormous widths are refused with the template."""
    with pytest.raises(InvalidValueError):
        render_label(template, ENTRY)


@given(st.text(alphabet="{}.:!_ab0 []", max_size=12))
def test_any_template_renders_or_is_refused(template: str) -> None:
    """No template does anything but render or raise our own error."""
    with contextlib.suppress(InvalidValueError):
        assert isinstance(render_label(template, {"a": {"b": 1}, "b": "x"}), str)


# --- arrays -----------------------------------------------------------------------------------

DTYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]


def inline(array: Any) -> dict[str, Any]:
    """An array as the converter writes it."""
    content = base64.b64encode(numpy.ascontiguousarray(array).tobytes()).decode()
    return {"$array": {"dtype": array.dtype.str, "shape": list(array.shape), "base64": content}}


@given(
    st.sampled_from(DTYPES),
    st.sampled_from("<>"),
    st.lists(st.integers(0, 3), max_size=4),
    st.integers(0, 1000),
)
def test_arrays_become_numpys_own_lists(kind: str, order: str, shape: list[int], seed: int) -> None:
    """Any dtype, byte order and shape gives the nested lists that numpy gives."""
    dtype = numpy.dtype(order + kind)
    count = math.prod(shape)
    content = numpy.random.default_rng(seed).bytes(8 * count)
    array = numpy.frombuffer(content, dtype, count).reshape(shape)
    if kind == "?":
        array = array.view("u1").astype("?")
    wanted = array if array.dtype.kind != "f" else numpy.nan_to_num(array)
    assert present(inline(wanted)) == wanted.tolist()
    json.dumps(present(inline(array)), allow_nan=False)


def test_float32_is_printed_exactly() -> None:
    """A float32 is the Python float that equals it."""
    assert present(inline(numpy.array([0.1], numpy.float32))) == [0.10000000149011612]


def test_numbers_that_json_has_not_are_words() -> None:
    """NaN and the infinities inside an array are printed as strings."""
    array = numpy.array([[numpy.nan, numpy.inf], [-numpy.inf, 1]])
    assert present(inline(array)) == [["NaN", "Infinity"], ["-Infinity", 1.0]]


def test_arrays_are_found_anywhere_and_the_rest_stays() -> None:
    """Arrays inside objects and lists are printed; artifacts and other values are untouched."""
    document = {
        "faces": [{"embedding": inline(numpy.arange(2, dtype="u1")), "name": "a"}],
        "picture": {"$artifact": "sha256:0", "media_type": "image/png"},
    }
    assert present(document) == {**document, "faces": [{"embedding": [0, 1], "name": "a"}]}


@pytest.mark.parametrize(
    "inner",
    [
        {"dtype": "<U1", "shape": [1], "base64": "YQAAAA=="},
        {"dtype": "<f4", "shape": [2], "base64": "AAAA"},
        {"dtype": "<f4", "shape": [1], "base64": "not base64"},
        {"dtype": "<f4", "shape": [-1, -1], "base64": "AAAAAA=="},
        {"dtype": "<f4", "shape": [10**12, 0], "base64": ""},
        {"dtype": "<f4", "shape": ["1"], "base64": "AAAAAA=="},
        {"dtype": "", "shape": [], "base64": ""},
        {"dtype": 3, "shape": None, "base64": 4},
        {"dtype": "<f4"},
    ],
)
def test_what_is_no_array_of_numbers_stays(inner: Any) -> None:
    """Arrays of text, and objects that only look like an array, are left as they are."""
    assert present({"$array": inner}) == {"$array": inner}
