"""Cases: what is read of them, and where outputs are not what they expect."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.cases import Case, differences, failure_differences, read_cases
from taskmgr_core.documents import digest_of
from taskmgr_core.errors import InvalidValueError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def expecting(expected: Mapping[str, Any] | None, folder: Path = Path()) -> Case:
    """A case with these expectations."""
    return Case("first", folder, {}, expected)


def told(expected: Any, got: Any, tolerance: float = 1e-6) -> list[str]:
    """The differences of one output."""
    return [str(each) for each in differences(expecting({"it": expected}), {"it": got}, tolerance)]


@given(VALUES)
def test_what_is_the_same_has_no_difference(value: Any) -> None:
    """Any output that is what was expected passes, without any tolerance."""
    assert told(value, value, 0) == []


@given(VALUES, VALUES)
def test_difference_is_found_from_both_sides(one: Any, other: Any) -> None:
    """Whether there is a difference does not depend on which of the two was expected."""
    assert bool(told(one, other)) == bool(told(other, one))


@given(st.floats(1e-3, 1e12), st.floats(1e-9, 1e-2))
def test_tolerance_is_a_share_of_the_number(number: float, tolerance: float) -> None:
    """Half of what is allowed passes, twice as much does not; so it is below zero."""
    for sign in (1, -1):
        assert told(sign * number, sign * number * (1 + tolerance / 2), tolerance) == []
        assert told(sign * number, sign * number * (1 + tolerance * 2), tolerance) != []


@pytest.mark.parametrize(
    ("expected", "got", "message"),
    [
        (4, 5, "it: expected 4, got 5"),
        (0.5, 0.75, "it: expected 0.5, got 0.75 (off by 0.25, allowed is 8e-07)"),
        ("a", "b", 'it: expected "a", got "b"'),
        (1, True, "it: expected 1, got true"),
        (True, 1, "it: expected true, got 1"),
        (None, 0, "it: expected null, got 0"),
        ("1", 1, 'it: expected "1", got 1'),
        ([1, 2], [1, 3], "it[1]: expected 2, got 3"),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, "it.a[0].b: expected 1, got 2"),
        ({"a": 1}, {}, "it.a: expected 1, and there is none"),
        ({}, {"a": 1}, "it.a: got 1, and none is expected"),
        ([], [1], "it: expected 0 entries, got 1"),
        ([], {}, "it: expected [], got {}"),
    ],
)
def test_difference_is_told_with_its_place(expected: Any, got: Any, message: str) -> None:
    """What was expected, what came, and where."""
    assert told(expected, got) == [message]


def test_whole_number_and_fraction_are_one_number() -> None:
    """JSON has one kind of number; two whole ones are compared exactly."""
    assert told(1, 1.0) == []
    assert told([2.0], [2]) == []
    assert told(10**9, 10**9 + 1) != []
    assert told(10**400, 1.5) != []


def test_output_that_is_not_named_is_not_compared() -> None:
    """Of one that is named and absent there is a difference."""
    case = expecting({"words": 1})
    assert differences(case, {"words": 1, "seconds": 0.3}) == []
    assert [each.place for each in differences(case, {"seconds": 0.3})] == ["words"]


def test_file_is_compared_by_its_content(tmp_path: Path) -> None:
    """A path in the case stands for the file's bytes."""
    (tmp_path / "made.bin").write_bytes(b"abc")
    case = expecting({"file": "made.bin"}, tmp_path)
    same = {"$artifact": digest_of(b"abc"), "name": "out.bin", "size": 3}
    other = {"$artifact": digest_of(b"abd"), "name": "out.bin", "size": 3}
    assert differences(case, {"file": same}) == []
    (found,) = differences(case, {"file": other})
    assert str(found) == (
        "file: expected what is in made.bin, got out.bin of 3 bytes with other content"
    )
    with pytest.raises(InvalidValueError, match=r"absent.bin cannot be read"):
        differences(expecting({"file": "absent.bin"}, tmp_path), {"file": same})


def test_many_differences_are_cut_off() -> None:
    """Of a large array that is all different some are told."""
    found = told(list(range(1000)), [-1] * 1000)
    assert len(found) == 21
    assert found[-1] == "...: and perhaps more"


def test_failure_has_to_be_the_expected_one() -> None:
    """By its code and by a part of its message."""
    case = Case("first", Path(), {}, None, {"code": "invalid-input", "message": "no word"})
    assert failure_differences(case, "invalid-input", "the text has no word") == []
    found = failure_differences(case, "task-error", "division by zero")
    assert [each.place for each in found] == ["code", "message"]


def write(folder: Path, **files: Any) -> Path:
    """A case's folder."""
    folder.mkdir()
    for name, document in files.items():
        (folder / f"{name}.json").write_text(json.dumps(document))
    return folder


def test_cases_are_read_by_name(tmp_path: Path) -> None:
    """Each folder is one; folders of other files are none, and one alone may be given."""
    write(tmp_path / "second", input={"a": 2}, failure={"code": "timeout"})
    write(tmp_path / "first", input={"a": 1}, expected={"b": 1})
    write(tmp_path / "pictures")
    first, second = read_cases(tmp_path)
    assert (first.name, first.inputs, first.expected) == ("first", {"a": 1}, {"b": 1})
    assert (second.expected, second.failure) == (None, {"code": "timeout"})
    assert read_cases(tmp_path / "second") == (second,)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no cases"),
        ({"expected": {}}, "has no input.json"),
        ({"input": [1]}, "it must be an object"),
        ({"input": {}, "expected": {}, "failure": {"code": "a"}}, "keep one of them"),
        ({"input": {}, "failure": {}}, "how the task has to fail"),
        ({"input": {}, "failure": {"kind": "a"}}, "how the task has to fail"),
        ({"input": {}, "failure": {"code": 1}}, "how the task has to fail"),
    ],
)
def test_case_that_cannot_be_meant_is_refused(
    tmp_path: Path, files: dict[str, Any], message: str
) -> None:
    """The message names the file and what to do."""
    write(tmp_path / "only", **files)
    with pytest.raises(InvalidValueError, match=message):
        read_cases(tmp_path)


def test_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    """With the place where it ends to be JSON."""
    write(tmp_path / "only")
    (tmp_path / "only" / "input.json").write_text("{'a': 1}")
    with pytest.raises(InvalidValueError, match=r"input.json cannot be read as JSON: .*line 1"):
        read_cases(tmp_path)
