"""Maps of maps: each element has a lineage of its own, also where it was taken over by a retry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from command_line import CommandLine
from test_pipeline_failures import step
from test_pipeline_maps import NUMBERS

from taskmgr_core.lineage import upstream
from taskmgr_core.specs import Edge
from taskmgr_core.values import recorded


def written(folder: Path, name: str, *steps: dict[str, Any], result: dict[str, str]) -> Path:
    """A pipeline file with the input ``numbers``."""
    path = folder / f"{name}.json"
    inputs = {"numbers": NUMBERS}
    document = {"pipeline": name, "inputs": inputs, "steps": list(steps), "result": result}
    path.write_text(json.dumps(document))
    return path


def twice(folder: Path, **more: Any) -> Path:
    """What is odd of some numbers, and to each of those ten."""
    return written(
        folder,
        "twice",
        step("001", "odd", {"number": "numbers"}, map="numbers", **more),
        step("002", "add", {"left": "output_001_result", "right": {"value": 10}},
             map="output_001_result"),
        result={"odd": "output_001_result", "sums": "output_002_result"},
    )  # fmt: skip


def run(taskmgr: CommandLine, path: Path, numbers: list[int], code: int = 0) -> Any:
    """Run it."""
    return taskmgr.json("run", path, f"numbers={json.dumps(numbers)}", code=code)


def digest(document: Any) -> str:
    """That of a recorded value."""
    return recorded("port", document, "any", "").digest


def element(taskmgr: CommandLine, run_id: str, name: str) -> tuple[dict[str, str], list[Edge]]:
    """Port -> the digest of its value, and the edges of an element."""
    told = taskmgr.json("lineage", run_id, "--element", name)
    edges = [Edge(each["source"], each["target"]) for each in told["edges"]]
    return {each["port"]: each["digest"] for each in told["values"]}, edges


def behind(taskmgr: CommandLine, run_id: str, *names: str) -> set[str]:
    """The entries of the input that the outputs of the last of some elements came from."""
    edges = [edge for name in names for edge in element(taskmgr, run_id, name)[1]]
    last, index = names[-1].removesuffix("]").split("[")
    port = f"output_{last}_result[{index}]"
    circles = {each.source for each in edges if each.source in upstream(edges, each.source)}
    assert not circles
    return {each for each in upstream(edges, port) if each.startswith("numbers[")}


def test_element_behind_a_dropped_one_leads_to_its_own_input(
    taskmgr: CommandLine, tmp_path: Path
) -> None:
    """What a later map takes leaves the outputs of the elements as they are recorded."""
    found = run(taskmgr, twice(tmp_path, on_error="continue"), [4, 1, 6, 5])
    run_id = found["run_id"]
    assert (found["result"]["odd"], found["result"]["sums"]) == ([1, 5], [11, 15])
    assert element(taskmgr, run_id, "001[0]") == (
        {"numbers": digest([4, 1, 6, 5]), "numbers[0]": digest(4)},
        [Edge("numbers", "numbers[0]")],
    )
    values, edges = element(taskmgr, run_id, "001[1]")
    assert values["output_001_result[1]"] == digest(1)
    assert Edge("output_001_result", "output_001_result[1]") not in edges
    values, edges = element(taskmgr, run_id, "002[1]")
    assert list(values)[:2] == ["output_001_result[3]", "map:002[1]"]
    assert values["output_001_result[3]"] == values["map:002[1]"] == digest(5)
    assert Edge("map:002[1]", "input_002_left[1]") in edges
    assert behind(taskmgr, run_id, "001[3]", "002[1]") == {"numbers[3]"}


def test_map_after_a_map_leads_in_no_circle(taskmgr: CommandLine, tmp_path: Path) -> None:
    """Each element leads to the input of the same index, where none was dropped."""
    run_id = run(taskmgr, twice(tmp_path), [1, 3, 5])["run_id"]
    for index in range(3):
        names = (f"001[{index}]", f"002[{index}]")
        assert behind(taskmgr, run_id, *names) == {f"numbers[{index}]"}


def test_default_of_an_element_came_from_none(taskmgr: CommandLine, tmp_path: Path) -> None:
    """What stands in its place has no source, and moves none of the others."""
    path = twice(tmp_path, on_error="default", default={"result": -1})
    run_id = run(taskmgr, path, [1, 4, 5])["run_id"]
    values, edges = element(taskmgr, run_id, "002[1]")
    assert values["map:002[1]"] == digest(-1)
    assert not [each for each in edges if each.target == "map:002[1]"]
    assert behind(taskmgr, run_id, "001[2]", "002[2]") == {"numbers[2]"}


def test_map_in_a_pipeline_leads_to_the_elements_of_another(
    taskmgr: CommandLine, tmp_path: Path
) -> None:
    """A map in a pipeline, given to one beside it, is a map after a map."""
    odd = step("1", "odd", {"number": "numbers"}, map="numbers", on_error="continue")
    inner = written(tmp_path, "odd_ones", odd, result={"odd": "output_1_result"})
    taskmgr("publish", inner)
    outer = written(
        tmp_path,
        "outer",
        {"id": "a", "pipeline": "odd_ones", "inputs": {"input_a_numbers": "numbers"}},
        step("b", "add", {"left": "output_a_odd"}, map="output_a_odd"),
        result={"sums": "output_b_result"},
    )
    run_id = run(taskmgr, outer, [4, 1, 3])["run_id"]
    assert behind(taskmgr, run_id, "a.1[1]", "a.1[2]", "b[1]") == {"numbers[2]"}


def test_element_of_a_step_that_was_taken_over_is_shown_where_it_was_made(
    taskmgr: CommandLine, tmp_path: Path
) -> None:
    """A retry names the run that it has a step from, and follows to the elements there."""
    path = twice(tmp_path, on_error="continue")
    first = run(taskmgr, path, [4, 1, 6, 5])["run_id"]
    again = taskmgr.json("retry", first, "--from", "002")["run_id"]
    found = taskmgr("lineage", again, "--element", "001[3]")
    assert f"step 001 was taken over from run {first}" in found.err
    assert found.out == taskmgr("lineage", first, "--element", "001[3]").out
    assert taskmgr.json("lineage", again, "--element", "001[3]")["run_id"] == first
    assert "4 elements" in taskmgr("lineage", again, "--element", "001[4]", code=2).err
    assert "output_001_result[3]" in taskmgr("lineage", again, "--element", "002[1]").out
    shown = taskmgr("show", again).out
    assert f"001 was not run: it is taken over from run {first[-8:]}" in shown
    assert "002 was not run" not in shown
    assert "taken over" in taskmgr("graph", again).out
