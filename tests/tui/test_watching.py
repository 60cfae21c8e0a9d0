"""What the dashboard does for its user, and what its page says of the keys."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from recorded_home import NOW, Home, run_id

from taskmgr_core import watching
from taskmgr_core.specs import FieldSpec, Release, StoredFile, TaskSpec, TaskVersion
from taskmgr_plugins import File
from taskmgr_plugins.schemas import schema_of
from taskmgr_tui.screens.asking import KEYS

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "watch-with-the-dashboard.md"


def published(home: Home) -> None:
    """Record a task that takes a text and a file."""
    fields = (FieldSpec("text", {"type": "string"}), FieldSpec("file", schema_of(File)))
    said = (FieldSpec("said", {"type": "string"}),)
    stored = StoredFile("echo.whl", home.table["$artifact"], 33)
    at = "2026-11-22T10:00:00+00:00"
    release = Release("taskmgr-echo", "1.0", stored, stored, stored, (), "3.11", "linux", at)
    home.client.metadata.add_versions([TaskVersion(TaskSpec("echo", fields, said), release)])


def test_run_is_tried_again_with_its_inputs(own: Home) -> None:
    """The new run has the same values, files included, and the old one stays as it was."""
    published(own)
    watcher = own.watcher()
    first = own.client.submit("echo", {"text": "hello", "file": own.table})
    again = watcher.again(first)
    assert again != first
    old, new = watcher.run(first), watcher.run(again)
    assert {each.port: each.digest for each in new.values} == {
        each.port: each.digest for each in old.values
    }
    assert (new.run.name, new.run.status, old.run.status) == ("echo", "running", "running")


def test_rates_are_of_the_newest_runs_only(own: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read does not grow with the history: it ends at so many runs."""
    monkeypatch.setattr(watching, "LATEST_RUNS", 5)
    watcher = own.watcher()
    assert {each.run for each in watcher.latest_times()} == {run_id(each) for each in range(6, 11)}
    own.begin(11, NOW)
    assert {each.run for each in watcher.latest_times()} == {run_id(each) for each in range(7, 12)}


def test_times_are_read_once_of_runs_that_have_ended(own: Home) -> None:
    """What is told is as if all were read anew; of those that have ended nothing is asked for."""
    watcher, statements = own.watcher(), list[str]()
    watcher.latest_times()
    own.end(own.claim(run_id(9), "001", NOW), NOW, [1.0])
    own.whole(11, NOW)
    database = own.client.metadata._database  # type: ignore[attr-defined]
    connection = database.look(lambda connection: connection)
    connection.set_trace_callback(statements.append)
    found = watcher.latest_times()
    (asked,) = statements
    connection.set_trace_callback(None)
    assert run_id(1) in asked
    assert run_id(9) not in asked
    assert found == own.watcher().latest_times() == own.client.metadata.latest_times(100)


def test_page_has_every_key() -> None:
    """The table of the how-to page is the one that ? shows."""
    rows = re.findall(r"^\| `(.*?)` \| (.*?) \|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [*KEYS]
