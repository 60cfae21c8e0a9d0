"""The form of a task: which field an input gets, what was meant, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
from driving import Driven, driven, press, text_of, until
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pictures
from recorded_home import Home
from recorded_tasks import LABEL
from textual.widgets import Input

from taskmgr_core.errors import Problem
from taskmgr_core.specs import FieldSpec
from taskmgr_plugins import Array, Image
from taskmgr_plugins.schemas import schema_of
from taskmgr_tui.core.forms import (
    Entry,
    entries_of,
    fault_of,
    paths_of,
    sorted_faults,
    values_of,
)
from taskmgr_tui.screens.run import RunScreen
from taskmgr_tui.screens.trying import TryScreen
from taskmgr_tui.widgets.forms import FormField


def entry(name: str, schema: Any, **options: Any) -> Entry:
    """A field of a form."""
    return entries_of([FieldSpec(name, schema, **options)])[0]


def test_each_input_gets_its_kind_of_field() -> None:
    """A picture, a text, a number, a choice, a box to tick, a file, and JSON for all else."""
    found = {each.name: (each.kind, each.default) for each in entries_of(LABEL)}
    assert found == {
        "picture": ("picture", ""),
        "title": ("text", ""),
        "size": ("number", "24"),
        "place": ("choice", '"bottom"'),
        "shadow": ("boolean", "true"),
        "font": ("file", "null"),
        "margins": ("json", "[4, 4]"),
    }
    assert entry("pixels", schema_of(Array)).kind == "file"
    assert entry("pictures", schema_of(list[Image])).kind == "json"


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("picture", " photo.png ", "photo.png"),
        ("title", "12", "12"),
        ("title", " as typed ", " as typed "),
        ("size", "12", 12),
        ("size", "many", "many"),
        ("place", "top", "top"),
        ("shadow", "false", False),
        ("font", "null", "null"),
        ("margins", "[1, 2.5]", [1, 2.5]),
    ],
)
def test_what_is_typed_becomes_the_value_that_was_meant(name: str, typed: str, value: Any) -> None:
    """Text stays text, all else is read as JSON; what is neither is left to be refused."""
    assert values_of(entries_of(LABEL), {name: typed}) == {name: value}


def test_empty_field_is_not_given() -> None:
    """The task's own default is used, or the input is missing."""
    assert values_of(entries_of(LABEL), {"title": "", "size": ""}) == {}


@given(st.lists(st.integers() | st.text(min_size=1), min_size=1, unique=True))
def test_choice_gives_the_value_and_not_its_text(choices: list[int | str]) -> None:
    """Numbers that can be chosen stay numbers, however they are shown."""
    field = entry("choice", {"enum": choices})
    shown = {text: value for text, value in field.choices.items() if text in map(str, choices)}
    for text, value in shown.items():
        assert values_of([field], {"choice": text}) == {"choice": value}
    assert all(isinstance(each, str) == (str(each) == each) for each in shown.values())


@pytest.mark.parametrize(
    ("name", "typed", "fault"),
    [
        ("size", "4", "less than the minimum of 8"),
        ("size", "many", '"many"'),
        ("size", "24", ""),
        ("margins", "[1, ", '"[1, "'),
        ("margins", '[1, "two"]', "two"),
        ("picture", "nowhere.png", "does not exist"),
        ("picture", ".", "is a folder"),
        ("picture", "sha256:12", ""),
        ("title", "", ""),
    ],
)
def test_fault_is_said_while_it_is_typed(recorded: Home, name: str, typed: str, fault: str) -> None:
    """The reason, without the field's name, which stands above it; nothing of an empty field."""
    field = next(each for each in entries_of(LABEL) if each.name == name)
    said = fault_of(field, typed, recorded.watcher(), recorded.folder)
    assert fault in said
    assert bool(said) == bool(fault)
    assert not said.startswith(name)


def test_faults_of_a_submission_stand_beside_their_fields() -> None:
    """By the name that each begins with; one that is of no field stands above them all."""
    fields = [entry("size", {}), entry("sizes", {})]
    problems = [
        Problem("size", "is missing"),
        Problem("sizes[2]", "is too large"),
        Problem("", "size: the file x does not exist"),
        Problem("other", "there is no such input"),
    ]
    beside, above = sorted_faults(fields, problems)
    assert beside == {
        "size": "is missing; the file x does not exist",
        "sizes": "[2]: is too large",
    }
    assert above == ["other: there is no such input"]


def test_path_goes_on_with_folders_then_files(tmp_path: Path) -> None:
    """Of pictures only those; hidden ones when their dot is typed; a folder's after its slash."""
    (tmp_path / "photos").mkdir()
    for name in ("photo.png", "photo.txt", ".hidden.png", "photos/b.jpg", "photos/a.JPG"):
        (tmp_path / name).touch()
    assert paths_of("ph", tmp_path, pictures=True) == ["photos/", "photo.png"]
    assert paths_of("ph", tmp_path, pictures=False) == ["photos/", "photo.png", "photo.txt"]
    assert paths_of("photos/", tmp_path, pictures=True) == ["photos/a.JPG", "photos/b.jpg"]
    assert paths_of(".h", tmp_path, pictures=True) == [".hidden.png"]
    assert paths_of(f"{tmp_path}/photo.", tmp_path, pictures=True) == [f"{tmp_path}/photo.png"]
    assert paths_of("nowhere/", tmp_path, pictures=True) == []


TRY = ("3", "j", "t")  # the second task of the list


def faults(pilot: Driven) -> dict[str, str]:
    """What stands below the fields."""
    found = {}
    for each in pilot.app.screen.query(FormField):
        found[each.entry.name] = str(each.query_one(".fault").render())
    return found


def test_task_is_tried_by_its_form(own: Home) -> None:
    """Wrong and missing inputs are refused beside their fields; the right ones become a run."""
    Pictures.new("RGB", (8, 8)).save(own.folder / "photo.png")
    own.client.reader = attrs.evolve(own.client.reader, working=own.folder)

    async def play(pilot: Driven) -> str:
        await press(pilot, *TRY)
        await until(pilot, lambda: isinstance(pilot.app.focused, Input), "the form")
        await pilot.press(*"photo.p")
        await until(pilot, lambda: faults(pilot)["picture"] == "✗ does not exist", "a fault")
        await pilot.press("right", "tab", "tab", "4", "enter")
        missing = "✗ is missing; give title=<string>"
        await until(pilot, lambda: faults(pilot)["title"] == missing, "what is missing")
        assert "less than the minimum of 8" in faults(pilot)["size"]
        assert faults(pilot)["picture"] == ""
        assert isinstance(pilot.app.screen, TryScreen)
        await pilot.press(*"Ada", "tab", *"42", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen), "its run")
        await press(pilot, "escape")
        return text_of(pilot.app)

    assert "3 Tasks" in driven(own.watcher(), play, size=(100, 40))
    (run,) = own.watcher().runs(name="label_picture")
    values = {each.port: each.document for each in own.client.detail(run.id).values}
    assert (values["title"], values["size"], values["shadow"]) == ("Ada", 42, True)
    assert values["picture"]["name"] == "photo.png"
