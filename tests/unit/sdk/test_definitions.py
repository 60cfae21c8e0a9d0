"""What a task declares, read off its annotations, and every way to declare it wrong."""

import enum
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import attrs
import pytest

from taskmgr_plugins import Array, Box, Image, MLTask, Model, On, Points, Task, task
from taskmgr_plugins import TaskDefinitionError as Refused
from taskmgr_plugins.definitions import TaskDefinition, define


@attrs.frozen
class Face:
    """One face."""

    bbox: Annotated[Box, On("image")]
    confidence: float


@attrs.frozen
class Faces:
    """The outputs of a task."""

    faces_array: list[Face]
    embeddings: Array


class FaceDetection(MLTask):
    """Find the faces
    in a picture.

    More than one line.
    """

    queue, timeout, priority = "vision", 120, 7
    models = (Model("yunet.onnx", "0" * 64, "MIT", "somewhere"),)

    def predict(self, image: Image, threshold: float = 0.5) -> Faces:
        """Find them."""
        raise NotImplementedError


def fields(definition: TaskDefinition) -> tuple[list[str], list[str]]:
    """The names of a task's inputs and outputs."""
    return [each.name for each in definition.inputs], [each.name for each in definition.outputs]


def test_definition_reads_class_attributes() -> None:
    """A class's name, attributes and docstring become the options and the description."""
    definition = define(FaceDetection)
    options = definition.options
    assert definition.name == "face_detection"
    assert (options.queue, options.timeout, options.priority) == ("vision", 120, 7)
    assert [each.name for each in options.models] == ["yunet.onnx"]
    assert definition.description == "Find the faces in a picture."


def test_definition_reads_fields_from_annotations() -> None:
    """Parameters are the inputs; the fields of the result's class are the outputs."""
    definition = define(FaceDetection)
    assert fields(definition) == (["image", "threshold"], ["faces_array", "embeddings"])
    assert definition.output_class is Faces


def test_definition_document_is_json() -> None:
    """The document survives JSON and says which inputs are required."""
    document = define(FaceDetection).document()
    json.dumps(document, allow_nan=False)
    assert [(each["name"], each["required"]) for each in document["inputs"]] == [
        ("image", True),
        ("threshold", False),
    ]
    assert document["inputs"][1]["default"] == 0.5
    assert "default" not in document["inputs"][0]


def test_single_value_is_the_output_result() -> None:
    """A result that is no record of outputs is one output, named result."""

    @task
    def count(text: str) -> int:
        return len(text)

    definition = define(count)
    assert fields(definition) == (["text"], ["result"])
    assert definition.output_class is None


@pytest.mark.parametrize("value", [Box, Points, list[Face], Face | None, dict[str, Any]])
def test_value_types_are_one_output(value: Any) -> None:
    """A Box, Points and containers are values, not records of outputs."""

    def made(image: Image) -> Any: ...

    made.__annotations__["return"] = value
    assert fields(define(task(made)))[1] == ["result"]


def test_pre_and_postprocessing_give_the_fields() -> None:
    """The inputs are those of preprocess_input, the outputs those of postprocess."""

    class Staged(MLTask):
        def preprocess_input(self, text: str) -> list[int]: ...
        def predict(self, prepared: list[int]) -> list[float]: ...
        def postprocess(self, scores: list[float]) -> bool: ...

    definition = define(Staged)
    assert fields(definition) == (["text"], ["result"])
    assert definition.outputs[0].schema == {"type": "boolean"}


def test_methods_of_a_base_class_count() -> None:
    """A task may get its methods from another task."""

    class Base(Task):
        def run(self, text: str) -> int:
            return len(text)

    class Derived(Base):
        queue = "other"

    assert fields(define(Derived)) == (["text"], ["result"])


def test_definition_of_no_task_is_refused() -> None:
    """What is neither a Task class nor marked with @task is named, with what is allowed."""
    with pytest.raises(Refused, match=r"returned 5; allowed are classes derived from Task"):
        define(5)


@pytest.mark.parametrize("name", ["Face", "face-detection", "1st", "face detection", "é", "x\n"])
def test_task_name_of_other_characters_is_refused(name: str) -> None:
    """A name is a lower-case identifier."""

    @task(name=name)
    def made(text: str) -> int: ...

    with pytest.raises(Refused, match="allowed are lower-case letters, digits and _, a letter fir"):
        define(made)


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("priority", 10, "a whole number from 0 to 9"),
        ("priority", -1, "a whole number from 0 to 9"),
        ("priority", "high", "a whole number from 0 to 9"),
        ("priority", True, "a whole number from 0 to 9"),
        ("timeout", 0, "seconds above 0"),
        ("timeout", float("inf"), "seconds above 0"),
        ("timeout", float("nan"), "seconds above 0"),
        ("timeout", "60", "seconds above 0"),
        ("load_timeout", 0, "seconds above 0"),
        ("load_timeout", None, "seconds above 0"),
        ("memory_mb", 0, "whole megabytes above 0"),
        ("memory_mb", 0.5, "whole megabytes above 0"),
        ("retries", -1, "a whole number, 0 or more"),
        ("retries", None, "a whole number, 0 or more"),
        ("network", "yes", "True or False"),
        ("network", 1, "True or False"),
        ("cache", "always", "'by-inputs', or '' for none"),
        ("cache", True, "'by-inputs', or '' for none"),
        ("cache", ["by-inputs"], "'by-inputs', or '' for none"),
        ("max_concurrent", -1, "a whole number from 0"),
        ("max_concurrent", 1.5, "a whole number from 0"),
        ("max_concurrent", True, "a whole number from 0"),
        ("rate", "0/s", "a number above 0 in a time"),
        ("rate", "10/day", "a number above 0 in a time"),
        ("rate", "10/s\n", "a number above 0 in a time"),
        ("rate", 10, "a number above 0 in a time"),
    ],
)
def test_option_out_of_range_is_refused(option: str, value: Any, allowed: str) -> None:
    """The message has the task, the option, its value and what is allowed."""

    @task(**{option: value})
    def made(text: str) -> int: ...

    with pytest.raises(
        Refused, match=re.escape(f"task made: {option} {value!r}: allowed is {allowed}")
    ):
        define(made)


@pytest.mark.parametrize(
    "name", ["", "a,b", "a b", "vision ", ".hidden", "-x", "größe", "a/b", "a\n", "x" * 65, None, 5]
)
def test_queue_that_no_list_or_broker_can_hold_is_refused(name: Any) -> None:
    """The name of a queue has the characters that are safe in lists and in brokers."""

    @task(queue=name)
    def made(text: str) -> int: ...

    with pytest.raises(Refused, match=r"task made: queue .*: allowed are 1 to 64 ASCII letters"):
        define(made)


@pytest.mark.parametrize("name", ["default", "GPU", "a-b.c_d", "9", "x" * 64])
def test_queue_of_letters_digits_and_three_signs_is_allowed(name: str) -> None:
    """What is allowed is taken as it is."""

    @task(queue=name)
    def made(text: str) -> int: ...

    assert define(made).options.queue == name


def test_class_without_its_method_is_refused() -> None:
    """A Task without run, or an MLTask without predict, is told what to write."""

    class Nothing(Task):
        pass

    class NoPrediction(MLTask):
        def preprocess_input(self, text: str) -> str: ...

    with pytest.raises(Refused, match=r"Nothing has no method run; write 'def run\(self"):
        define(Nothing)
    with pytest.raises(Refused, match=r"NoPrediction has no method predict; write 'def predict"):
        define(NoPrediction)


def test_input_without_annotation_is_refused() -> None:
    """The message has the task, the input and what to write."""

    @task
    def made(text) -> int: ...  # type: ignore[no-untyped-def]

    with pytest.raises(Refused, match="task made, input text has no annotation; write 'text: <typ"):
        define(made)


def test_input_with_stars_is_refused() -> None:
    """Every input has a name of its own."""

    @task
    def one(*texts: str) -> int: ...

    @task
    def two(**texts: str) -> int: ...

    for made in (one, two):
        with pytest.raises(Refused, match=r"input texts: \* and \*\* are not allowed; name each"):
            define(made)


def test_positional_input_is_refused() -> None:
    """Inputs are passed by name."""

    @task
    def made(text: str, /) -> int: ...

    with pytest.raises(Refused, match="input text: inputs are passed by name; remove the '/'"):
        define(made)


def test_annotation_that_names_nothing_is_refused() -> None:
    """The message has the function and the name that is not there."""

    @task
    def made(text: "Nowhere") -> int: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(Refused, match="annotations of made cannot be read: name 'Nowhere'"):
        define(made)


def test_task_without_result_is_refused() -> None:
    """A task that declares no result, or None, is told what to write."""

    @task
    def silent(text: str): ...  # type: ignore[no-untyped-def]

    @task
    def nothing(text: str) -> None: ...

    for made in (silent, nothing):
        with pytest.raises(Refused, match="declares no result; write '-> <type>'"):
            define(made)


def test_input_of_a_type_without_json_is_refused() -> None:
    """The message has the task, the input and the type."""

    @task
    def made(content: bytes) -> int: ...

    with pytest.raises(Refused, match="task made, input content: bytes cannot be passed"):
        define(made)


def test_output_of_a_type_without_json_is_refused() -> None:
    """The message has the task and the output."""

    @attrs.frozen
    class Out:
        seen: set[str]

    @task
    def made(text: str) -> Out: ...

    with pytest.raises(Refused, match="task made, output seen: set cannot be passed"):
        define(made)


@pytest.mark.parametrize("default", [b"x", float("nan"), Box(0, 0, 1, 1)])
def test_default_without_json_is_refused(default: Any) -> None:
    """A default is registered as JSON, so it must be a JSON value."""

    @task
    def made(value: Any = default) -> int: ...

    with pytest.raises(Refused, match=r"task made, input value: the default .* is not a JSON val"):
        define(made)


def test_box_on_an_unknown_image_is_refused() -> None:
    """On names an Image input of the same task; the message has those there are."""

    @task
    def made(picture: Image) -> list[Face]: ...

    with pytest.raises(Refused, match=r"On\('image'\) must name an Image input .*\['picture'\]"):
        define(made)


def test_box_on_an_input_that_is_no_image_is_refused() -> None:
    """On must name an Image, not just any input."""

    @task
    def made(image: str) -> list[Face]: ...

    with pytest.raises(Refused, match=r"must name an Image input of the task; there are none"):
        define(made)


def test_enum_default_is_refused_with_its_value() -> None:
    """A member of an enum as a default is no JSON value; its value would be."""

    class Color(enum.Enum):
        RED = "red"

    @task
    def made(color: Color = Color.RED) -> int: ...

    with pytest.raises(Refused, match=r"the default <Color\.RED: 'red'> is not a JSON value"):
        define(made)


@pytest.mark.parametrize(
    ("resources", "wrong"),
    [
        ({"GPU": 1}, "resource 'GPU'"),
        ({"": 1}, "resource ''"),
        ({"gpu": 0}, "resource gpu=0"),
        ({"gpu": 1.5}, "resource gpu=1.5"),
        ({"gpu": True}, "resource gpu=True"),
        ({"gpu-x": 1}, "resource 'gpu-x'"),
        (["gpu"], r"resources \['gpu'\]"),
        (None, "resources None"),
    ],
)
def test_resources_that_cannot_be_are_refused(resources: Any, wrong: str) -> None:
    """Names are lower-case identifiers, units whole numbers from 1 on."""

    @task(resources=resources)
    def made() -> str: ...

    with pytest.raises(Refused, match=f"task made: {wrong}: allowed"):
        define(made)


def test_resources_are_declared_by_class_and_function() -> None:
    """Both ways of writing a task carry them into what is registered."""

    class OnDevice(Task):
        resources: ClassVar[Mapping[str, int]] = {"gpu": 2}

        def run(self) -> str:
            return ""

    @task(resources={"licence": 1})
    def licensed() -> str: ...

    assert define(OnDevice).document()["resources"] == {"gpu": 2}
    assert define(licensed).document()["resources"] == {"licence": 1}
