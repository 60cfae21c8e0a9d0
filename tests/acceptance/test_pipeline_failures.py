"""What a pipeline says about steps that fail: retries, times, defaults, handlers; run again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from command_line import CommandLine


def written(folder: Path, steps: list[dict[str, Any]], **more: Any) -> Path:
    """A pipeline file with the input ``text``."""
    path = folder / "flow.json"
    document = {"pipeline": "flow", "inputs": {"text": "string"}, "steps": steps, **more}
    path.write_text(json.dumps(document))
    return path


def step(number: str, task: str, inputs: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A step with inputs by their fields."""
    mapping = {f"input_{number}_{name}": source for name, source in inputs.items()}
    return {"id": number, "task": task, "inputs": mapping, **more}


FAILS = {"text": {"value": "that"}}
NEVER = {"seconds": {"value": 60}}


def statuses(taskmgr: CommandLine, run: Mapping[str, Any]) -> dict[str, str]:
    """Step -> its status."""
    shown = taskmgr.json("show", run["run_id"])
    return {each["id"]: each["status"] for each in shown["steps"]}


def test_retry_of_a_pipeline_overrides_the_tasks_own(taskmgr: CommandLine, tmp_path: Path) -> None:
    """A task that declares no retries is tried as often as its step says, for those codes only."""
    policy = {"count": 2, "delay": 0.01, "factor": 3, "jitter": 0.5, "on": ["task-error"]}
    path = written(
        tmp_path,
        [
            step("001", "fail", FAILS, retry=policy, on_error="continue"),
            step("002", "fail", FAILS, retry={**policy, "on": ["timeout"]}, on_error="continue"),
        ],
        result={"said": "output_001_result"},
    )
    run = taskmgr.json("run", path, "text=x")
    shown = taskmgr.json("show", run["run_id"])
    assert [each["attempts"] for each in shown["steps"]] == [3, 1]
    assert run["result"]["said"] is None


def test_default_stands_for_a_step_that_failed(taskmgr: CommandLine, tmp_path: Path) -> None:
    """What is behind a failed step runs with its default; what is behind another is skipped."""
    path = written(
        tmp_path,
        [
            step(
                "001", "leave", {"status": {"value": 3}}, on_error="default", default={"result": 7}
            ),
            step("002", "add", {"left": "output_001_result"}),
            step("003", "leave", {"status": {"value": 3}}, on_error="continue"),
            step("004", "add", {"left": "output_003_result"}),
            step("005", "add", {"left": "output_004_result"}),
        ],
        result={"sum": "output_002_result", "none": "output_005_result", "d": "output_001_result"},
    )
    run = taskmgr.json("run", path, "text=x")
    assert run["status"] == "succeeded"
    assert {name: run["result"][name] for name in ("sum", "none", "d")} == {
        "sum": 8,
        "none": None,
        "d": 7,
    }
    assert statuses(taskmgr, run) == {
        "001": "failed",
        "002": "succeeded",
        "003": "failed",
        "004": "skipped",
        "005": "skipped",
    }
    edges = {
        (each["source"], each["target"]) for each in taskmgr.json("show", run["run_id"])["edges"]
    }
    assert ("output_001_result", "input_002_left") not in edges


def test_run_ends_when_its_time_is_over(taskmgr: CommandLine, tmp_path: Path) -> None:
    """The step that runs is killed, the rest skipped, the code says so, the handler is told."""
    handler = step("900", "measure", {"numbers": {"value": [1, 2]}})
    path = written(
        tmp_path,
        [
            step("001", "pause", NEVER, timeout=90),
            step("002", "fail", {"text": "output_001_result"}),
        ],
        timeout=0.4,
        on_failure=handler,
    )
    run = taskmgr.json("run", path, "text=x", code=1)
    assert run["error"]["code"] == "run-timeout"
    assert "0.4 s" in run["error"]["message"]
    assert run["seconds"]["total"] < 10
    assert statuses(taskmgr, run) == {"001": "cancelled", "002": "skipped", "900": "succeeded"}


def test_handler_gets_the_report_of_the_failure(taskmgr: CommandLine, tmp_path: Path) -> None:
    """The step on_failure runs after all others have ended, with what failed and why."""
    handler = step("900", "report", {"failure": "failure", "text": "text"})
    path = written(tmp_path, [step("001", "fail", FAILS)], on_failure=handler)
    run = taskmgr.json("run", path, "text=whom", code=1)
    assert run["error"]["code"] == "task-error"
    shown = taskmgr.json("show", run["run_id"])
    values = {each["port"]: each["value"] for each in shown["values"]}
    assert values["output_900_result"] == f"whom: 001 task-error in {run['run_id']}"
    edges = {(each["source"], each["target"]) for each in shown["edges"]}
    assert ("failure", "input_900_failure") in edges


def test_handler_of_a_run_that_succeeds_is_skipped(taskmgr: CommandLine, tmp_path: Path) -> None:
    """A run that succeeds does so without its handler."""
    handler = step("900", "report", {"failure": "failure", "text": "text"})
    path = written(tmp_path, [step("001", "add", {"left": {"value": 1}})], on_failure=handler)
    run = taskmgr.json("run", path, "text=x")
    assert run["status"] == "succeeded"
    assert statuses(taskmgr, run)["900"] == "skipped"


def test_retry_takes_over_what_succeeded(taskmgr: CommandLine, tmp_path: Path) -> None:
    """The new run does what failed, with the old values and their lineage, and nothing twice."""
    note, gate = tmp_path / "note", tmp_path / "gate"
    path = written(
        tmp_path,
        [
            step("001", "pause", {"seconds": {"value": 0}, "note": {"value": str(note)}}),
            step("002", "open_gate", {"text": "output_001_result", "gate": {"value": str(gate)}}),
        ],
    )
    failed = taskmgr.json("run", path, "text=x", code=1)
    taskmgr("retry", failed["run_id"], "--from", "009", code=2)
    gate.touch()
    run = taskmgr.json("retry", failed["run_id"])
    assert run["result"]["output_002_result"] == "rested"
    assert run["retry_of"] == failed["run_id"]
    assert len(note.read_text().split()) == 1
    shown = taskmgr.json("show", run["run_id"])
    assert [each["taken_from"] for each in shown["steps"]] == [failed["run_id"], None]
    lineage = taskmgr("lineage", run["run_id"]).out
    assert "input_001_seconds" in lineage
    again = taskmgr.json("retry", run["run_id"], "--from", "001")
    assert len(note.read_text().split()) == 2
    assert again["result"]["output_002_result"] == "rested"
    assert "--from STEP" in taskmgr("retry", run["run_id"], code=2).err


def test_wrong_handler_is_refused(taskmgr: CommandLine, tmp_path: Path) -> None:
    """A handler may not take outputs, and no other step may take the report."""
    handler = step("900", "report", {"failure": "failure", "text": "output_001_result"})
    steps = [step("001", "report", {"failure": "failure", "text": "text"})]
    err = taskmgr("run", written(tmp_path, steps, on_failure=handler), "text=x", code=2).err
    assert "on_failure.inputs.input_900_text: output_001_result may have no value" in err
    assert "steps[0].inputs.input_001_failure: only the step on_failure may take" in err
