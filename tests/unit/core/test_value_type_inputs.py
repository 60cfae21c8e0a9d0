"""Inputs of types that plugins announce, and pipelines that name them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipeline_examples import field, version_of

from taskmgr_core.errors import InvalidPipelineError
from taskmgr_core.inputs import InputReader, InvalidInputsError, from_text
from taskmgr_core.orchestrator.compatibility import problems_between
from taskmgr_core.orchestrator.graph import compile_pipeline
from taskmgr_core.orchestrator.validation import Validator
from taskmgr_core.specs import Graph, PipelineSpec, StepSpec
from taskmgr_core.stores.directory import DirectoryArtifacts
from taskmgr_plugins import File, ValueType, installed_types
from taskmgr_plugins.installed_types import Installed
from taskmgr_plugins.schemas import schema_of


class Page:
    """Carried as a file."""

    def __init__(self, text: str) -> None:
        self.text = text


class Sound:
    """Carried as numbers."""

    def __init__(self, samples: list[float]) -> None:
        self.samples = samples


PAGE = ValueType(
    Page,
    File,
    pack=lambda page: File(page.text.encode(), name="page.txt"),
    unpack=lambda file: Page(file.read_bytes().decode()),
)
SOUND = ValueType(Sound, list[float], pack=lambda sound: sound.samples, unpack=Sound)


@pytest.fixture(autouse=True)
def types(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are announced in this process."""
    found = Installed({"Page": PAGE, "Sound": SOUND}, ())
    monkeypatch.setattr(installed_types, "installed", lambda: found)


@pytest.fixture
def reader(tmp_path: Path) -> InputReader:
    """Reads inputs for a user in an empty folder."""
    store = DirectoryArtifacts(tmp_path / "artifacts")
    store.initialize()
    return InputReader(store, Validator(), 150, tmp_path)


def read(reader: InputReader, annotation: object, value: object) -> object:
    """The document of one input."""
    schemas = {"it": schema_of(annotation)}
    return reader.read(Graph("look", schemas, (), schemas, (), {}), {"it": value})["it"]


def test_value_of_the_class_is_stored_as_what_carries_it(reader: InputReader) -> None:
    """A Python program hands in the object itself, alone or in a list."""
    document = read(reader, list[Page], [Page("one"), Page("two")])
    assert isinstance(document, list)
    assert [reader.artifacts.read(each["$artifact"]) for each in document] == [b"one", b"two"]
    assert read(reader, Sound, Sound([0.5, 1])) == [0.5, 1.0]


def test_file_is_taken_for_what_is_carried_as_one(reader: InputReader) -> None:
    """A path, as for ``File``; on the command line as it is typed."""
    (reader.working / "note.txt").write_text("three")
    document = read(reader, Page, "note.txt")
    assert isinstance(document, dict)
    assert (reader.artifacts.read(document["$artifact"]), document["name"]) == (
        b"three",
        "note.txt",
    )
    assert from_text(schema_of(Page), "note.txt") == "note.txt"
    assert from_text(schema_of(Sound), "[1, 2]") == [1, 2]


def test_file_is_taken_where_no_plugin_of_this_process_knows_the_type(
    reader: InputReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schema alone says that it is one: only tasks need the plugin."""
    schema = schema_of(Page)
    monkeypatch.setattr(installed_types, "installed", lambda: Installed({}, ()))
    (reader.working / "note.txt").write_text("three")
    graph = Graph("look", {"it": schema}, (), {"it": schema}, (), {})
    document = reader.read(graph, {"it": "note.txt"})["it"]
    assert reader.artifacts.read(document["$artifact"]) == b"three"


def test_value_that_does_not_fit_what_carries_it_is_refused(reader: InputReader) -> None:
    """With the place in it, before anything is recorded."""
    with pytest.raises(InvalidInputsError, match=r"it\[1\]"):
        read(reader, Sound, [0.5, "loud"])


def test_types_are_compared_by_name() -> None:
    """A sound is no list of numbers to who wants a sound, and no page is a plain object."""
    assert problems_between(schema_of(Sound), schema_of(Sound)) == ()
    assert problems_between(schema_of(list[float]), schema_of(Sound))
    assert problems_between(schema_of(Page), schema_of(Sound))
    assert problems_between(schema_of(Page), {"type": "object"})


def test_pipeline_names_the_type_or_hears_which_there_are() -> None:
    """Names of plugins are as good as ours; a wrong one is told the nearest of both."""
    listen = version_of("listen", (field("it", Sound),), (field("result", float),))
    steps = (StepSpec("001", "listen", {"input_001_it": "noise"}),)
    graph = compile_pipeline(PipelineSpec("hear", {"noise": "Sound"}, steps), lambda *_: listen)
    assert graph.inputs["noise"] == schema_of(Sound)
    with pytest.raises(InvalidPipelineError, match="no type 'Sond'; did you mean 'Sound'"):
        compile_pipeline(PipelineSpec("hear", {"noise": "Sond"}, steps), lambda *_: listen)
