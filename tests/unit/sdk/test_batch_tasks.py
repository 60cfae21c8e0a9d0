"""Tasks that take several calls at once: how they are declared, and what each call comes to."""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_plugins import Image, InvalidInputError, MLTask, Task, TaskDefinitionError
from taskmgr_plugins.batches import predicted
from taskmgr_plugins.converter import ValueConverter
from taskmgr_plugins.definitions import define
from taskmgr_plugins.errors import InvalidOutputError
from taskmgr_plugins.host import LoadedTask
from taskmgr_plugins.testing import RunTask


@attrs.frozen
class Scored:
    """A word and how many came with it."""

    word: str
    together: int


class Score(MLTask):
    """Score words; some are of no use."""

    max_batch_size = 4

    def predict_batch(self, word: list[str], weight: list[int]) -> list[Scored | Exception]:
        if "raise" in word:
            raise RuntimeError("for all")
        return [
            ValueError("bad") if each == "bad" else Scored(each * times, len(word))
            for each, times in zip(word, weight, strict=True)
        ]


class Staged(MLTask):
    """Preprocess and postprocess one by one what is predicted together."""

    max_batch_size = 3

    def preprocess_input(self, word: str, mark: str = "!") -> str:
        if word == "refuse":
            raise InvalidInputError("refused")
        return word + mark

    async def predict_batch(self, items: list[str]) -> list[int]:
        return [len(each) * 10 + len(items) for each in items]

    def postprocess(self, length: int) -> str:
        return f"<{length}>"


def test_batch_method_declares_the_inputs_and_outputs_of_one_call() -> None:
    """Each list stands for one input, the list of results for the outputs, less the errors."""
    definition = define(Score)
    assert [each.schema for each in definition.inputs] == [{"type": "string"}, {"type": "integer"}]
    assert [each.name for each in definition.outputs] == ["word", "together"]
    assert definition.document()["max_batch_size"] == 4
    staged = define(Staged)
    assert [each.name for each in staged.inputs] == ["word", "mark"]
    assert [each.schema for each in staged.outputs] == [{"type": "string"}]


class Both(Score):
    def predict(self, word: str) -> str: ...


class Unsized(MLTask):
    def predict_batch(self, word: list[str]) -> list[str]: ...


class Unlisted(MLTask):
    max_batch_size = 2

    def predict_batch(self, word: str) -> list[str]: ...


class Unreturned(MLTask):
    max_batch_size = 2

    def predict_batch(self, word: list[str]) -> Image: ...


class Defaulted(MLTask):
    max_batch_size = 2

    def predict_batch(self, word: list[str], scale: list[int] = []) -> list[str]: ...  # noqa: B006


class Empty(MLTask):
    max_batch_size = 2

    def predict_batch(self) -> list[str]: ...


class Unbatched(MLTask):
    max_batch_size = 2

    def predict(self, word: str) -> str: ...


class Plain(Task):
    max_batch_size = 2

    def run(self, word: str) -> str: ...


class Negative(Score):
    max_batch_size = 0


class Patient(Score):
    max_batch_wait_ms = 60_000


@pytest.mark.parametrize(
    ("announced", "said"),
    [
        (Both, "both predict and predict_batch"),
        (Unsized, "write 'max_batch_size = 8'"),
        (Unlisted, "write 'list[<type>]', not <class 'str'>"),
        (Unreturned, "output: a batch has one for each item"),
        (Defaulted, "write preprocess_input"),
        (Empty, "takes no list"),
        (Unbatched, "has no method predict_batch"),
        (Plain, "derive it from MLTask"),
        (Negative, "allowed is a whole number, 1 or more"),
        (Patient, "allowed is milliseconds from 0 to 10000"),
    ],
)
def test_declaration_that_cannot_work_is_refused(announced: Any, said: str) -> None:
    """What does not go together is said with what to write."""
    with pytest.raises(TaskDefinitionError, match=re.escape(said)):
        define(announced)


def test_each_call_of_a_batch_has_its_own_result_or_error(run_task: RunTask) -> None:
    """An exception in the list is the error of its call alone, and the others have results."""
    first, second, third = run_task.batch(
        Score, *({"word": word, "weight": 2} for word in ("a", "bad", "c"))
    )
    assert (first, third) == (Scored("aa", 3), Scored("cc", 3))
    assert (type(second), str(second)) == (ValueError, "bad")


def test_batch_that_raises_is_tried_one_by_one(run_task: RunTask) -> None:
    """Only the call that is to blame fails with what the batch raised."""
    first, second = run_task.batch(
        Score, {"word": "raise", "weight": 1}, {"word": "b", "weight": 1}
    )
    assert str(first) == "for all"
    assert second == Scored("b", 1)


def test_stages_before_and_after_are_for_one_call(run_task: RunTask) -> None:
    """What is refused before is not in the batch; the batch method may be async."""
    found = run_task.batch(Staged, {"word": "a"}, {"word": "refuse"}, {"word": "bc", "mark": ""})
    assert found[::2] == ["<22>", "<22>"]
    assert str(found[1]) == "refused"


def test_single_call_is_a_batch_of_one(run_task: RunTask) -> None:
    """Called as any other task, it is given lists of one; an error is raised."""
    assert run_task(Staged, word="a") == "<21>"
    with pytest.raises(ValueError, match="bad"):
        run_task(Score, word="bad", weight=1)


def test_batch_that_is_too_large_is_refused(run_task: RunTask) -> None:
    """A test cannot call it with more than a worker would."""
    with pytest.raises(TaskDefinitionError, match="allowed are 1 to 3"):
        run_task.batch(Staged, *({"word": "a"} for _ in range(4)))


class Lossy(MLTask):
    max_batch_size = 4

    def predict_batch(self, word: list[str]) -> list[str]:
        return word[1:]


def test_lost_results_fail_all_calls(converter: ValueConverter) -> None:
    """Where it is not known whose result is whose, nobody gets one."""
    with closing(LoadedTask(define(Lossy), {}, converter)) as loaded:
        results, _ = loaded.call_batch([{"word": "a"}, {"word": "b"}])
    assert [type(each) for each in results] == [InvalidOutputError] * 2
    assert "returned 1 results for 2 items" in str(results[0])


def test_wrong_result_fails_its_call_alone(converter: ValueConverter) -> None:
    """A result that does not fit its annotation is the error of one call."""

    class Half(MLTask):
        max_batch_size = 4

        def predict_batch(self, word: list[str]) -> list[str]:
            return [each if each == "a" else 1 for each in word]  # type: ignore[misc]

    with closing(LoadedTask(define(Half), {}, converter)) as loaded:
        first, second = loaded.call_batch([{"word": "a"}, {"word": "b"}])[0]
    assert first == {"result": "a"}
    assert isinstance(second, InvalidOutputError)


@given(st.lists(st.sampled_from(["fine", "returned", "raised"]), max_size=8))
def test_result_of_an_item_does_not_depend_on_the_others(kinds: list[str]) -> None:
    """In any batch each item comes to what it would come to by itself."""

    def predict(items: list[tuple[int, str]]) -> list[Any]:
        if any(kind == "raised" for _, kind in items):
            raise RuntimeError("raised")
        return [ValueError(at) if kind == "returned" else at for at, kind in items]

    items = dict(enumerate(enumerate(kinds)))
    found = predicted(predict, items, lambda _: None)
    assert list(found) == list(items)
    for (at, kind), result in zip(items.values(), found.values(), strict=True):
        assert {"fine": result == at, "returned": str(result) == str(at)}.get(
            kind, str(result) == "raised"
        )
