"""Checking values against schemas: places, messages, and what is no JSON at all."""

import threading
from typing import Any, Literal

import attrs
import pytest

from taskmgr_core.errors import Problem
from taskmgr_core.orchestrator.validation import MOST_PROBLEMS, Validator
from taskmgr_plugins import Array, Box, Image
from taskmgr_plugins.schemas import schema_of


@attrs.frozen
class Face:
    """A face with everything that a schema can say."""

    face_id: int
    bbox: Box
    gender: Literal["male", "female"]
    age: float | None = None
    eyes: Box | None = None


BBOX = {"x": 1, "y": 2, "width": 3, "height": 4}
GOOD = {"face_id": 1, "bbox": BBOX, "gender": "male"}
FACES = schema_of(list[Face])


def problems_of(document: Any, schema: Any = FACES) -> list[str]:
    """What is wrong with the value of ``faces_array``."""
    return [str(each) for each in Validator().validate(document, schema, "faces_array")]


def test_value_that_fits_has_no_problems() -> None:
    """A value that fits its schema is let through."""
    assert problems_of([GOOD, {**GOOD, "age": 3.5, "eyes": BBOX}]) == []


FAULTS = [
    ({"bbox": {"x": "3", "y": 1, "width": 1, "height": 1}}, '.bbox.x: "3" does not fit number'),
    ({"bbox": {"x": 3}}, ".bbox: the required 'y' is missing"),
    ({"gender": "none"}, '.gender: "none" is not one of "male", "female"'),
    ({"age": "old"}, '.age: "old" does not fit number or null'),
    ({"eyes": {**BBOX, "x": []}}, ".eyes.x: [] does not fit number"),
    ({"eyes": 3}, ".eyes: 3 does not fit Box or null"),
    ({"age": float("nan")}, ".age: nan is not a finite number, as JSON needs it"),
    ({"age": float("-inf")}, ".age: -inf is not a finite number, as JSON needs it"),
]


@pytest.mark.parametrize(("change", "message"), FAULTS, ids=str)
def test_fault_inside_a_value_has_its_place(change: dict[str, Any], message: str) -> None:
    """Each fault is told with the place inside the value, the value and what is allowed."""
    assert problems_of([GOOD, {**GOOD, **change}])[0] == f"faces_array[1]{message}"


def test_every_fault_is_told() -> None:
    """All faults of a value are told at once, also beside numbers that are not finite."""
    bbox = {**BBOX, "x": float("nan")}
    wrong = [{**GOOD, "bbox": bbox}, {**GOOD, "gender": 1}, {**GOOD, "face_id": 1.5}]
    assert [each.split(": ")[0] for each in problems_of(wrong)] == [
        "faces_array[0].bbox.x",
        "faces_array[1].gender",
        "faces_array[2].face_id",
    ]


def test_long_value_is_shortened_and_a_flood_of_faults_is_cut() -> None:
    """Neither one enormous value nor thousands of wrong ones make an enormous message."""
    (message,) = problems_of(["x" * 10_000], schema_of(list[int]))
    assert len(message) < 120
    assert len(problems_of(["x"] * 10_000, schema_of(list[int]))) == MOST_PROBLEMS


OTHERS = [
    ({"minimum": 5}, 3, "3 is less than the minimum of 5"),
    ({"minItems": 2}, [1], "[1] has less than 2 items"),
    ({"pattern": "^a"}, "b", '"b" does not match "^a"'),
    ({"const": 1}, 2, "2 is not 1"),
    ({"properties": {"alpha": {}}, "additionalProperties": False}, {"alhpa": 1},
     "'alhpa' is not allowed, did you mean 'alpha'?"),
    (schema_of(Image), "photo.png", '"photo.png" does not fit Image'),
    (schema_of(Image), {}, "the required '$artifact' is missing"),
    (schema_of(Array), [1, 2], "[1, 2] does not fit Array"),
    (schema_of(Array), {"$array": [1]},
     '{"$array": [1]} is no Array; allowed are {"$artifact": digest} and '
     '{"$array": {"dtype", "shape", "base64"}}'),
    ({"type": "strin"}, 1,
     'its schema cannot be used: "strin" is no type; did you mean \'string\'?'),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "document", "message"), OTHERS, ids=str)
def test_other_words_of_a_schema_are_explained(schema: Any, document: Any, message: str) -> None:
    """Ranges, patterns, field types and bad schemas have messages of their own."""
    assert problems_of(document, schema) == [f"faces_array: {message}"]


def test_arrays_are_let_through_inline_and_as_artifacts() -> None:
    """An Array is inline or a reference."""
    inline = {"$array": {"dtype": "<f4", "shape": [0], "base64": ""}}
    for document in (inline, {"$artifact": "sha256:0", "dtype": "<f4", "shape": [3]}):
        assert problems_of(document, schema_of(Array)) == []


@pytest.mark.parametrize(
    "document", [{1: 2}, b"x", object(), "\ud800"], ids=["key", "bytes", "object", "surrogate"]
)
def test_what_is_no_json_is_a_problem_and_no_crash(document: Any) -> None:
    """A value that JSON cannot hold is told as such, in printable text."""
    (message,) = problems_of(document, {})
    assert "is not a JSON value" in message
    message.encode()


def test_value_nested_too_deeply_is_a_problem_and_no_crash() -> None:
    """A value of thousands of levels is refused."""
    document: list[Any] = []
    for _ in range(10_000):
        document = [document]
    assert problems_of(document, {}) == ["faces_array: it is nested too deeply"]


def test_schema_that_points_elsewhere_is_not_fetched() -> None:
    """A ``$ref`` to another machine is refused, never followed."""
    (problem,) = Validator().check_schema({"$ref": "http://127.0.0.1:9/schema"}, "inputs.x")
    assert problem.place == "inputs.x"
    assert "Retrieval is disabled" in problem.message


def test_schema_of_a_user_is_checked_with_its_place() -> None:
    """A fault in a schema is told with the place inside the schema."""
    validator = Validator()
    assert validator.check_schema(FACES, "inputs.x") == ()
    assert validator.check_schema({"items": {"type": "integr"}}, "inputs.x") == (
        Problem(
            "inputs.x.items.type", "no JSON Schema: \"integr\" is no type; did you mean 'integer'?"
        ),
    )


def test_validator_serves_threads_with_more_schemas_than_it_keeps() -> None:
    """Many schemas in many threads: every answer is right, whatever was forgotten."""
    validator = Validator(capacity=2)
    wrong: list[Problem] = []

    def check() -> None:
        for number in range(200):
            schema = {"type": "integer", "minimum": number % 5}
            wrong.extend(validator.validate(number % 5, schema, "x"))
            if not validator.validate(-1, schema, "x"):
                wrong.append(Problem("x", "-1 was let through"))

    threads = [threading.Thread(target=check) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_schema_that_follows_another_in_memory_is_its_own() -> None:
    """What is let go leaves its place to others, which are not checked in its stead."""
    validator = Validator(capacity=4)
    for number in range(50):
        schema = {"type": "integer", "minimum": number}
        assert not validator.validate(number, schema, "x")
        assert validator.validate(number - 1, schema, "x")
        del schema
