"""What records were read as is kept, as far as there is room."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.stores.memory import EACH, Memory


def reader(value: object) -> tuple[list[object], Callable[[], object]]:
    """What reads a value, and the list of its calls."""
    calls: list[object] = []

    def read() -> object:
        calls.append(value)
        return value

    return calls, read


def test_text_is_read_once_for_each_kind() -> None:
    """The same text as something else is read anew."""
    memory = Memory(9 * EACH)
    calls, read = reader("value")
    assert [memory.get("a", int, read), memory.get("a", int, read)] == ["value"] * 2
    assert calls == ["value"]
    memory.get("a", str, read)
    assert len(calls) == 2


def test_what_was_written_need_not_be_read() -> None:
    """It is given as it was put."""
    memory, kept = Memory(9 * EACH), object()
    memory.put("a", int, kept)
    calls, read = reader("other")
    assert memory.get("a", int, read) is kept
    assert not calls


def test_what_cannot_be_read_is_not_kept() -> None:
    """The next one tries again."""
    memory = Memory(9 * EACH)

    def fail() -> object:
        raise ValueError("damaged")

    for _ in range(2):
        with pytest.raises(ValueError, match="damaged"):
            memory.get("a", int, fail)
    assert memory.get("a", int, lambda: 1) == 1


def test_longest_unasked_goes_first() -> None:
    """Beyond its room; one that was asked for again stays."""
    memory = Memory(3 * (EACH + 2))
    for text in ("aa", "bb", "cc"):
        memory.put(text, int, text)
    memory.get("aa", int, lambda: "again")
    memory.put("dd", int, "dd")
    found = {text: memory.get(text, int, lambda: "read") for text in ("aa", "cc", "dd")}
    assert found == {"aa": "aa", "cc": "cc", "dd": "dd"}
    assert memory.get("bb", int, lambda: "read") == "read"


@given(st.lists(st.tuples(st.text("ab", max_size=9), st.sampled_from("ij")), max_size=60))
def test_room_is_never_exceeded(asked: list[tuple[str, str]]) -> None:
    """However often the same is put, and what is larger than all of it."""
    memory = Memory(2 * EACH + 10)
    for text, kind in asked:
        memory.put(text, kind, text)
        kept = [each for _, each in memory._known]
        assert memory._size == sum(len(each) + EACH for each in kept) <= 2 * EACH + 10
