"""Types of values that plugins bring: schema, to JSON and back, wherever they stand."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from fake_plugins import PluginFolder, Runner
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_plugins import File, ValueType, installed_types
from taskmgr_plugins.converter import ValueConverter
from taskmgr_plugins.errors import InvalidValueError, TaskDefinitionError
from taskmgr_plugins.installed_types import Installed, announced
from taskmgr_plugins.schemas import named_type, schema_of


class Sound:
    """Somebody's own class; the SDK knows nothing of it."""

    def __init__(self, rate: int, samples: list[float]) -> None:
        self.rate = rate
        self.samples = samples


class Page:
    """A class that is carried as a file."""

    def __init__(self, text: str) -> None:
        self.text = text


@attrs.frozen
class Record:
    """What a sound is carried as."""

    rate: int
    samples: list[float]


SOUND = ValueType(
    Sound,
    Record,
    pack=lambda sound: Record(sound.rate, sound.samples),
    unpack=lambda record: Sound(record.rate, record.samples),
    schema={"title": "Sound", "description": "a mono recording"},
)
PAGE = ValueType(
    Page,
    File,
    pack=lambda page: File(page.text.encode(), name="page.txt"),
    unpack=lambda file: Page(file.read_bytes().decode()),
    name="TextPage",
)


@attrs.frozen
class Song:
    """A record of a task with such values inside."""

    title: str
    parts: list[Sound]
    cover: Page | None = None


@pytest.fixture(autouse=True)
def types(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are announced by an installed plugin."""
    found = Installed({"Sound": SOUND, "TextPage": PAGE}, ("the hook plugin 'bad': it is broken",))
    monkeypatch.setattr(installed_types, "installed", lambda: found)


@pytest.fixture
def converter(tmp_path: Path) -> ValueConverter:
    """Writes into an empty folder."""
    return ValueConverter(tmp_path)


def test_schema_is_that_of_what_carries_it_with_its_name() -> None:
    """Further words are added, and the type's name is the mark that ports are compared by."""
    assert schema_of(Sound) == {
        **schema_of(Record),
        "title": "Sound",
        "description": "a mono recording",
        "x-taskmgr-type": "Sound",
    }
    assert schema_of(Page) == {**schema_of(File), "x-taskmgr-type": "TextPage"}
    assert schema_of(list[Page | None])["items"]["anyOf"][0]["x-taskmgr-type"] == "TextPage"


def test_pipeline_may_name_it() -> None:
    """A pipeline file names it as it names the types of the SDK, which go first."""
    assert named_type("TextPage") == schema_of(Page)
    assert named_type("Image") == {**schema_of(File), "x-taskmgr-type": "Image"}
    assert named_type("Page") is None


@given(st.integers(1, 10**6), st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_value_comes_back_as_it_was(rate: int, samples: list[float]) -> None:
    """To JSON and back gives an equal value of the class."""
    converter = ValueConverter(Path())
    document = json.loads(json.dumps(converter.unstructure(Sound(rate, samples), Sound, "s")))
    again = converter.structure(document, Sound, "s")
    assert isinstance(again, Sound)
    assert (again.rate, again.samples) == (rate, samples)


def test_value_inside_a_record_is_carried_too(converter: ValueConverter) -> None:
    """In lists, unions and attributes of a task's own classes, with files for what is one."""
    song = Song("la", [Sound(8000, [0.5])], Page("cover"))
    document = converter.unstructure(song, Song, "song")
    assert document["parts"] == [{"rate": 8000, "samples": [0.5]}]
    written = converter.folder / document["cover"]["$file"]
    assert written.read_text() == "cover"
    converter.paths = {"sha256:1": str(written)}
    given = {**document, "cover": {"$artifact": "sha256:1", "name": "page.txt"}}
    again = converter.structure(given, Song, "song")
    assert again.parts[0].rate == 8000
    assert again.cover is not None
    assert again.cover.text == "cover"


def test_value_of_another_class_is_refused_with_its_place(converter: ValueConverter) -> None:
    """A task that returns something else hears where, and what was wanted."""
    wrong: Any = Song("la", ["noise"])  # type: ignore[list-item]
    with pytest.raises(InvalidValueError, match=r"song.parts\[0\]: 'noise' is not Sound"):
        converter.unstructure(wrong, Song, "song")


def test_document_that_does_not_fit_is_refused_with_its_place(converter: ValueConverter) -> None:
    """What carries it is checked as strictly as a value of its own."""
    with pytest.raises(InvalidValueError, match=r"song.parts\[0\].rate: 'fast' is not of type int"):
        converter.structure(
            {"title": "la", "parts": [{"rate": "fast", "samples": []}]}, Song, "song"
        )


def test_class_that_nobody_announces_is_refused_with_those_that_are() -> None:
    """The message has the types of plugins, and which plugin could not be asked."""

    class Unknown:
        pass

    with pytest.raises(TaskDefinitionError) as refused:
        schema_of(Unknown, "task t, input x")
    assert "task t, input x: Unknown cannot be passed between tasks" in str(refused.value)
    assert "of plugins Sound, TextPage; the hook plugin 'bad': it is broken" in str(refused.value)


def test_type_that_is_carried_as_itself_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A circle ends with a message."""
    circle = ValueType(Sound, list[Sound], pack=lambda it: it, unpack=lambda it: it)
    monkeypatch.setattr(installed_types, "installed", lambda: Installed({"Sound": circle}, ()))
    with pytest.raises(TaskDefinitionError, match="Sound cannot be passed"):
        schema_of(Sound)


# installed plugins

AUDIO = """
from taskmgr_plugins import ValueType

class Audio:
    def __init__(self, rate):
        self.rate = rate

@hookimpl
def taskmgr_value_types():
    return [ValueType(Audio, int, pack=lambda audio: audio.rate, unpack=Audio)]

@task
def faster(audio: Audio, by: int = 2) -> list[Audio]:
    return [Audio(audio.rate * by)]

TASKS = [faster]
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Runner]]:
    """Start a runner for a plugin that has both groups of entry points."""
    runners = []

    def started(source: str, more: str = "") -> Runner:
        plugin = PluginFolder(tmp_path).write(source, "faster")
        points = tmp_path / f"{plugin.distribution}-1.2.dist-info" / "entry_points.txt"
        points.write_text(f"{points.read_text()}\n[taskmgr.hooks]\naudio = {plugin.module}\n{more}")
        (tmp_path / "work").mkdir()
        runners.append(Runner(plugin, tmp_path / "work"))
        assert runners[-1].receive() is not None
        return runners[-1]

    yield started
    for each in runners:
        each.close()


def test_runner_finds_the_types_of_its_virtualenv(start: Callable[[str], Runner]) -> None:
    """A task takes and gives values of a class that a plugin beside it announces."""
    runner = start(AUDIO)
    (task,) = runner.ask({"kind": "describe"})["tasks"]
    assert task["inputs"][0]["schema"] == {"type": "integer", "x-taskmgr-type": "Audio"}
    assert runner.call("faster", audio=8000)["outputs"] == {"result": [16000]}
    refused = runner.call("faster", audio="loud")
    assert (refused["type"], refused["message"]) == (
        "InvalidValueError",
        "audio: 'loud' is not of type int",
    )


def test_broken_plugin_beside_a_task_is_named_where_a_type_is_missing(
    start: Callable[..., Runner],
) -> None:
    """Whoever cannot find a type hears which plugin could not be imported."""
    source = AUDIO.replace("return [ValueType(", "return 1/0 or [ValueType(")
    said = start(source, "worse = no_such_module_here\n").ask({"kind": "describe"})["message"]
    assert "Audio cannot be passed between tasks" in said
    assert "the hook plugin 'audio': ZeroDivisionError: division by zero" in said
    assert "the hook plugin 'worse': ModuleNotFoundError" in said


def test_plugin_must_announce_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything else is refused with what it was."""
    from taskmgr_plugins import hookimpl

    class Plugin:
        @hookimpl
        def taskmgr_value_types(self) -> Any:
            return [int]

    with pytest.raises(TaskDefinitionError, match="must return a list of ValueType"):
        announced(Plugin)


def test_type_is_announced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of a name is a fault of its plugin; the first stays."""
    monkeypatch.undo()

    class Point:
        name = "twice"

        def load(self) -> object:
            from taskmgr_plugins import hookimpl

            class Plugin:
                @hookimpl
                def taskmgr_value_types(self) -> Any:
                    return [SOUND]

            return Plugin

    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: [Point(), Point()])
    installed_types.installed.cache_clear()
    found = installed_types.installed()
    installed_types.installed.cache_clear()
    assert dict(found.types) == {"Sound": SOUND}
    assert "the value type 'Sound' is announced twice" in found.faults[0]
