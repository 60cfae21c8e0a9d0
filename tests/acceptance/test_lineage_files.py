"""Events of OpenLineage of whatever a pipeline may do, as the official client writes them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import attrs
import pytest
from command_line import CommandLine, wait_until
from test_pipeline_failures import step, written

from lineage_schemas import assert_whole, read_events

pytestmark = [
    pytest.mark.embedded("on servers it is the workers that tell, each where it runs"),
    pytest.mark.long,
]

UNTIL = {"until": "output_1_result > 5", "max": 9, "feed": {"input_1_left": "output_1_result"}}


def telling(taskmgr: CommandLine, path: Path) -> CommandLine:
    """A terminal whose taskmgr has the official client write events into a file."""
    transport = {"type": "file", "log_file_path": str(path), "append": True}
    config = path.with_suffix(".yml")
    config.write_text(json.dumps({"transport": transport}))
    more = {"TASKMGR_OPENLINEAGE": "on", "OPENLINEAGE_CONFIG": str(config)}
    return attrs.evolve(taskmgr, settings={**taskmgr.settings, **more})


def eventful(taskmgr: CommandLine, folder: Path) -> Path:
    """A pipeline with maps, a loop, a pipeline, and steps that are left out, fail, or retry."""
    inner = written(
        folder,
        [
            step("1", "add", {"left": "n"}, repeat=UNTIL),
            step("2", "add", {"left": "output_1_result"}, when="output_1_result > 99"),
        ],
        pipeline="upward",
        inputs={"n": "integer"},
        result={"sum": "output_1_result", "none": "output_2_result"},
    )
    taskmgr("publish", inner)
    outer = [
        step("001", "add", {"left": "numbers"}, map="numbers"),
        step("002", "stamp", {"number": {"value": 4711}}),
        {"id": "003", "pipeline": "upward", "inputs": {"input_003_n": "begin"}},
        step("004", "add", {"left": "output_003_sum"}, when="output_003_sum < 0"),
        step("005", "flaky", {"counter": "counter"}, retry={"count": 2, "delay": 0.01}),
        step("006", "fail", {"text": {"value": "that"}}, on_error="continue"),
        step("007", "odd", {"number": "numbers"}, map="numbers", on_error="continue"),
    ]
    numbers = {"type": "array", "items": {"type": "integer"}}
    return written(
        folder,
        outer,
        inputs={"numbers": numbers, "counter": "string", "begin": "integer"},
        result={"more": "output_001_result", "sum": "output_003_sum", "odd": "output_007_result"},
    )


def ends(events: list[Any]) -> dict[str, Counter[str]]:
    """Job -> the types of its events."""
    found: dict[str, Counter[str]] = {}
    for each in events:
        found.setdefault(each["job"]["name"], Counter())[each["eventType"]] += 1
    return found


def parent(event: Any) -> str:
    """The id of the run that a step is of."""
    return str(event["run"]["facets"].get("parent", {}).get("run", {}).get("runId", ""))


def origins(events: list[Any], job: str) -> dict[str, set[str]]:
    """The fields that a step has made -> the fields that each is made from."""
    (end,) = [e for e in events if (e["job"]["name"], e["eventType"]) == (job, "COMPLETE")]
    (made,) = end["outputs"]
    fields = made["facets"].get("columnLineage", {}).get("fields", {})
    return {
        name: {f"{each['name']}.{each['field']}" for each in of_it["inputFields"]}
        for name, of_it in fields.items()
    }


def test_all_that_a_pipeline_may_do_is_told_as_it_is_specified(
    taskmgr: CommandLine, tmp_path: Path
) -> None:
    """Every event meets the schemas, each run begins once and ends once; so does the export."""
    path, told = eventful(taskmgr, tmp_path), tmp_path / "told.ndjson"
    here = telling(taskmgr, told)
    for number in range(2):  # the second time a step is taken from the cache
        run = here.json("run", path, "numbers=[1, 2]", f"counter={tmp_path}/{number}", "begin=1")
    assert taskmgr.json("show", run["run_id"])["steps"][1]["cached_from"]
    events = read_events(told)
    assert_whole(events)
    twice, left_out = Counter(START=2, COMPLETE=2), Counter(START=2, ABORT=2)
    assert ends(events) == {
        **dict.fromkeys(("flow", "flow.001_add", "flow.002_stamp", "flow.003.1_add"), twice),
        **dict.fromkeys(("flow.003.2_add", "flow.004_add"), left_out),
        "flow.005_flaky": Counter(START=2, RUNNING=4, COMPLETE=2),
        "flow.006_fail": Counter(START=2, FAIL=2),
        "flow.007_odd": twice,
    }
    here("lineage", run["run_id"], "--openlineage", "exported")
    exported = read_events(tmp_path / "exported")
    assert_whole(exported)
    assert ends(exported).keys() == ends(events).keys()
    last = [each for each in events if run["run_id"] in (each["run"]["runId"], parent(each))]
    for these in (last, exported):
        assert origins(these, "flow.001_add") == {"result": {"flow.inputs.numbers"}}
        assert origins(these, "flow.002_stamp") == {}
        assert origins(these, "flow.003.1_add") == {"result": {"flow.inputs.begin"}}


def test_steps_that_end_with_their_run_are_told_as_it_is_specified(
    taskmgr: CommandLine, tmp_path: Path
) -> None:
    """One between two attempts, and one some of whose elements are under way, are aborted."""
    told = tmp_path / "told.ndjson"
    steps = [
        step("001", "fail", {"text": {"value": "that"}}, retry={"count": 1, "delay": 60}),
        step("002", "pause", {"seconds": "seconds"}, map="seconds"),
    ]
    steps[0]["retry"]["on"] = ["task-error"]
    seconds = {"type": "array", "items": {"type": "number"}}
    path = written(tmp_path, steps, inputs={"seconds": seconds}, timeout=3.0)
    telling(taskmgr, told).json("run", path, "seconds=[60]", code=1)
    events = read_events(told)
    assert_whole(events)
    assert ends(events) == {
        "flow": Counter(START=1, FAIL=1),
        "flow.001_fail": Counter(START=1, RUNNING=1, ABORT=1),
        "flow.002_pause": Counter(START=1, ABORT=1),
    }


def test_cancelled_run_is_told_as_it_is_specified(taskmgr: CommandLine, tmp_path: Path) -> None:
    """It and the step that it was at are aborted."""
    told, gate = tmp_path / "told.ndjson", tmp_path / "gate"
    here = telling(taskmgr, told)
    with here.started("run", "talk", f"gate={gate}") as process:
        wait_until(Path(f"{gate}.begun").exists, "the task has begun")
        wait_until(lambda: told.exists() and told.read_text().count("\n") == 2, "both began")
        (run,) = [e["run"]["runId"] for e in read_events(told) if e["job"]["name"] == "talk"]
        taskmgr("cancel", run)
        process.communicate(timeout=20)
    events = read_events(told)
    assert_whole(events)
    assert {name: set(kinds) for name, kinds in ends(events).items()} == {
        "talk": {"START", "ABORT"},
        "talk.001_talk": {"START", "ABORT"},
    }
