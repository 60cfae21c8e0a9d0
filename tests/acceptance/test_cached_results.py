"""Results that are taken again where the same was asked before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine
from test_pipeline_failures import step


def step_of(taskmgr: CommandLine, run: dict[str, Any]) -> dict[str, Any]:
    """The step of a run, as it is told."""
    (found,) = taskmgr.json("show", run["run_id"])["steps"]
    return dict(found)


def test_equal_inputs_are_computed_once(taskmgr: CommandLine) -> None:
    """A hit has the first run's output and edges, names its step, and is told of as one."""
    first, again = (taskmgr.json("run", "stamp", "number=1") for _ in range(2))
    other = taskmgr.json("run", "stamp", "number=2")
    assert again["result"] == first["result"] != other["result"]
    computed, taken = (taskmgr.json("show", each["run_id"]) for each in (first, again))
    assert taken["edges"] == computed["edges"] != []
    (hit,) = taken["steps"]
    assert hit["cached_from"] == f"{first['run_id']}/001"
    assert (hit["status"], hit["attempts"]) == ("succeeded", 1)
    assert "compute" not in hit["seconds"]
    assert computed["steps"][0]["cached_from"] is None
    shown = taskmgr("show", again["run_id"]).out
    assert "succeeded cached" in shown
    assert f"step 001 of run {first['run_id'][-8:]} gave this" in shown
    assert "cached" in taskmgr("graph", again["run_id"]).out


def test_retry_from_a_step_computes_it(taskmgr: CommandLine) -> None:
    """Who names a step wants it done again, also where what it gave is kept."""
    first = taskmgr.json("run", "stamp", "number=3")
    again = taskmgr.json("retry", first["run_id"], "--from", "001")
    assert again["result"] != first["result"]
    assert taskmgr.json("run", "stamp", "number=3")["result"] == again["result"]


@pytest.mark.embedded("on servers the files here are copies")
def test_file_that_is_gone_is_computed_anew(alone: CommandLine) -> None:
    """A hit gives the same file; where that is not stored any more the step is run."""
    first = alone.json("run", "sketch", "text=a")
    again = alone.json("run", "sketch", "text=a")
    assert again["result"] == first["result"]
    digest = again["result"]["result"]["$artifact"].removeprefix("sha256:")
    for path in alone.home.rglob(digest):
        path.unlink()
    third = alone.json("run", "sketch", "text=a")
    assert step_of(alone, third)["cached_from"] is None
    assert third["result"] != first["result"]


def test_failure_is_not_cached(taskmgr: CommandLine, tmp_path: Path) -> None:
    """What failed is run again, and only what came of that is kept."""
    gate = tmp_path / "gate"
    words = ("stamp", "number=4", f"gate={gate}")
    taskmgr.json("run", *words, code=1)
    gate.touch()
    found = [taskmgr.json("run", *words) for _ in range(2)]
    assert [step_of(taskmgr, each)["cached_from"] for each in found] == [
        None,
        f"{found[0]['run_id']}/001",
    ]


def test_elements_are_cached_each(taskmgr: CommandLine, tmp_path: Path) -> None:
    """Of a list that has grown only the new element is computed."""
    path = tmp_path / "stamped.json"
    document = {
        "pipeline": "stamped",
        "inputs": {"numbers": {"type": "array", "items": {"type": "integer"}}},
        "steps": [step("001", "stamp", {"number": "numbers"}, map="numbers")],
    }
    path.write_text(json.dumps(document))
    found = [
        taskmgr.json("run", path, f"numbers={numbers}")["result"]["output_001_result"]
        for numbers in ("[11, 12]", "[12, 13, 11]")
    ]
    assert found[1][2] == found[0][0]
    assert found[1][0] == found[0][1]
    assert found[1][1] not in found[0]


def test_no_cache_computes_and_replaces(taskmgr: CommandLine) -> None:
    """With --no-cache a run takes nothing; the next one gets what that run made."""
    words = ("run", "stamp", "number=5")
    first, anew = taskmgr.json(*words), taskmgr.json(*words, "--no-cache")
    assert step_of(taskmgr, anew)["cached_from"] is None
    assert anew["result"] != first["result"]
    assert taskmgr.json(*words)["result"] == anew["result"]


def test_batch_without_cache_computes_and_replaces(taskmgr: CommandLine) -> None:
    """A batch takes what is cached, with --no-cache nothing; the next run gets what that made."""
    (taskmgr.folder / "stamps.jsonl").write_text('{"number": 8}')
    first = taskmgr.json("run", "stamp", "number=8")["result"]
    words = ("batch", "stamp", "--inputs", "stamps.jsonl")
    found = []
    for out, more in (("a.jsonl", ()), ("b.jsonl", ("--no-cache",))):
        taskmgr(*words, "--out", out, *more)
        found.append(json.loads((taskmgr.folder / out).read_text())["result"])
    assert found[0] == first["result"] != found[1]
    assert taskmgr.json("run", "stamp", "number=8")["result"]["result"] == found[1]


def test_stats_and_clear(alone: CommandLine) -> None:
    """Stats count results and hits by task; what is cleared is computed anew."""
    for text in ("number=1", "number=1", "number=2"):
        alone("run", "stamp", text)
    alone("run", "sketch", "text=a")
    told = {each["task"]: each for each in alone.json("cache", "stats")["tasks"]}
    assert {name: (each["entries"], each["hits"]) for name, each in told.items()} == {
        "sketch": (1, 0),
        "stamp": (2, 1),
    }
    assert told["stamp"]["seconds_saved"] > 0
    assert alone("cache", "stats").out.split()[:5] == ["task", "entries", "size", "hits", "spared"]
    assert "did you mean 'stamp'" in alone("cache", "clear", "--task", "stmp", code=2).err
    (cleared,) = alone.json("cache", "clear", "--task", "stamp")["cleared"]
    assert (cleared["task"], cleared["entries"]) == ("stamp", 2)
    assert step_of(alone, alone.json("run", "stamp", "number=1"))["cached_from"] is None
    assert alone("cache", "clear").out.startswith("cleared 2 results, ")
    assert alone("cache", "clear").out == "nothing was cached\n"
