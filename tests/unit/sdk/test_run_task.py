"""The fixture ``run_task``: a task in the process of its test, as a runner would run it."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import attrs
import pytest

from taskmgr_plugins import File, InvalidInputError, MLTask, TaskDefinitionError, task
from taskmgr_plugins.errors import InvalidOutputError, InvalidValueError
from taskmgr_plugins.testing import RunTask

pytest_plugins = ["pytester"]


@attrs.frozen
class Word:
    """A word and where it stands."""

    text: str
    place: int


@attrs.frozen
class Words:
    """The words of a text."""

    words: list[Word]
    note: File


@task
def words(text: str, longest: int = 10) -> Words:
    """Cut a text into words, and write it down beside."""
    Path("note.txt").write_text(text)
    found = [Word(each[:longest], place) for place, each in enumerate(text.split())]
    return Words(found, File("note.txt"))


@task
def joined(words: list[Word], scale: float = 1) -> str:
    """Put words together."""
    if not words:
        raise InvalidInputError("there is no word")
    return " ".join(each.text for each in words) * int(scale)


@task
def size(file: File) -> int:
    """How long a file is."""
    return len(file.read_bytes())


@task
def wrong(kind: str) -> list[int]:
    """Return what is not declared."""
    return {"type": ["one"], "none": None}[kind]  # type: ignore[return-value]


@task
async def later(text: str) -> str:
    """A task that is a coroutine."""
    return text.upper()


class Counting(MLTask):
    """Say how often the model was loaded, and how often it was called."""

    loads = 0

    def load_model(self) -> None:
        """Count."""
        type(self).loads += 1
        self.calls = 0

    def predict(self, step: int = 1) -> tuple[int, int]:
        """Count."""
        self.calls += step
        return self.loads, self.calls


def test_outputs_are_objects_with_their_files(run_task: RunTask) -> None:
    """An output class comes back as its objects; a file can be read after the call."""
    before = Path.cwd()
    found = run_task(words, text="to be", longest=1)
    assert found.words == [Word("t", 0), Word("b", 1)]
    assert found.note.read_bytes() == b"to be"
    assert Path.cwd() == before


@pytest.mark.parametrize("given", [[Word("a", 0)], [{"text": "a", "place": 0}], (Word("a", 0),)])
def test_inputs_are_values_or_their_json(given: Any, run_task: RunTask) -> None:
    """What a task before would give is taken, and so is its JSON."""
    assert run_task(joined, words=given, scale=2) == "aa"


def test_file_is_given_by_path_bytes_or_file(run_task: RunTask, tmp_path: Path) -> None:
    """For a file its path, its bytes and a ``File`` do the same."""
    path = tmp_path / "five"
    path.write_bytes(b"12345")
    assert [run_task(size, file=each) for each in (path, str(path), b"12345", File(path))] == [
        5
    ] * 4


def test_coroutine_is_run(run_task: RunTask) -> None:
    """The value of an async task is what it comes to."""
    assert run_task(later, text="a") == "A"


def test_model_is_loaded_once(run_task: RunTask) -> None:
    """A class is kept loaded, as in a warm runner, until its loading is another."""
    first = run_task(Counting)
    assert run_task(Counting, step=2) == (first[0], first[1] + 2)
    Counting.load_model = lambda self: setattr(self, "calls", 100)  # type: ignore[method-assign]
    assert run_task(Counting) == (first[0], 101)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "'words' is missing"),
        ({"word": []}, "no input 'word'; did you mean 'words'"),
        ({"words": "a"}, "words: .*a"),
        ({"words": [{"text": "a"}]}, r"words\[0\].*place|place.*missing"),
        ({"words": [Word("a", "b")]}, r"words\[0\].place: 'b'"),  # type: ignore[arg-type]
        ({"words": [], "scale": float("nan")}, "nan"),
    ],
)
def test_wrong_input_is_refused(inputs: dict[str, Any], message: str, run_task: RunTask) -> None:
    """An input that a runner would refuse is refused, with its place, and the task not called."""
    with pytest.raises(InvalidValueError, match=message):
        run_task(joined, **inputs)


@pytest.mark.parametrize("kind", ["type", "none"])
def test_wrong_output_is_refused(kind: str, run_task: RunTask) -> None:
    """What a task returns is checked against its annotation."""
    with pytest.raises(InvalidOutputError, match="result"):
        run_task(wrong, kind=kind)


def test_error_of_a_task_is_the_tasks(run_task: RunTask) -> None:
    """The exception is the task's own, its traceback without the SDK's part."""
    with pytest.raises(InvalidInputError, match="no word") as caught:
        run_task(joined, words=[])
    names = [Path(str(each.path)).name for each in caught.traceback]
    assert (names[0], names[-1]) == (Path(__file__).name,) * 2
    assert {*names} <= {Path(__file__).name, "calling.py"}


def test_unknown_task_is_refused_by_name(run_task: RunTask) -> None:
    """A name that no project and no plugin announces is refused, with where it was looked for."""
    with pytest.raises(TaskDefinitionError, match="installed plugin announces a task 'nothing'"):
        run_task("nothing")


INNER = {
    "pyproject.toml": """
        [project]
        name = "taskmgr-inner"
        [project.entry-points."taskmgr.plugins"]
        inner = "inner_plugin"
        [tool.pytest.ini_options]
        pythonpath = ["src"]
    """,
    "src/inner_plugin.py": """
        import hashlib
        from taskmgr_plugins import Model, Task, hookimpl

        class Inner(Task):
            models = (Model("w.txt", hashlib.sha256(b"w").hexdigest(), "MIT", "https://x.test"),)

            def run(self, text: str) -> str:
                if text == "bad":
                    raise ValueError("it went wrong")
                return self.model_path("w.txt").read_text() + text

        @hookimpl
        def taskmgr_tasks():
            return [Inner]
    """,
    "models/w.txt": "w",
    "tests/test_inner.py": """
        import pytest

        @pytest.mark.parametrize("text", ["bad", "b" * 1000, "it's"])
        def test_inner(run_task, text):
            assert run_task("inner", text=text) == "w" + "a"
    """,
}


def test_failure_shows_how_to_repeat_it(pytester: pytest.Pytester) -> None:
    """A test of a task that fails shows the task's traceback, its inputs and a command."""
    for name, text in INNER.items():
        path = pytester.path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(textwrap.dedent(text).strip())
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--basetemp=kept")
    result.assert_outcomes(failed=3)
    beginning = f"repeat it: taskmgr test {pytester.path} --task inner"
    result.stdout.fnmatch_lines(
        [
            "*ValueError: it went wrong",
            "src/inner_plugin.py:9: ValueError",
            "*tasks of this test*",
            "inner failed",
            "  text = 'bad'",
            f"{beginning} text=bad",
            f"{beginning} @*kept*/inputs.json",
            'inner returned "wit\'s"',
            f"{beginning} 'text=it'\"'\"'s'",
        ]
    )
    assert "host.py" not in result.stdout.str()
