"""From publishing to the last look at a run, as users type it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

TEXT = "to be or not"


@pytest.fixture(scope="session")
def run(shared: CommandLine, projects: Path) -> dict[str, Any]:
    """What `taskmgr run measured --json` printed."""
    found: dict[str, Any] = shared.at(projects).json("run", "measured", f"text={TEXT}")
    return found


def test_publish_says_what_became_of_it(projects: Path, empty: CommandLine) -> None:
    """The first time with version, wheel and stages, the second time only that nothing changed."""
    first = empty("publish", projects / "talk")
    assert "lengths, read, talk, words, write 1.0.0 published in" in first.out
    assert "talk: locking the dependencies" in first.err
    assert "1.0.0 unchanged" in empty("publish", projects / "talk").out
    view = empty.json("publish", projects / "talk")["published"][0]
    assert (view["changed"], view["tasks"]) == (
        False,
        ["lengths", "read", "talk", "words", "write"],
    )


def test_run_joins_the_declared_result(run: dict[str, Any]) -> None:
    """The JSON has the run's id, its status, and the result as the pipeline declares it."""
    assert (run["name"], run["kind"], run["status"]) == ("measured", "pipeline", "succeeded")
    assert run["error"] is None
    result = run["result"]
    assert result["count"] == 4
    assert result["words"][0] == {
        "word_id": "word_0",
        "word": {"word": "to", "source": "output_001_words"},
        "length": {"letters": 4, "source": "output_002_result"},
    }
    summary = result["processing_summary"]
    assert summary["total_time"] > 0
    assert summary["data_lineage"]["output_001_words"] == ["input_001_text"]


def test_run_prints_the_result_only(taskmgr: CommandLine) -> None:
    """In a pipe stdout has the result and stderr the run's id, both without colours."""
    done = taskmgr("run", "words", f"text={TEXT}")
    assert "word_3   not" in done.out
    assert "\x1b" not in done.out
    assert re.fullmatch(r"run [0-9a-f-]{36}\n", done.err)


def test_list_has_tasks_and_pipelines(taskmgr: CommandLine) -> None:
    """Every published task with version, queue and description, and the pipelines."""
    listed = taskmgr.json("list")
    tasks = {each["name"]: each for each in listed["tasks"]}
    assert tasks["words"]["description"] == "Cut a text into words."
    assert tasks["words"]["version"] == "1.0.0"
    assert "measured" in [each["name"] for each in listed["pipelines"]]  # others have theirs, too
    assert "Cut a text into words and measure them." in taskmgr("list").out


def test_info_of_a_task_has_an_example_that_runs(taskmgr: CommandLine) -> None:
    """Inputs and outputs have their types, and the example does what it says."""
    told = taskmgr("info", "words").out
    assert "array of Word" in told
    example = told.splitlines()[-1]
    assert example == "taskmgr run words text=text"
    taskmgr(*example.split()[1:])


def test_info_of_a_pipeline_has_the_mapping(taskmgr: CommandLine, projects: Path) -> None:
    """Of each port it is told where its value comes from; a file may be asked about as well."""
    view = taskmgr.json("info", "measured")
    assert view["steps"][1]["inputs"]["input_002_words"] == "output_001_words"
    assert view["steps"][1]["inputs"]["input_002_factor"] == {"value": 2}
    assert taskmgr.json("info", projects / "measured.json") == view
    assert "the constant 2" in taskmgr("info", "measured").out


def test_show_has_everything(taskmgr: CommandLine, run: dict[str, Any]) -> None:
    """Inputs, steps with their times, and the value of every port; a short id is enough."""
    detail = taskmgr.json("show", run["run_id"][-8:])
    assert detail["inputs"] == {"text": TEXT}
    assert [each["status"] for each in detail["steps"]] == ["succeeded", "succeeded"]
    assert detail["steps"][0]["seconds"]["compute"] >= 0
    ports = {each["port"] for each in detail["values"]}
    assert {"text", "input_002_factor", "output_002_result"} <= ports
    told = taskmgr("show", run["run_id"]).out
    assert "one after the other" in told
    assert "output_001_words" in told


def test_runs_lists_the_newest_first_and_pages(taskmgr: CommandLine) -> None:
    """A page ends where the next begins; a filter leaves out the others."""
    for text in "abc":
        taskmgr("run", "words", f"text={text}")
    first = taskmgr.json("runs", "--task", "words", "--limit", "2")["runs"]
    assert len(first) == 2
    assert first[0]["run_id"] > first[1]["run_id"]
    rest = taskmgr.json("runs", "--task", "words", "--before", first[1]["run_id"][-8:])["runs"]
    assert rest[0]["run_id"] < first[1]["run_id"]
    assert all(each["name"] == "words" for each in rest)
    assert "✓ succeeded" in taskmgr("runs", "--status", "succeeded").out


def test_logs_have_what_a_task_wrote(taskmgr: CommandLine, run: dict[str, Any]) -> None:
    """Each line stands behind its step."""
    assert taskmgr("logs", run["run_id"]).out == "002 measuring 4 words\n"
    (line,) = taskmgr.json("logs", run["run_id"])["lines"]
    assert (line["step"], line["stream"], line["text"]) == ("002", "stdout", "measuring 4 words")


def test_lineage_leads_from_the_result_to_the_input(
    taskmgr: CommandLine, run: dict[str, Any]
) -> None:
    """The tree goes up, or down; every edge is in the JSON and in the Mermaid chart."""
    up = taskmgr("lineage", run["run_id"]).out
    assert up.index("output_002_result") < up.index("output_001_words", up.index("by 002"))
    down = taskmgr("lineage", run["run_id"], "--down").out
    assert down.index("text") < down.index("output_001_words") < down.index("output_002_result")
    edges = taskmgr.json("lineage", run["run_id"])["edges"]
    assert {"source": "output_001_words", "target": "input_002_words"} in edges
    chart = taskmgr("lineage", run["run_id"], "--mermaid").out
    assert chart.startswith("flowchart LR")
    assert "p_output_001_words --> p_input_002_words" in chart


def test_lineage_of_a_file_finds_its_runs(taskmgr: CommandLine) -> None:
    """A file is found by its content, under any name, with what was made from it."""
    (taskmgr.folder / "one.txt").write_text("some content of its own")
    (taskmgr.folder / "same.txt").write_text("some content of its own")
    run = taskmgr.json("run", "read", "file=one.txt")
    (part,) = taskmgr.json("lineage", "--of", "same.txt")["led_to"]["parts"]
    assert part["run_id"] == run["run_id"]
    assert [each["port"] for each in part["reached"] if not each["source"]] == ["output_001_result"]
    assert "led to" in taskmgr("lineage", "--of", "same.txt").out
    (taskmgr.folder / "other.txt").write_text("never used anywhere")
    assert "no recorded value is" in taskmgr("lineage", "--of", "other.txt", code=2).err


def test_lineage_of_a_file_goes_on_in_other_runs(taskmgr: CommandLine) -> None:
    """What one run made and another was given connects the two, up and down, in every form."""
    first = taskmgr.json("run", "write", "text=from run to run", "--save", "saved")["run_id"]
    second = taskmgr.json("run", "read", "file=saved/output_001_result/note.txt")["run_id"]
    value = {each["port"]: each for each in taskmgr.json("show", second)["values"]}
    up = taskmgr.json("lineage", "--of", value["output_001_result"]["digest"])["made_from"]["parts"]
    assert [each["run_id"] for each in up] == [second, first]
    assert up[1]["through"] == [value["file"]["digest"]]
    assert {each["port"] for each in up[1]["reached"]} >= {"text"}
    of_text = taskmgr.json("show", first)["values"][0]["digest"]
    page = taskmgr.json("lineage", "--of", of_text, "--limit", "1")["led_to"]
    assert [each["run_id"] for each in page["parts"]] == [first]
    rest = taskmgr.json("lineage", "--next", page["next"])["led_to"]
    assert ([each["run_id"] for each in rest["parts"]], rest["next"]) == ([second], None)
    tree = taskmgr("lineage", "--of", of_text).out.partition("led to")[2]
    assert tree.index(first[-8:]) < tree.index("output_001_result") < tree.index(second[-8:])
    chart = taskmgr("lineage", "--of", of_text, "--mermaid").out
    one, other = (f"r_{each.replace('-', '')}" for each in (first, second))
    assert f"{one}_output_001_result --> {other}_file" in chart


def test_file_that_cannot_be_made_is_told_after_the_result(taskmgr: CommandLine) -> None:
    """A picture of a run that has none, or a place that cannot be written, is exit code 2."""
    done = taskmgr("run", "add", "left=1", "--png", "picture.png", code=2)
    assert "result  2" in done.out
    assert "lies on a picture" in done.err
    (taskmgr.folder / "file").write_text("")
    done = taskmgr("run", "add", "left=1", "--report", "file/report.html", code=2)
    assert "file/report.html cannot be written" in done.err


def test_report_is_written(taskmgr: CommandLine) -> None:
    """`run` and `show` write the HTML report, and make its folder."""
    run = taskmgr.json("run", "measured", "text=a b", "--report", "reports/one.html")
    taskmgr("show", run["run_id"], "--report", "reports/two.html")
    first, second = (taskmgr.folder / "reports" / f"{name}.html" for name in ("one", "two"))
    assert "measured" in first.read_text()
    assert second.read_text() == first.read_text()


def test_virtualenvs_are_listed_and_removed(projects: Path, empty: CommandLine) -> None:
    """One for each plugin; `gc` leaves what was used a moment ago."""
    empty("publish", projects / "talk")
    (info,) = empty.json("env", "list")["environments"]
    assert info["distribution"] == "taskmgr-talk"
    assert info["size_bytes"] > 0
    assert "taskmgr-talk" in empty("env", "list").out
    assert empty.json("env", "gc", "--size", "0") == {"removed": []}
    assert "used within the last minute" in empty("env", "gc", "--size", "0").out
    assert "20 GB may stay" in empty("env", "gc").out


def test_doctor_finds_a_damaged_virtualenv(alone: CommandLine) -> None:
    """A changed file is told with the plugin and the command that puts it right."""
    (changed,) = alone.home.glob(
        "environments/taskmgr-talk-*/lib/*/site-packages/taskmgr_talk/*.py"
    )
    changed.unlink()
    changed.write_text("")
    told = alone("doctor", code=1).out
    assert "taskmgr-talk 1.0.0 is damaged" in told
    assert "`taskmgr env repair` removes it" in told
    assert "removed taskmgr-talk 1.0.0" in alone("env", "repair").out
    with alone.worker():  # on servers it is a fault that there is none
        assert alone("doctor").out.count("unchanged") == 1
    assert alone.json("run", "words", "text=one two")["result"]["count"] == 2


@pytest.mark.embedded("a damaged copy of what is in a bucket is fetched anew")
def test_doctor_finds_a_damaged_artifact(projects: Path, empty: CommandLine) -> None:
    """All is well at first; a published wheel that is damaged is a fault, with what to do."""
    empty("publish", projects / "talk")
    assert "intact" in empty("doctor").out
    digest = empty.json("info", "words")["release"]["wheel_digest"].removeprefix("sha256:")
    wheel = empty.home / "artifacts" / digest[:2] / digest
    wheel.chmod(0o644)
    wheel.write_bytes(b"damaged")
    told = empty("doctor", code=1).out
    assert "publish taskmgr-talk again" in told
    states = {each["check"]: each["state"] for each in empty.json("doctor", code=1)["findings"]}
    assert states["artifacts"] == "fault"
    assert states["database"] == "ok"


def test_pipeline_file_runs_without_being_published(taskmgr: CommandLine, projects: Path) -> None:
    """`run` takes a file, and inputs from a file."""
    (taskmgr.folder / "inputs.json").write_text(json.dumps({"text": "one two"}))
    run = taskmgr.json("run", projects / "measured.json", "@inputs.json")
    assert run["result"]["count"] == 2


@pytest.mark.parametrize(
    "words",
    [
        ("list",),
        ("info", "words"),
        ("info", "measured"),
        ("runs",),
        ("show", "{run}"),
        ("logs", "{run}"),
        ("lineage", "{run}"),
        ("worker", "status"),
        ("env", "list"),
        ("doctor",),
        ("config",),
    ],
    ids=" ".join,
)
def test_reading_command_prints_one_json_value(
    taskmgr: CommandLine, run: dict[str, Any], words: tuple[str, ...]
) -> None:
    """With --json stdout is one JSON object and stderr is empty."""
    done = taskmgr(*(word.format(run=run["run_id"]) for word in words), "--json")
    assert isinstance(json.loads(done.out), dict)
    assert done.err == ""


def test_names_are_completed(taskmgr: CommandLine, run: dict[str, Any]) -> None:
    """Commands, tasks, pipelines, the inputs of a task and the ids of runs are completed."""
    assert "lineage" in taskmgr.completed("line")
    assert "measured" in taskmgr.completed("run", "mea")
    assert "words" in taskmgr.completed("test", "wo")
    assert "text=" in taskmgr.completed("run", "measured", "")
    assert "text=" not in taskmgr.completed("run", "measured", "text=a", "")
    assert run["run_id"][-8:] in taskmgr.completed("show", run["run_id"][-8:-2])


def test_files_of_a_run_are_saved(taskmgr: CommandLine, tmp_path: Path) -> None:
    """What a task gave as a file is copied out, by the run itself and later from its record."""
    run = taskmgr.json("run", "write", "text=hello", "--save", "now")
    saved = Path("output_001_result") / "note.txt"
    assert (tmp_path / "now" / saved).read_text() == "hello"
    taskmgr("show", run["run_id"], "--save", "later")
    assert (tmp_path / "later" / saved).read_text() == "hello"


def test_lineage_takes_the_short_digests_that_are_shown(taskmgr: CommandLine) -> None:
    """The digest that a table prints is enough to ask where the value came from."""
    run = taskmgr.json("run", "write", "text=a text of its own")
    shown = taskmgr.json("show", run["run_id"])
    digest = next(each["digest"] for each in shown["values"] if each["port"] == "text")
    found = taskmgr("lineage", "--of", digest.removeprefix("sha256:")[:12])
    assert run["run_id"][-8:] in found.out
