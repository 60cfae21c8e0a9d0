"""What mypy --strict says of a plugin's code: nothing of good code, something of each mistake."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from sources import ROOT

GOOD = '''
from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import attrs
import numpy
from taskmgr_plugins import (
    Array, Box, File, Image, InvalidInputError, MLTask, Model, On, Points, Task, hookimpl, task,
)


@attrs.frozen
class Face:
    bbox: Annotated[Box, On("image")]
    landmarks: Annotated[Points, On("image")]
    confidence: float
    label: str | None = None


@attrs.frozen
class Faces:
    faces_array: list[Face]
    embeddings: Array


class FaceDetection(MLTask):
    """Find the faces in a picture."""

    queue, timeout, priority = "vision", 120, 7
    models = (Model("yunet.onnx", "0" * 64, "MIT", "https://example.org/yunet.onnx"),)

    def load_model(self) -> None:
        self.net = str(self.model_path("yunet.onnx"))

    def preprocess_input(self, image: Image, threshold: float = 0.5) -> Array:
        pixels = image.to_array("rgb")
        if pixels.size == 0:
            raise InvalidInputError("the picture is empty")
        return pixels.astype(numpy.float32)

    def predict(self, pixels: Array) -> Array:
        return pixels / 255

    def postprocess(self, scores: Array) -> Faces:
        box = Box(x=0, y=0, width=float(scores.shape[1]), height=1)
        face = Face(bbox=box, landmarks=Points([(1, 2)]), confidence=float(scores[0, 0]))
        return Faces(faces_array=[face], embeddings=scores)


class Fetch(MLTask):
    timeout = 2.5

    async def load_model(self) -> None: ...

    async def predict(self, address: str) -> File:
        return File(address.encode(), name="address.txt")


class WordCount(Task):
    name = "word_count"

    def run(self, text: str) -> int:
        return len(text.split())


@task
def shout(text: str) -> str:
    return text.upper()


@task(queue="text", retries=2)
async def whisper(text: str, times: int = 1) -> str:
    return text.lower() * times


@hookimpl
def taskmgr_tasks() -> Sequence[Any]:
    return [FaceDetection, Fetch, WordCount, shout, whisper]


def test_shout() -> None:
    answer: str = shout("a")
    assert answer == "A"
    assert WordCount().run("a b") == 2
    assert Image(numpy.zeros((2, 2), numpy.uint8)).name == ""
'''

# Each line with a mistake names the codes of the errors that mypy has to give there.
MISTAKES = """
from taskmgr_plugins import Box, File, Image, MLTask, Model, On, Points, Task, task


class Detect(MLTask):
    queue = 5  # E: assignment
    timeout = "60"  # E: assignment
    priority = 7.5  # E: assignment
    models = ("yunet.onnx",)  # E: assignment

    def load_model(self, path: str) -> None: ...  # E: override


@task(queu="text")  # E: call-overload untyped-decorator
def misspelt(text: str) -> str:
    return text


@task(retries="2")  # E: call-overload untyped-decorator
def wrong_option(text: str) -> str:
    return text


@task
def shout(text: str) -> str:
    return text.upper()


shout(5)  # E: arg-type
shout("a").count(5)  # E: arg-type
Image("a.png").to_array("RGB")  # E: arg-type
Image(["a.png"])  # E: arg-type
File(5)  # E: arg-type
Box(0, 0, 1)  # E: call-arg
Box(x="left", y=0, width=1, height=1)  # E: arg-type
Points([1, 2])  # E: list-item
On(5)  # E: arg-type
Model("a", 5, "MIT", "here")  # E: arg-type
Box(0, 0, 1, 1).x = 5  # E: misc
Task().model_path(5)  # E: arg-type
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[int, str]]]:
    """What mypy says of both: file -> line and code of each error."""
    folder = tmp_path_factory.mktemp("author")
    (folder / "good.py").write_text(GOOD)
    (folder / "mistakes.py").write_text(MISTAKES)
    result = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--no-error-summary"),
            *("--config-file", "", "--cache-dir", str(folder / "cache"), "good.py", "mistakes.py"),
        ],
        cwd=folder,
        env={"MYPYPATH": str(ROOT / "taskmgr_plugins" / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode in (0, 1), result.stdout + result.stderr
    errors: dict[str, list[tuple[int, str]]] = {"good.py": [], "mistakes.py": []}
    for line in result.stdout.splitlines():
        found = re.match(r"(.+?):(\d+): error: .*\[([\w-]+)\]", line)
        if found:
            errors[Path(found[1]).name].append((int(found[2]), found[3]))
    return errors


def test_good_plugin_is_strictly_typed(said: dict[str, list[tuple[int, str]]]) -> None:
    """A plugin written as the tutorial does passes mypy --strict."""
    assert said["good.py"] == []


def test_mistakes_of_an_author_are_type_errors(said: dict[str, list[tuple[int, str]]]) -> None:
    """Each mistake is found where it is made, and nothing else is complained of."""
    expected = {
        (number, code)
        for number, line in enumerate(MISTAKES.splitlines(), start=1)
        for code in line.partition("# E: ")[2].split()
    }
    assert set(said["mistakes.py"]) == expected


def test_good_plugin_runs(tmp_path: Path) -> None:
    """The same code is read by the SDK as it was meant."""
    pytest.importorskip("numpy")
    (tmp_path / "good.py").write_text(GOOD)
    code = """
        import good
        from taskmgr_plugins.definitions import define
        for each in good.taskmgr_tasks():
            found = define(each)
            print(found.name, *(field.name for field in (*found.inputs, *found.outputs)))
        good.test_shout()
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        "face_detection image threshold faces_array embeddings",
        "fetch address result",
        "word_count text result",
        "shout text result",
        "whisper text times result",
    ]
