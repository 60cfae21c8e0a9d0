"""Steps that are run for each element of a list."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from command_line import CommandLine
from test_pipeline_failures import statuses, step

NUMBERS = {"type": "array", "items": {"type": "integer"}}


def mapped(folder: Path, task: str, inputs: Mapping[str, Any], **more: Any) -> Path:
    """A pipeline that runs a task for each of some numbers and counts what came of it."""
    path = folder / "mapped.json"
    document = {
        "pipeline": "mapped",
        "inputs": {"numbers": NUMBERS, "folder": "string"},
        "steps": [
            step("001", task, inputs, map="numbers", **more),
            step("002", "count", {"values": "output_001_result"}),
        ],
        "result": {"each": "output_001_result", "count": "output_002_result"},
    }
    path.write_text(json.dumps(document))
    return path


def run(taskmgr: CommandLine, path: Path, numbers: list[int], *, code: int = 0) -> Any:
    """Run it."""
    return taskmgr.json("run", path, f"numbers={json.dumps(numbers)}", "folder=x", code=code)


ADD = {"left": "numbers", "right": {"value": 10}}


def test_step_is_run_for_each_element(taskmgr: CommandLine, tmp_path: Path) -> None:
    """What the elements gave is a list in their order, for later steps and for the result."""
    numbers = [5, 3, 9, 1, 7]
    found = run(taskmgr, mapped(tmp_path, "add", ADD, parallel=2), numbers)
    assert found["result"]["each"] == [15, 13, 19, 11, 17]
    assert found["result"]["count"] == 5
    shown = taskmgr.json("show", found["run_id"])
    assert [each["elements"] for each in shown["steps"]] == [5, None]
    assert taskmgr("show", found["run_id"]).out.count("[3]") == 0


def test_element_has_a_lineage_of_its_own(taskmgr: CommandLine, tmp_path: Path) -> None:
    """From the list to the element, through the attempt at it, to the list of what came of it."""
    found = run(taskmgr, mapped(tmp_path, "add", ADD), [5, 3])
    told = taskmgr.json("lineage", found["run_id"], "--element", "001[1]")
    edges = {(each["source"], each["target"]) for each in told["edges"]}
    assert edges == {
        ("numbers", "numbers[1]"),
        ("numbers[1]", "input_001_left[1]"),
        ("input_001_left[1]", "output_001_result[1]"),
        ("input_001_right", "output_001_result[1]"),
        ("output_001_result[1]", "output_001_result"),
    }
    rows = taskmgr("lineage", found["run_id"], "--element", "001[1]").out.splitlines()
    (row,) = [each.split() for each in rows if each.startswith("output_001_result[1]")]
    assert row == ["output_001_result[1]", "13", "input_001_left[1],", "input_001_right"]
    assert "2 elements" in taskmgr("lineage", found["run_id"], "--element", "001[2]", code=2).err


def test_no_elements_give_no_values(taskmgr: CommandLine, tmp_path: Path) -> None:
    """A list without elements leads to lists without elements."""
    found = run(taskmgr, mapped(tmp_path, "add", ADD), [])
    assert (found["result"]["each"], found["result"]["count"]) == ([], 0)


ODD = {"number": "numbers"}


def test_element_that_fails_is_named(taskmgr: CommandLine, tmp_path: Path) -> None:
    """The run fails with the code of the element, whose index is told; what waits is dropped."""
    path = mapped(tmp_path, "odd", ODD, parallel=1)
    found = run(taskmgr, path, [1, 3, 4, 5, 7], code=1)
    assert found["error"]["code"] == "task-error"
    assert "element 2 of numbers: 4 is even" in found["error"]["message"]
    assert statuses(taskmgr, found) == {"001": "failed", "002": "skipped"}
    assert "001[3]" not in taskmgr("logs", found["run_id"]).out


def test_element_that_fails_may_be_left_out(taskmgr: CommandLine, tmp_path: Path) -> None:
    """With continue it is absent from the lists, with default it has a value of its own."""
    path = mapped(tmp_path, "odd", ODD, on_error="continue", retry={"count": 1, "delay": 0.01})
    assert run(taskmgr, path, [1, 4, 5])["result"]["each"] == [1, 5]
    path = mapped(tmp_path, "odd", ODD, on_error="default", default={"result": -1})
    assert run(taskmgr, path, [1, 4, 5])["result"]["each"] == [1, -1, 5]


def test_elements_that_failed_are_told_of_a_run_that_succeeded(
    taskmgr: CommandLine, tmp_path: Path
) -> None:
    """`show` and its JSON count them and tell of the first; their lineage says why it ends."""
    path = mapped(tmp_path, "odd", ODD, on_error="continue")
    made = run(taskmgr, path, [4, 1, 6])["run_id"]
    shown, _ = taskmgr.json("show", made)["steps"]
    assert (shown["status"], shown["elements"], shown["elements_failed"]) == ("succeeded", 3, 2)
    assert [each["index"] for each in shown["element_errors"]] == [0, 2]
    assert "6 is even" in shown["element_errors"][1]["error"]["message"]
    told = taskmgr("show", made).out
    assert "3 (2 failed)" in told
    assert "001 odd: 3 elements, 2 failed" in told
    assert "2  task-error  6 is even" in told
    assert "  3 elements, 2 failed\n" in taskmgr("graph", made).out
    assert "001[2] ✗ failed  task-error: 6 is even" in (
        taskmgr("lineage", made, "--element", "001[2]").out
    )
    element = taskmgr.json("lineage", made, "--element", "001[0]")["element"]
    assert (element["status"], element["error"]["code"]) == ("failed", "task-error")


def test_wrong_map_is_refused(taskmgr: CommandLine, tmp_path: Path) -> None:
    """What is no list, what no input takes, and elements that do not fit are told before."""

    def said(inputs: Mapping[str, Any], **more: Any) -> str:
        path = mapped(tmp_path, "add", inputs)
        document = json.loads(path.read_text())
        document["steps"][0] |= more
        path.write_text(json.dumps(document))
        return taskmgr("run", path, "numbers=[1]", "folder=x", code=2).err

    assert "steps[0].map: folder is string, not a list" in said({"left": "folder"}, map="folder")
    assert "no input of the step takes its elements" in said({"left": {"value": 1}})
    assert "did you mean 'numbers'?" in said(ADD, map="nubmers")
    assert "parallel: 0 is not allowed" in said(ADD, parallel=0)
