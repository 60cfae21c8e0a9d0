"""Steps that are run again and again, and pipelines in the place of steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from command_line import CommandLine
from test_pipeline_failures import statuses, step, written

BY_TEN = {"left": {"value": 1}, "right": {"value": 10}}
FEED = {"input_001_left": "output_001_result"}


def looping(folder: Path, task: str = "add", **more: Any) -> Path:
    """A pipeline that adds ten until it is enough, and one to what that gave."""
    repeat = {"until": "output_001_result > 25", "max": 9, "feed": FEED, **more.pop("repeat", {})}
    first = step("001", task, more.pop("inputs", BY_TEN), repeat=repeat, **more)
    second = step("002", "add", {"left": "output_001_result"})
    return written(folder, [first, second], result={"sum": "output_002_result"})


def test_step_is_run_until_it_is_enough(taskmgr: CommandLine, tmp_path: Path) -> None:
    """Each iteration gets what the one before gave; later steps get what the last one gave."""
    run = taskmgr.json("run", looping(tmp_path), "text=x")
    assert run["result"]["sum"] == 32
    shown = taskmgr.json("show", run["run_id"])
    assert [each["elements"] for each in shown["steps"]] == [3, None]
    assert [each["attempts"] for each in shown["steps"]] == [2, 1]
    said = [line for line in taskmgr("logs", run["run_id"]).out.splitlines() if "adding" in line]
    assert [line.split("adding ")[1] for line in said] == ["1 and 10", "11 and 10", "21 and 10",
                                                           "31 and 1"]  # fmt: skip


def test_iteration_has_a_lineage_of_its_own(taskmgr: CommandLine, tmp_path: Path) -> None:
    """From what the one before gave, through the attempt, to whether it was enough."""
    run = taskmgr.json("run", looping(tmp_path), "text=x")
    told = taskmgr.json("lineage", run["run_id"], "--element", "001[2]")
    edges = {(each["source"], each["target"]) for each in told["edges"]}
    assert edges == {
        ("output_001_result[1]", "input_001_left[2]"),
        ("input_001_left[2]", "output_001_result[2]"),
        ("input_001_right", "output_001_result[2]"),
        ("output_001_result[2]", "until_001[2]"),
        ("output_001_result[2]", "output_001_result"),
    }
    rows = taskmgr("lineage", run["run_id"], "--element", "001[2]").out.splitlines()
    assert ["until_001[2]", "true", "output_001_result[2]"] in [each.split() for each in rows]
    assert "3 iterations" in taskmgr("lineage", run["run_id"], "--element", "001[3]", code=2).err


def test_loop_that_is_never_enough_fails(taskmgr: CommandLine, tmp_path: Path) -> None:
    """After max iterations, with a code of its own; or it goes on with what the last one gave."""
    path = looping(tmp_path, repeat={"max": 2})
    run = taskmgr.json("run", path, "text=x", code=1)
    assert run["error"]["code"] == "max-iterations"
    assert "output_001_result > 25 did not hold after 2 iterations" in run["error"]["message"]
    assert statuses(taskmgr, run) == {"001": "failed", "002": "skipped"}
    path = looping(tmp_path, repeat={"max": 2, "on_max": "continue"})
    assert taskmgr.json("run", path, "text=x")["result"]["sum"] == 22


def test_iteration_that_fails_fails_the_loop(taskmgr: CommandLine, tmp_path: Path) -> None:
    """It is tried again as its step says, and then named; what it had given before stays."""
    inputs = {"number": {"value": 5}}
    repeat = {"until": "iteration == 4", "feed": {"input_001_number": "output_001_result"}}
    path = looping(tmp_path, "odd", inputs=inputs, repeat=repeat,
                   retry={"count": 1, "delay": 0.01})  # fmt: skip
    assert taskmgr.json("run", path, "text=x")["result"]["sum"] == 6
    path = looping(tmp_path, "odd", inputs={"number": {"value": 4}}, repeat=repeat)
    run = taskmgr.json("run", path, "text=x", code=1)
    assert run["error"]["code"] == "task-error"
    assert "iteration 0: 4 is even" in run["error"]["message"]


def test_iteration_that_fails_may_be_borne(taskmgr: CommandLine, tmp_path: Path) -> None:
    """With default its values stand for the iteration's; with continue it only counts."""
    inputs = {"number": {"value": 4}}
    repeat = {"until": "output_001_result == 7", "feed": {"input_001_number": "output_001_result"}}
    path = looping(tmp_path, "odd", inputs=inputs, repeat=repeat, on_error="default",
                   default={"result": 7})  # fmt: skip
    run = taskmgr.json("run", path, "text=x")
    assert run["result"]["sum"] == 8
    assert statuses(taskmgr, run) == {"001": "succeeded", "002": "succeeded"}
    path = looping(tmp_path, "odd", inputs=inputs, repeat={**repeat, "max": 3}, on_error="continue")
    run = taskmgr.json("run", path, "text=x")
    assert statuses(taskmgr, run) == {"001": "failed", "002": "skipped"}
    assert taskmgr.json("show", run["run_id"])["steps"][0]["elements"] == 3


def test_pipeline_stands_in_the_place_of_a_step(taskmgr: CommandLine, tmp_path: Path) -> None:
    """Its steps are those of the run; ports, conditions and loops in it work as by themselves."""
    inner = written(
        tmp_path,
        [
            step("1", "add", {"left": "n"}, repeat={"until": "output_1_result > 5", "max": 9,
                                                    "feed": {"input_1_left": "output_1_result"}}),
            step("2", "add", {"left": "output_1_result"}, when="output_1_result > n"),
        ],
        result={"sum": "output_2_result"},
    )  # fmt: skip
    document = json.loads(inner.read_text()) | {"pipeline": "up", "inputs": {"n": "integer"}}
    inner.write_text(json.dumps(document))
    assert "2 steps" in taskmgr("publish", inner).out
    outer = written(
        tmp_path,
        [
            step("001", "add", {"left": "n"}),
            {"id": "002", "pipeline": "up", "inputs": {"input_002_n": "output_001_result"},
             "when": "n < 9", "default": {"sum": 0}},
            step("003", "add", {"left": "output_002_sum", "right": {"value": 100}}),
        ],
        inputs={"n": "integer"}, result={"sum": "output_003_result"},
    )  # fmt: skip
    run = taskmgr.json("run", outer, "n=1")
    assert run["result"]["sum"] == 107
    assert statuses(taskmgr, run) == dict.fromkeys(("001", "002.1", "002.2", "003"), "succeeded")
    told = taskmgr.json("lineage", run["run_id"], "--element", "002.1[0]")
    assert ("output_001_result", "input_002.1_left[0]") in {
        (each["source"], each["target"]) for each in told["edges"]
    }
    left_out = taskmgr.json("run", outer, "n=9")
    assert left_out["result"]["sum"] == 100
    assert statuses(taskmgr, left_out)["002.2"] == "skipped"
    again = taskmgr.json("retry", run["run_id"], "--from", "002")
    assert again["result"]["sum"] == 107
    origins = {
        each["id"]: each["taken_from"] for each in taskmgr.json("show", again["run_id"])["steps"]
    }
    assert origins["001"] == run["run_id"]
    assert {origins["002.1"], origins["002.2"], origins["003"]} == {None}
    told = taskmgr("info", outer).out
    assert (
        "002.1  add 1.0.0  queue default, of up, until output_1_result > 5, 9 times at mo" in told
    )
    drawn = taskmgr("graph", outer).out
    assert "002  up" in drawn
    assert "    002.1 add 1.0.0  after 001\n" in drawn
    # As the run has it: the pipeline inside says `output_1_result`.
    assert "      repeat until output_002.1_result > 5\n" in drawn
