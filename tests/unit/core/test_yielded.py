"""What a task yields on its way to the stores: files, checks, and the list in the end."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import uuid_utils

from taskmgr_core.errors import RunnerError
from taskmgr_core.orchestrator.starting import first_steps
from taskmgr_core.orchestrator.validation import Validator
from taskmgr_core.specs import Edge, Feed, FieldSpec, Graph, GraphStep, Run
from taskmgr_core.stores.directory import DirectoryArtifacts
from taskmgr_core.stores.sqlite import SqliteMetadata
from taskmgr_core.values import references
from taskmgr_core.worker.streaming import ALONE, Yielded, whole_list

TEXTS = FieldSpec("result", {"type": "array", "items": {"type": "string"}})
FILES = FieldSpec("result", {"type": "array", "items": {"x-taskmgr-type": "File"}})


def yielded(folder: Path, field: FieldSpec, *, fed: bool = True, whole: bool = False) -> Yielded:
    """What the first step of a run yields, for its second one or for none."""
    feeds = (Feed("002", "develop", 100),) if fed else ()
    first = GraphStep("001", "film", "1.0", "default", 5, 60.0, 512, 0, {}, ("result",), ())
    second = attrs.evolve(first, id="002", task="develop", after=("001",), map="output_001_result")
    first = attrs.evolve(first, feeds=feeds, whole=whole)
    graph = Graph("film", {}, (), {}, (first, second), {"all": "output_002_result"})
    run = Run(str(uuid_utils.uuid7()), "film", "pipeline", graph, "running", 0.0)
    metadata = SqliteMetadata(folder / "metadata.sqlite3")
    metadata.initialize()
    metadata.create_run(run, first_steps(run, 0.0), ())
    claim = metadata.claim_step(run.id, "001", "worker", 1.0)
    assert claim is not None
    artifacts = DirectoryArtifacts(folder / "artifacts")
    return Yielded(claim, field, artifacts, metadata, Validator(), 100, ALONE, lambda: False)


def test_files_do_not_gather_in_the_working_folder(tmp_path: Path) -> None:
    """Once an item is stored its file is gone, so that a long stream takes no more room."""
    found = yielded(tmp_path, FILES)
    work = tmp_path / "work"
    work.mkdir()
    for number in range(3):
        (work / "frame").write_text(f"frame {number}")
        found.take([{"$file": "frame", "name": "frame.txt"}], work, ())
        assert list(work.iterdir()) == []
    digests = [each["$artifact"] for each in references(found.documents)]
    assert [found.artifacts.read(each) for each in digests] == [
        f"frame {number}".encode() for number in range(3)
    ]
    assert found.edges[2] == Edge("output_001_result", "output_001_result[2]")


def test_list_that_nobody_takes_names_no_file_once_more(tmp_path: Path) -> None:
    """A long one is a file itself; where others take it, it has its files for them to find."""
    work = tmp_path / "work"
    work.mkdir()
    for whole, artifacts in ((False, 1), (True, 9)):
        found = yielded(tmp_path, FILES, whole=whole)
        for number in range(9):
            (work / "frame").write_text(f"frame {number}")
            found.take([{"$file": "frame", "name": "frame.txt"}], work, ())
        value = whole_list(found, 100)
        assert len(value.artifacts) == artifacts
        assert ("$artifact" in value.document) == (not whole)


def test_item_that_does_not_fit_is_named(tmp_path: Path) -> None:
    """With its index in the whole stream, and it is never tried again."""
    found = yielded(tmp_path, TEXTS, fed=False)
    found.take(["a", "b"], tmp_path, ())
    with pytest.raises(RunnerError, match=r"result\[3\]") as raised:
        found.take(["c", 4], tmp_path, ())
    assert (raised.value.code, raised.value.retryable) == ("invalid-output", False)
