"""Steps that are run only where their condition holds."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import CommandLine
from test_pipeline_failures import statuses, step

WHEN = 'output_001_result > 10 && text != "never"'


def branching(folder: Path) -> Path:
    """Small numbers are doubled by one branch, large ones by another; both lead to a sum."""
    path = folder / "branching.json"
    steps = [
        step("001", "add", {"left": "number", "right": {"value": 0}}),
        step("002", "add", {"left": "output_001_result", "right": {"value": 100}}, when=WHEN),
        step("003", "add", {"left": "output_002_result"}),
        step("004", "add", {"left": "number"}, when=f"!({WHEN})", default={"result": -5}),
        step("005", "add", {"left": "output_004_result", "right": "output_001_result"}),
    ]
    document = {
        "pipeline": "branching",
        "inputs": {"number": "integer", "text": "string"},
        "steps": steps,
        "result": {"large": "output_003_result", "any": "output_005_result"},
    }
    path.write_text(json.dumps(document))
    return path


def test_branch_is_taken_by_its_condition(taskmgr: CommandLine, tmp_path: Path) -> None:
    """What is left out is skipped, and so is what takes it, unless it has a default."""
    path = branching(tmp_path)
    small = taskmgr.json("run", path, "number=3", "text=x")
    assert (small["result"]["large"], small["result"]["any"]) == (None, 7)
    assert statuses(taskmgr, small) == {
        "001": "succeeded",
        "002": "skipped",
        "003": "skipped",
        "004": "succeeded",
        "005": "succeeded",
    }
    large = taskmgr.json("run", path, "number=11", "text=x", "--report", tmp_path / "report.html")
    assert (large["result"]["large"], large["result"]["any"]) == (112, 6)
    assert statuses(taskmgr, large)["004"] == "skipped"


def test_decision_is_recorded_with_what_it_was_found_from(
    taskmgr: CommandLine, tmp_path: Path
) -> None:
    """Its answer is a value of the run, with edges from what it reads, and is in the log."""
    run = taskmgr.json("run", branching(tmp_path), "number=3", "text=x")
    shown = taskmgr.json("show", run["run_id"])
    values = {each["port"]: each["value"] for each in shown["values"]}
    assert (values["when_002"], values["when_004"]) == (False, True)
    sources = {each["source"] for each in shown["edges"] if each["target"] == "when_002"}
    assert sources == {"output_001_result", "text"}
    assert f"left out: {WHEN} does not hold" in taskmgr("logs", run["run_id"]).out


def test_condition_that_cannot_be_told_fails_its_step(taskmgr: CommandLine, tmp_path: Path) -> None:
    """The run fails with the code condition, and on_error holds for it as for any failure."""
    path = tmp_path / "wrong.json"
    document = {
        "pipeline": "wrong",
        "inputs": {"number": "integer"},
        "steps": [step("001", "add", {"left": "number"}, when="10 / number > 0")],
    }
    path.write_text(json.dumps(document))
    run = taskmgr.json("run", path, "number=0", code=1)
    assert run["error"]["code"] == "condition"
    assert "divide by zero" in run["error"]["message"]
    err = taskmgr("run", path, "number=none", code=2).err
    assert "number" in err


def test_switch_runs_one_of_its_cases(taskmgr: CommandLine, tmp_path: Path) -> None:
    """The steps of the case that the text is are run, the others are skipped."""
    path = tmp_path / "switch.json"
    document = {
        "pipeline": "switched",
        "inputs": {"kind": "string"},
        "steps": [step(f"00{number}", "add", {"left": {"value": number}}) for number in (1, 2, 3)],
        "switch": [{"on": "kind", "cases": {"one": ["001"], "two": ["002"]}, "otherwise": ["003"]}],
    }
    path.write_text(json.dumps(document))
    assert "kind: is missing; give kind=<string>" in taskmgr("run", path, code=2).err
    run = taskmgr.json("run", path, "kind=two")
    assert statuses(taskmgr, run) == {"001": "skipped", "002": "succeeded", "003": "skipped"}


def test_default_stands_in_the_result_as_in_a_step(taskmgr: CommandLine, tmp_path: Path) -> None:
    """Of a pipeline and of a step for each of a list: the result shows what a later step takes."""
    inner, outer = tmp_path / "one_more.json", tmp_path / "stands.json"
    document = {
        "pipeline": "one_more",
        "inputs": {"number": "integer"},
        "steps": [step("001", "add", {"left": "number"})],
        "result": {"sum": "output_001_result"},
    }
    inner.write_text(json.dumps(document))
    taskmgr("publish", inner)
    left = {"left": "numbers"}
    whole = {"id": "001", "pipeline": "one_more", "inputs": {"input_001_number": "number"}}
    document = {
        "pipeline": "stands",
        "inputs": {
            "number": "integer",
            "numbers": {"type": "array", "items": {"type": "integer"}},
            "go": "boolean",
        },
        "steps": [
            {**whole, "when": "go", "default": {"sum": 100}},
            step("002", "add", left, map="numbers", when="go", default={"result": -1}),
            step("003", "add", {"left": "output_001_sum"}),
        ],
        "result": {
            "sum": "output_001_sum",
            "all": "output_002_result",
            "next": "output_003_result",
        },
    }
    outer.write_text(json.dumps(document))
    result = taskmgr.json("run", outer, "number=1", "numbers=[1]", "go=false")["result"]
    assert (result["sum"], result["all"], result["next"]) == (100, [], 101)
