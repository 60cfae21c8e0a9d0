"""What the command line shows of values, results and lineage."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from taskmgr_core.cli.arguments import read_inputs
from taskmgr_core.cli.cells import cell, exact, flat
from taskmgr_core.cli.results_view import print_result
from taskmgr_core.cli.run_examples import run_example
from taskmgr_core.cli.screen import Screen, ago, plain
from taskmgr_core.errors import InvalidValueError
from taskmgr_plugins.schemas import named_types


class Recorder(Screen):
    """A screen that keeps what is printed on stdout."""

    def __init__(self, width: int = 100) -> None:
        super().__init__()
        self._written = io.StringIO()
        self.out = Console(file=self._written, width=width, force_terminal=True, color_system=None)

    @property
    def written(self) -> str:
        """All of it, without the spaces at the ends of lines."""
        return "\n".join(line.rstrip() for line in self._written.getvalue().splitlines())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (True, "true"),
        (0.123456, "0.1235"),
        (128, "128"),
        ("two\nlines", "two lines"),
        ("a" * 40, "a" * 31 + "…"),
        ([1, 2, 3], "1 2 3"),
        ([0.031, -0.012] * 64, "128 numbers: 0.03 -0.01 …"),
        ([[12.3, 34.5]] * 5, "5 points: 12,34 …"),
        ([[1, 2, 3]] * 2, "2 x 1 2 3"),
        ([], "none"),
        (["a", "b"], '["a", "b"]'),
        (["a" * 20, "b" * 20], "2 entries"),
        ({"x": 152.4, "y": 34.0, "width": 67.2, "height": 80.1}, "67 x 80 at 152, 34"),
        ({"$artifact": "sha256:0", "name": "photo.png", "size": 82_000}, "photo.png (82 kB)"),
        ({"a": 1}, '{"a": 1}'),
    ],
)
def test_value_is_told_on_little_room(value: Any, shown: str) -> None:
    """Each kind of value has its short form, whatever it means."""
    assert cell(value) == shown


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_any_value_has_a_short_form(value: Any) -> None:
    """Whatever JSON a task returns, a cell is one printable line, and flattening ends."""
    shown = cell(value)
    assert shown == "" or len(shown.splitlines()) == 1
    assert exact(value) is not None
    if isinstance(value, dict):
        assert list(flat(value)) or not value


@given(st.lists(st.dictionaries(st.sampled_from("abc"), JSON, min_size=1), min_size=1, max_size=4))
def test_any_list_of_objects_has_a_table(entries: list[Any]) -> None:
    """Whatever is in the entries of a result, it can be printed on a narrow terminal."""
    screen = Recorder(40)
    print_result(screen, {"entries": entries})
    assert screen.written


def test_control_characters_do_not_reach_the_terminal() -> None:
    """A task cannot steer the terminal by what it returns or writes."""
    evil = "red \x1b[31m\x07 alert"
    assert "\x1b" not in cell(evil)
    assert "\x1b" not in exact(evil)
    assert "\x1b" not in plain(evil).plain


def test_object_is_flattened_to_its_leaves() -> None:
    """Objects become dotted names; a box, a file and an empty object are leaves."""
    box = {"x": 1, "y": 2, "width": 3, "height": 4}
    entry = {"id": "a", "age": {"years": 3, "sure": {"p": 0.5}}, "box": box, "none": {}}
    assert dict(flat(entry)) == {
        "id": "a",
        "age.years": 3,
        "age.sure.p": 0.5,
        "box": box,
        "none": {},
    }


def people(count: int) -> list[dict[str, Any]]:
    """Entries of a joined result."""
    return [
        {
            "id": f"p{number}",
            "looks": {"age": {"years": 20 + number, "sure": 0.5}, "source": "output_001_x"},
            "vector": [0.1] * 128,
        }
        for number in range(count)
    ]


def test_list_becomes_one_table_where_it_fits() -> None:
    """Every entry has one row; what is the same in all is told once."""
    screen = Recorder(100)
    print_result(screen, {"people": people(3)})
    assert screen.written.count("p1") == 1
    assert screen.written.count("output_001_x") == 1
    assert "looks.source in all" in screen.written
    assert "128 numbers: 0.10 0.10 …" in screen.written


def test_wide_list_becomes_several_tables_that_fit() -> None:
    """No line is wider than the terminal; each table begins with the first column."""
    screen = Recorder(36)
    print_result(screen, {"people": people(9)})
    assert all(len(line) <= 36 for line in screen.written.splitlines())
    assert screen.written.count("p8") == 2


def test_few_wide_entries_stand_side_by_side() -> None:
    """Up to three entries that do not fit are shown field by field."""
    screen = Recorder(40)
    print_result(screen, {"people": people(1)})
    assert "looks.age.years  20" in screen.written


def test_long_list_is_cut_with_a_note() -> None:
    """Of a long list the first entries are shown, and how many there are besides."""
    screen = Recorder()
    print_result(screen, {"people": people(55)})
    assert "... and 15 more; --json has all" in screen.written
    assert "p54" not in screen.written


def test_scalars_are_told_exactly() -> None:
    """What is no list of objects is told line by line, numbers with all their digits."""
    screen = Recorder()
    print_result(screen, {"score": 0.12345678901, "about": {"words": 3}})
    assert "score        0.12345678901" in screen.written
    assert "about.words  3" in screen.written


def test_screen_in_a_pipe_has_no_colours(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal there is no escape sequence, and no space at the end of a line."""
    screen = Screen()
    screen.print(screen.status("failed"), plain("dim", "dim"))
    screen.heading("heading", "note")
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "✗ failed" in told
    assert not any(line.endswith(" ") for line in told.splitlines())


def test_age_is_told_in_the_unit_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds, minutes, hours, days."""
    monkeypatch.setattr("taskmgr_core.cli.screen.time.time", lambda: 1_000_000.0)
    passed = (5, 90, 7200, 3 * 86400)
    assert [ago(1_000_000.0 - each) for each in passed] == ["5 s", "1 min", "2 h", "3 d"]


DEEP = "[" * 100_000 + "]" * 100_000
SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "image": named_types()["Image"],
    "text": {"type": "string"},
    "count": {"type": "integer"},
}


def test_words_become_inputs(tmp_path: Path) -> None:
    """Text stays text, everything else is JSON; a picture is its path."""
    words = ["text=5", "count=5", "image=photo.png"]
    read = read_inputs(SCHEMAS, words, tmp_path)
    assert read == {"text": "5", "count": 5, "image": "photo.png"}


def test_value_may_come_from_a_file(tmp_path: Path) -> None:
    """@ reads JSON, for a text the file's text, and of a picture it is the path."""
    (tmp_path / "count.json").write_text("7")
    (tmp_path / "text.txt").write_text("a\nb")
    words = ["count=@count.json", "text=@text.txt", "image=@photo.png"]
    read = read_inputs(SCHEMAS, words, tmp_path)
    assert read == {"count": 7, "text": "a\nb", "image": "photo.png"}


def test_doubled_at_is_meant_as_such(tmp_path: Path) -> None:
    """A text that begins with @ is written with two."""
    assert read_inputs(SCHEMAS, ["text=@@ada"], tmp_path) == {"text": "@ada"}


def test_object_and_file_of_one_may_be_mixed(tmp_path: Path) -> None:
    """What comes later counts."""
    (tmp_path / "inputs.json").write_text(json.dumps({"text": "from the file", "count": 1}))
    words = ["@inputs.json", '{"count": 2}', "text=typed"]
    assert read_inputs(SCHEMAS, words, tmp_path) == {"text": "typed", "count": 2}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("photo.png", r"'photo.png' is no input; .*perhaps image=photo.png"),
        ("@nothing.json", "the file nothing.json cannot be read: No such file"),
        ("count=@nothing.json", "the file nothing.json cannot be read: No such file"),
        ("{nothing", "the inputs: not JSON"),
        ("@list.json", "it must be an object"),
        ("count=@text.txt", "count: the file text.txt is not JSON"),
        ("count=@deep.json", "count: the file deep.json is nested too deeply"),
        (f"count={DEEP}", r"count: \[+\.\.\. is nested too deeply"),
        ("a b=1", "'a b=1' is no input"),
    ],
)
def test_word_that_is_no_input_is_refused(tmp_path: Path, word: str, message: str) -> None:
    """The message names the word, and what could be written."""
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "text.txt").write_text("text")
    (tmp_path / "deep.json").write_text(DEEP)
    with pytest.raises(InvalidValueError, match=message):
        read_inputs(SCHEMAS, [word], tmp_path)


def test_field_given_twice_is_refused(tmp_path: Path) -> None:
    """Two values for one field are a mistake of whoever typed them."""
    with pytest.raises(InvalidValueError, match="count is given twice"):
        read_inputs(SCHEMAS, ["count=1", "count=2"], tmp_path)


def test_example_can_be_typed() -> None:
    """An example has a value of each input's type, quoted for the shell."""
    schemas = {**SCHEMAS, "kind": {"enum": ["one way", "other"]}}
    assert run_example("look", schemas) == (
        "taskmgr run look image=photo.jpg text=text count=1 'kind=one way'"
    )
