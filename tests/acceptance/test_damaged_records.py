"""Records of the database that cannot be read: what they spoil, and what goes on."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from command_line import CommandLine

pytestmark = pytest.mark.embedded("the records of the SQLite file are damaged")


@pytest.fixture
def run(projects: Path, empty: CommandLine) -> str:
    """A run of the task ``words`` in a home of its own."""
    empty("publish", projects / "talk")
    return str(empty.json("run", "words", "text=to be")["run_id"])


def spoil(home: Path, statement: str, *parameters: str) -> None:
    """Change the database behind taskmgr's back."""
    with sqlite3.connect(home / "metadata.sqlite3") as connection:
        assert connection.execute(statement, parameters).rowcount > 0
    connection.close()


def test_run_with_a_damaged_graph(run: str, empty: CommandLine) -> None:
    """What needs the graph ends with 3, names it and the cure; what does not goes on."""
    digest = empty.json("show", run)["values"][0]["digest"]
    log = empty("logs", run).out
    spoil(empty.home, "UPDATE runs SET graph = '{'")
    for words in (("show", run), ("lineage", run)):
        told = empty(*words, code=3).err
        assert f"the stored graph of run {run} is damaged: not JSON" in told
        assert "submit the run again" in told
    assert empty("logs", run).out == log
    assert empty.json("runs")["runs"][0]["run_id"] == run
    parts = empty.json("lineage", "--of", digest)["led_to"]["parts"]
    assert {each["run_id"] for each in parts} == {run}
    assert "has ended already" in empty("cancel", run, code=1).out


def test_run_with_a_damaged_value_is_left_out_of_the_lineage_of_a_file(
    run: str, empty: CommandLine
) -> None:
    """The other runs that a value was used in are told, and a warning names the damaged one."""
    other = str(empty.json("run", "words", "text=to be")["run_id"])
    digest = empty.json("show", run)["values"][0]["digest"]
    statement = "UPDATE field_values SET document = '{' WHERE run = ? AND producer <> ''"
    spoil(empty.home, statement, run)
    told = empty("lineage", "--of", digest)
    assert other[-8:] in told.out
    assert run[-8:] not in told.out
    assert f"in run {run} is damaged" in told.err


def test_doctor_names_damaged_records_and_publishing_heals_a_task(
    run: str, projects: Path, empty: CommandLine
) -> None:
    """Each damaged record is a fault with its cure; following that for a task puts it right."""
    spoil(empty.home, "UPDATE task_versions SET document = '{' WHERE task = 'words'")
    told = empty.json("doctor", code=1)["findings"]
    (found,) = [each for each in told if each["check"] == "records"]
    assert found["state"] == "fault"
    assert "the stored version 1.0.0 of task 'words' is damaged" in found["message"]
    assert found["advice"] == "taskmgr-talk: publish the same again, that puts it right"
    assert "1.0.0 published in" in empty("publish", projects / "talk").out
    assert "every task, pipeline, run and value can be read" in empty("doctor").out
    assert empty.json("run", "words", "text=to be")["status"] == "succeeded"
