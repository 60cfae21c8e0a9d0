"""What the dashboard does for its user, and what its page says of the keys."""

from __future__ import annotations

import re
from pathlib import Path

from recorded_home import NOW, Home

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


def test_rates_are_of_the_newest_runs_only(own: Home) -> None:
    """What is read does not grow with the history: it ends at so many runs."""
    from taskmgr_core import watching

    for number in range(100, 101 + watching.LATEST_RUNS):
        own.begin(number, NOW)
    assert len({each.run for each in own.watcher().latest_times()}) == watching.LATEST_RUNS


def test_page_has_every_key() -> None:
    """The table of the how-to page is the one that ? shows."""
    rows = re.findall(r"^\| `(.*?)` \| (.*?) \|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [*KEYS]
