"""Steps that are run for what another one yields, and steps that share a runner, by the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from command_line import CommandLine
from test_pipeline_failures import statuses, step

COUNT = 40


def film(folder: Path, **more: Any) -> Path:
    """A pipeline that develops each frame of a film as it comes."""
    path = folder / "film.json"
    inputs = {"count": {"value": COUNT}, "fate": "fate"}
    document = {
        "pipeline": "film",
        "inputs": {"fate": "string"},
        "steps": [
            step("001", "frames", inputs, retry={"count": 0}, **more),
            step(
                "002",
                "develop",
                {"frame": "output_001_result"},
                map="output_001_result",
                parallel=4,
                **more,
            ),
        ],
        "result": {"developed": "output_002_result"},
    }
    path.write_text(json.dumps(document))
    return path


def test_each_item_that_is_yielded_is_an_element(taskmgr: CommandLine, tmp_path: Path) -> None:
    """All are taken once, in order, and each has a lineage of its own, back to the task."""
    found = taskmgr.json("run", film(tmp_path), "fate=none")
    assert found["result"]["developed"] == [f"FRAME {number}" for number in range(COUNT)]
    told = taskmgr.json("lineage", found["run_id"], "--element", "002[3]")
    edges = {(each["source"], each["target"]) for each in told["edges"]}
    assert edges == {
        ("output_001_result", "output_001_result[3]"),
        ("output_001_result[3]", "input_002_frame[3]"),
        ("input_002_folder", "output_002_result[3]"),
        ("input_002_frame[3]", "output_002_result[3]"),
        ("output_002_result[3]", "output_002_result"),
    }


def test_what_breaks_off_fails_the_run_or_ends_there(taskmgr: CommandLine, tmp_path: Path) -> None:
    """The reason is the task's; with continue the list has what came before."""
    found = taskmgr.json("run", film(tmp_path), "fate=fail 38", code=1)
    assert "the film tore" in found["error"]["message"]
    assert statuses(taskmgr, found)["001"] == "failed"
    found = taskmgr.json("run", film(tmp_path, on_error="continue"), "fate=fail 38")
    assert found["result"]["developed"] == [f"FRAME {number}" for number in range(38)]


def test_task_shows_its_batches(taskmgr: CommandLine) -> None:
    """Operators see how many calls its runner takes at once."""
    assert "up to 4 calls, gathered for 500 ms" in taskmgr("info", "together").out
    assert taskmgr.json("info", "together")["max_batch_size"] == 4
