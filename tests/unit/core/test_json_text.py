"""JSON is read and written as the module ``json`` does it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core import json_text
from taskmgr_core.json_text import plain, writer

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same to the last type: 1 and 1.0 and True are not."""
    return repr(one) == repr(other)


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_text_is_read_as_json_reads_it(value: Any, ascii_only: bool, indent: int | None) -> None:
    """Numbers of any size and precision, texts, lists and objects, as text or bytes."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert same(plain(text), value)
    assert same(plain(text.encode()), value)


@pytest.mark.parametrize(
    "text",
    [
        "1e400",
        "-0",
        "-0.0",
        "123456789012345678901234567890",
        "NaN",
        "[Infinity]",
        '"\\ud800"',
        '{"a": 1, "a": 2}',
        "[" * 900 + "]" * 900,
    ],
)
def test_what_json_takes_besides_is_taken(text: str) -> None:
    """What is no JSON to the letter, or seldom, is read as ``json`` does."""
    assert same(plain(text), json.loads(text))


@pytest.mark.parametrize("text", ["", "[1,]", "{'a': 1}", "nul", '"open', "1 2", "\ud800", b"\xff"])
def test_what_is_no_json_is_refused_by_json(text: str | bytes) -> None:
    """The message is the one that is known."""
    with pytest.raises(ValueError) as ours:  # noqa: PT011 - compared with the other
        plain(text)
    with pytest.raises(ValueError) as theirs:  # noqa: PT011
        json.loads(text)
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize("in_c", [True, False])
@given(value=VALUES, ascii_only=st.booleans())
def test_text_is_written_as_json_writes_it(in_c: bool, value: Any, ascii_only: bool) -> None:
    """To the last character, with the encoder in C and without."""
    with pytest.MonkeyPatch.context() as patched:
        if not in_c:
            patched.setattr(json_text, "_make_encoder", None)
        write = writer(ensure_ascii=ascii_only)
    expected = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=ascii_only)
    assert write(value) == expected
    assert write([value, (value,)]) == f"[{expected},[{expected}]]"


@pytest.mark.parametrize("wrong", [float("nan"), [float("inf")], {1, 2}, b"bytes", object()])
def test_what_json_has_not_is_not_written(wrong: Any) -> None:
    """As ``json`` refuses it; and the next document is written."""
    write = writer(ensure_ascii=True)
    with pytest.raises((ValueError, TypeError)):
        write(wrong)
    assert write([1]) == "[1]"
