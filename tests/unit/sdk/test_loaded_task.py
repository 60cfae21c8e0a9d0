"""A task that is loaded and called in this process."""

import asyncio
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest

from taskmgr_plugins import Box, MLTask, Model, Task, task
from taskmgr_plugins.converter import ValueConverter
from taskmgr_plugins.definitions import define
from taskmgr_plugins.errors import InvalidValueError
from taskmgr_plugins.host import LoadedTask


def call(announced: Any, converter: ValueConverter, **inputs: Any) -> dict[str, Any]:
    """Load a task and call it once."""
    with closing(LoadedTask(define(announced), {}, converter)) as loaded:
        outputs, _ = loaded.call(inputs)
    return outputs


@attrs.frozen
class Both:
    """Two outputs."""

    total: int
    text: str


def test_function_is_called_by_name(converter: ValueConverter) -> None:
    """Inputs reach the parameters of their names; the value is the output result."""

    @task
    def join(first: str, second: str) -> str:
        return first + second

    assert call(join, converter, second="b", first="a") == {"result": "ab"}


def test_default_is_used_when_an_input_is_absent(converter: ValueConverter) -> None:
    """An input that is not given has its default."""

    @task
    def repeat(text: str, times: int = 2) -> str:
        return text * times

    assert call(repeat, converter, text="a") == {"result": "aa"}
    assert call(repeat, converter, text="a", times=3) == {"result": "aaa"}


def test_record_becomes_one_output_each(converter: ValueConverter) -> None:
    """The fields of the result's class are the outputs."""

    class Sum(Task):
        def run(self, numbers: list[int]) -> Both:
            return Both(sum(numbers), "ok")

    assert call(Sum, converter, numbers=[1, 2]) == {"total": 3, "text": "ok"}


def test_box_is_one_output(converter: ValueConverter) -> None:
    """A Box is a value, not a record."""

    @task
    def made(x: float) -> Box:
        return Box(x, 0, 1, 1)

    assert call(made, converter, x=2) == {"result": {"x": 2, "y": 0, "width": 1, "height": 1}}


def test_stages_of_a_model_follow_each_other(converter: ValueConverter) -> None:
    """Preprocessing feeds predict, which feeds postprocessing; the model is loaded once."""

    class Staged(MLTask):
        def load_model(self) -> None:
            self.loads = getattr(self, "loads", 0) + 1

        def preprocess_input(self, text: str) -> list[str]:
            return text.split()

        def predict(self, words: list[str]) -> int:
            return len(words)

        def postprocess(self, count: int) -> Both:
            return Both(count, f"{self.loads} loaded")

    loaded = LoadedTask(define(Staged), {}, converter)
    for text in ("a b", "a b c"):
        outputs, _ = loaded.call({"text": text})
        assert outputs == {"total": len(text.split()), "text": "1 loaded"}


def test_predict_alone_takes_the_inputs(converter: ValueConverter) -> None:
    """Without preprocessing, predict's parameters are the inputs."""

    class Plain(MLTask):
        def predict(self, left: int, right: int) -> int:
            return left - right

    assert call(Plain, converter, left=5, right=3) == {"result": 2}


def test_async_stages_share_one_loop(converter: ValueConverter) -> None:
    """Every stage may be async, and what load_model opens stays usable in later calls."""

    class Async(MLTask):
        async def load_model(self) -> None:
            self.loop = asyncio.get_running_loop()

        async def preprocess_input(self, text: str) -> str:
            await asyncio.sleep(0)
            return text.upper()

        async def predict(self, text: str) -> str:
            assert asyncio.get_running_loop() is self.loop
            return text

        async def postprocess(self, text: str) -> str:
            return text + "!"

    with closing(LoadedTask(define(Async), {}, converter)) as loaded:
        results = [loaded.call({"text": each})[0]["result"] for each in "ab"]
    assert results == ["A!", "B!"]


def test_async_function_is_awaited(converter: ValueConverter) -> None:
    """An async function's value is what it comes to."""

    @task
    async def fetch(text: str) -> str:
        await asyncio.sleep(0)
        return text

    assert call(fetch, converter, text="a") == {"result": "a"}


def test_close_ends_what_an_async_task_left_running(converter: ValueConverter) -> None:
    """A background job of an async task is cancelled when the task is closed."""
    ended = []

    async def background() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(True)

    class Leaving(Task):
        async def run(self, text: str) -> str:
            self.job = asyncio.create_task(background())
            await asyncio.sleep(0)
            return text

    loaded = LoadedTask(define(Leaving), {}, converter)
    loaded.call({"text": "a"})
    assert not ended
    loaded.close()
    assert ended


class WithModel(Task):
    """A task that opens its weights when it is constructed."""

    models = (Model("weights", "0" * 64, "MIT", "here"),)

    def __init__(self) -> None:
        self.weights = self.model_path("weights").read_text()

    def run(self, text: str) -> str:
        """Join."""
        return self.weights + text


def test_model_is_there_when_a_task_is_constructed(
    converter: ValueConverter, tmp_path: Path
) -> None:
    """model_path works in __init__, so that a plain Task can load its weights once."""
    path = tmp_path / "weights"
    path.write_text("w")
    loaded = LoadedTask(define(WithModel), {"weights": str(path)}, converter)
    assert loaded.call({"text": "x"})[0] == {"result": "wx"}


def test_seconds_cover_every_stage(converter: ValueConverter) -> None:
    """A call tells how long its conversion and its computation took."""

    @task
    def made(text: str) -> str:
        return text

    _, seconds = LoadedTask(define(made), {}, converter).call({"text": "a"})
    assert set(seconds) == {"inputs", "compute", "outputs"}
    assert all(each >= 0 for each in seconds.values())


@task
def length(text: str, unit: str = "characters") -> int:
    """Count."""
    return len(text)


def test_unknown_input_is_refused_with_the_nearest(converter: ValueConverter) -> None:
    """A misspelt input is named, with the one that was meant."""
    with pytest.raises(InvalidValueError, match=r"is no input 'tekst'; did you mean 'text'\?"):
        call(length, converter, tekst="a")


def test_missing_input_is_refused(converter: ValueConverter) -> None:
    """An input without a default must be given."""
    with pytest.raises(InvalidValueError, match="the input 'text' is missing"):
        call(length, converter)


def test_input_that_does_not_fit_is_refused(converter: ValueConverter) -> None:
    """The message has the input's name."""
    with pytest.raises(InvalidValueError, match="text: 5 is not of type str"):
        call(length, converter, text=5)


def test_output_of_another_class_is_refused(converter: ValueConverter) -> None:
    """A task that returns something else than it declares is told both."""

    @task
    def made(text: str) -> Both:
        return {"total": 1, "text": "a"}  # type: ignore[return-value]

    with pytest.raises(InvalidValueError, match="the task returned dict, not the Both it declares"):
        call(made, converter, text="a")


def test_output_that_does_not_fit_names_its_field(converter: ValueConverter) -> None:
    """A wrong value in a record is placed by the output's name."""

    @task
    def made(text: str) -> Both:
        return Both(total="many", text=text)  # type: ignore[arg-type]

    with pytest.raises(InvalidValueError, match="total: 'many' is not of type int"):
        call(made, converter, text="a")


def test_error_of_a_task_is_its_own(converter: ValueConverter) -> None:
    """What a task raises comes out as it is."""

    @task
    def made(mapping: Mapping[str, int]) -> int:
        return mapping["absent"]

    with pytest.raises(KeyError, match="absent"):
        call(made, converter, mapping={})
