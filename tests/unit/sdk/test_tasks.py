"""How tasks are written: classes, functions, names and options."""

import inspect
from pathlib import Path

import pytest

from taskmgr_plugins import MLTask, Model, Task, TaskDefinitionError, task
from taskmgr_plugins.tasks import Options, options_of, task_name


def test_task_without_options_has_the_defaults() -> None:
    """@task alone leaves every option as it is, but for the name."""

    @task
    def count_words(text: str) -> int:
        return len(text.split())

    assert options_of(count_words) == Options(name="count_words")


def test_task_with_options_has_them() -> None:
    """@task(...) sets the options."""

    @task(queue="text", retries=2)
    def count_words(text: str) -> int:
        return len(text.split())

    assert options_of(count_words) == Options(name="count_words", queue="text", retries=2)


def test_task_name_may_be_given() -> None:
    """A given name wins over the function's."""

    @task(name="words")
    def count_words(text: str) -> int:
        return len(text.split())

    assert options_of(count_words).name == "words"


def test_task_function_can_be_called_as_before() -> None:
    """A marked function stays the function it was."""

    @task
    def double(number: int) -> int:
        return number * 2

    assert double(4) == 8
    assert list(inspect.signature(double).parameters) == ["number"]


def test_task_with_an_unknown_option_is_refused() -> None:
    """A misspelt option fails where it is written."""
    with pytest.raises(TypeError, match="queu"):
        task(queu="text")(lambda: 1)  # type: ignore[call-overload]


def test_async_function_is_a_task() -> None:
    """An async function may be a task and stays async."""

    @task
    async def fetch(address: str) -> str:
        return address

    assert inspect.iscoroutinefunction(fetch)
    assert options_of(fetch).name == "fetch"


def test_class_attributes_are_the_options() -> None:
    """Every option may be set as a class attribute."""

    class Heavy(MLTask):
        queue, timeout, priority, memory_mb, retries = "gpu", 1.5, 9, 4096, 3
        models = (Model("a.onnx", "0" * 64, "MIT", "here"),)
        network = True
        cache, max_concurrent, rate = "by-inputs", 2, "10/s"
        load_timeout = 30

    assert options_of(Heavy) == Options(
        name="heavy",
        queue="gpu",
        timeout=1.5,
        priority=9,
        memory_mb=4096,
        retries=3,
        models=(Model("a.onnx", "0" * 64, "MIT", "here"),),
        network=True,
        cache="by-inputs",
        max_concurrent=2,
        rate="10/s",
        load_timeout=30,
    )


def test_defaults_of_classes_and_functions_agree() -> None:
    """A Task class and a @task function without options ask for the same."""

    class Same(Task):
        pass

    assert options_of(Same) == Options(name="same")


@pytest.mark.parametrize("announced", [5, None, "face_detection", object, print])
def test_options_of_something_else_are_refused(announced: object) -> None:
    """The message shows what the hook returned and what is allowed."""
    with pytest.raises(TaskDefinitionError, match="functions marked with @task"):
        options_of(announced)


@pytest.mark.parametrize(
    ("class_name", "expected"),
    [
        ("FaceDetection", "face_detection"),
        ("WordCount2", "word_count2"),
        ("OCR", "ocr"),
        ("HTTPFetch", "http_fetch"),
        ("Yolo8Detect", "yolo8_detect"),
        ("plain", "plain"),
    ],
)
def test_task_name_is_the_class_name_in_snake_case(class_name: str, expected: str) -> None:
    """Words are told apart by their capitals; a run of capitals is one word."""
    assert task_name(type(class_name, (Task,), {})) == expected


def test_model_path_of_an_undeclared_model_is_refused() -> None:
    """The message has the task, the model and the nearest declared one."""

    class Detect(Task):
        pass

    detect = Detect()
    detect._model_paths = {"yunet.onnx": Path("yunet.onnx")}
    assert detect.model_path("yunet.onnx") == Path("yunet.onnx")
    with pytest.raises(TaskDefinitionError, match=r"'detect' asks .* did you mean 'yunet\.onnx'\?"):
        detect.model_path("yunet.onx")


def test_model_path_without_models_says_so() -> None:
    """A task that declares no model is told that there are none."""

    class Detect(Task):
        pass

    with pytest.raises(TaskDefinitionError, match="which it does not declare; there are none"):
        Detect().model_path("yunet.onnx")
