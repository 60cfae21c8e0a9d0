"""The output of a batch is cut into that of its items, however its bytes arrive."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.output import OutputLines
from taskmgr_core.runners.shared_output import SharedOutput
from taskmgr_plugins.protocol import turn_mark

MARK = "5f3a"
COUNT = 3
Turns = list[tuple[int | None, str]]

texts = st.text("ab\0\n5f3a 1", max_size=6).map(lambda text: f"{text}\n")
turns = st.lists(st.tuples(st.none() | st.integers(0, COUNT - 1), texts), max_size=6)


def _take(lines: list[str], more: Sequence[tuple[str, str]]) -> None:
    lines += [text for _, text in more]


def shared(written: bytes, cuts: list[int]) -> list[list[str]]:
    """The lines of each item, where the bytes come in pieces."""
    lines: list[list[str]] = [[] for _ in range(COUNT)]
    outputs = [OutputLines(partial(_take, each)) for each in lines]
    output = SharedOutput(MARK, outputs)
    ends = sorted(min(cut, len(written)) for cut in cuts)
    for start, end in zip([0, *ends], [*ends, len(written)], strict=True):
        output.feed("stdout", written[start:end])
    output.end_lines()
    return lines


@given(turns, st.lists(st.integers(0, 80), max_size=5))
def test_each_item_gets_what_is_its_own(written: Turns, cuts: list[int]) -> None:
    """What stands behind an item's mark is its own, behind that of all is everyone's."""
    raw = b"".join(turn_mark(MARK, index) + text.encode() for index, text in written)
    for item, lines in enumerate(shared(raw, cuts)):
        own = "".join(text for index, text in written if index in (None, item))
        assert lines == own.split("\n")[:-1]


def test_what_comes_before_any_mark_is_for_all() -> None:
    """A model that is loaded for a batch is loaded for each of its items."""
    assert shared(b"loading\n", []) == [["loading"]] * COUNT


def test_what_only_looks_like_a_mark_stays() -> None:
    """Bytes that began like a mark and did not become one are output."""
    assert shared(b"a\0" + MARK.encode() + b" x\nb\0", []) == [["a\0" + MARK + " x", "b\0"]] * COUNT
