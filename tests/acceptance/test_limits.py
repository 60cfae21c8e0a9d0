"""How many steps run at once and begin in a time, as users and operators say it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine, wait_until
from test_pipeline_failures import step

NUMBERS = {"type": "array", "items": {"type": "number"}}
CAMERAS = {"type": "array", "items": {"type": "string"}}


def overlapping(spans: list[list[float]]) -> int:
    """How many of some spans of time lie over one another at most."""
    return max(sum(begin <= moment < end for begin, end in spans) for moment, _ in spans)


def written(folder: Path, name: str, inputs: dict[str, Any], steps: list[dict[str, Any]]) -> Path:
    """A pipeline file."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"pipeline": name, "inputs": inputs, "steps": steps}))
    return path


def test_task_runs_as_often_at_once_as_it_says(taskmgr: CommandLine, tmp_path: Path) -> None:
    """With max_concurrent = 1 elements that two slots could run wait for one another."""
    steps = [step("001", "solo", {"seconds": "seconds"}, map="seconds")]
    path = written(tmp_path, "alone", {"seconds": NUMBERS}, steps)
    found = taskmgr.json("run", path, "seconds=[0.3, 0.05, 0.05]")
    assert overlapping(found["result"]["output_001_result"]) == 1


def test_steps_of_one_key_wait_for_each_other(taskmgr: CommandLine, tmp_path: Path) -> None:
    """One visit for each camera at once: others go on meanwhile."""
    limit = {"key": "cameras", "max": 1}
    inputs = {"camera": "cameras", "seconds": {"value": 0.5}}
    steps = [step("001", "visit", inputs, map="cameras", concurrency=limit)]
    path = written(tmp_path, "visits", {"cameras": CAMERAS}, steps)
    found = taskmgr.json("run", path, 'cameras=["a", "a", "b"]')["result"]["output_001_result"]
    first, second, other = found
    assert overlapping([first, second]) == 1
    assert overlapping([first, other]) + overlapping([second, other]) >= 3


def test_rate_spreads_what_begins(taskmgr: CommandLine, tmp_path: Path) -> None:
    """With 5/s no more begin in any time than five and what comes back in it."""
    steps = [step("001", "drip", {"number": "numbers"}, map="numbers")]
    integers = {"type": "array", "items": {"type": "integer"}}
    path = written(tmp_path, "drops", {"numbers": integers}, steps)
    found = taskmgr.json("run", path, f"numbers={list(range(14))}")["result"]["output_001_result"]
    # The first of each slot has to wait for its runner.
    warm = sorted(found)[2:]
    assert warm[-1] - warm[0] >= (len(warm) - 1 - 5) / 5 - 0.1


def test_operators_limit_holds_and_is_told(alone: CommandLine) -> None:
    """A run says what it waits for, the list how many do; removed, the run goes on."""
    gate = alone.folder / "gate"
    alone("limits", "set", "task:talk", "--max", "1")
    with alone.worker(log=alone.folder / "worker.log"):
        runs = [alone("run", "talk", f"gate={gate}", "--no-wait").out.strip() for _ in range(2)]
        wait_until(lambda: (alone.folder / "gate.begun").exists(), "one runs")
        (waiting,) = wait_for_one(alone, runs)
        assert alone.json("run", "add", "left=1")["result"] == {"result": 2}
        shown = alone("show", waiting).out
        assert "001 waits: 1 at once of task:talk" in shown
        assert "waits: 1 at once of task:talk" in alone("graph", waiting).out
        row = next(each for each in told(alone) if each["name"] == "task:talk")
        assert row == {
            "name": "task:talk",
            "max": 1,
            "rate": None,
            "said_by": "operator",
            "running": 1,
            "waiting": 1,
        }
        alone("limits", "remove", "task:talk")
        running = lambda: "running" in {s["status"] for s in steps_of(alone, waiting)}  # noqa: E731
        wait_until(running, "the other runs, too")
        gate.touch()
        wait_until(lambda: alone.status(waiting) == "succeeded", "it has ended")


def steps_of(taskmgr: CommandLine, run: str) -> list[dict[str, Any]]:
    """The steps of a run."""
    return list(taskmgr.json("show", run)["steps"])


def told(taskmgr: CommandLine) -> list[dict[str, Any]]:
    """The limits as they are listed."""
    return list(taskmgr.json("limits", "list")["limits"])


def wait_for_one(taskmgr: CommandLine, runs: list[str]) -> list[str]:
    """The runs that a limit holds back, once there are any."""
    found: list[str] = []

    def look() -> bool:
        found[:] = [each for each in runs if steps_of(taskmgr, each)[0]["waits_for"]]
        return bool(found)

    wait_until(look, "a run waits")
    return found


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("set", "task:add"), "give a max, a rate, or both"),
        (("set", "task:add", "--max", "-1"), "max -1: allowed is 0 (no limit) to 100000"),
        (("set", "task:add", "--rate", "10"), "rate '10': allowed is"),
        (("set", "add", "--max", "1"), "allowed is task:NAME or queue:NAME"),
        (("set", "task:ad", "--max", "1"), "did you mean 'add'"),
        (("remove", "task:nothing"), "no limit that was set: 'task:nothing'"),
    ],
)
def test_wrong_limit_is_refused(taskmgr: CommandLine, words: tuple[str, ...], wrong: str) -> None:
    """With what is wrong and what is allowed."""
    assert wrong in taskmgr("limits", *words, code=2).err
