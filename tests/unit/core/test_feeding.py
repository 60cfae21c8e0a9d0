"""Which steps a graph runs for what another one yields while it still does."""

from __future__ import annotations

from typing import Any

import attrs
from pipeline_examples import field, version_of

from taskmgr_core.orchestrator.engine import MapState, MoveStep, Rule, RunState, decide
from taskmgr_core.orchestrator.graph import compile_pipeline
from taskmgr_core.specs import Feed, GraphStep, PipelineSpec, StepSpec, TaskVersion

TEXT, TEXTS = {"type": "string"}, {"type": "array", "items": {"type": "string"}}


def tasks() -> dict[str, TaskVersion]:
    """One that yields texts, and takers of one and of all."""
    made = version_of("film", (field("count", int),), (field("result", list[str]),))
    yielding = attrs.evolve(made, task=attrs.evolve(made.task, streams=True))
    return {
        "film": yielding,
        "one": version_of("one", (field("text", str), field("note", str)), (field("result", str),)),
        "all": version_of("all", (field("texts", list[str]),), (field("result", str),)),
    }


def film(*steps: StepSpec, **more: Any) -> GraphStep:
    """The first step of a pipeline that yields for some others."""
    producer = StepSpec("001", "film", {"input_001_count": "count"})
    inputs = {"count": "integer", "note": "string"}
    graph = compile_pipeline(PipelineSpec("film", inputs, (producer, *steps), **more), tasks())
    return graph.step("001")


def one(number: str = "002", note: Any = "note", **more: Any) -> StepSpec:
    """A step that is run for each text."""
    inputs = {f"input_{number}_text": "output_001_result", f"input_{number}_note": note}
    return StepSpec(number, "one", inputs, map="output_001_result", **more)


def test_map_over_what_is_yielded_is_fed() -> None:
    """Each step that needs nothing but an item and what was there before is, as far as it may."""
    found = film(one(parallel=3), one("003", {"value": "x"}))
    assert found.feeds == (Feed("002", "one", 3), Feed("003", "one", 100))
    assert not found.whole


def test_what_needs_more_waits_for_the_whole() -> None:
    """A condition, or a value of another step, is there only when that has ended."""
    other = StepSpec("003", "film", {"input_003_count": "count"})
    word = StepSpec("004", "all", {"input_004_texts": "output_003_result"})
    assert film(one(note="output_004_result"), other, word).feeds == ()
    assert film(one(when='note == "x"')).feeds == ()
    assert film(StepSpec("002", "all", {"input_002_texts": "output_001_result"})).feeds == ()


def test_list_that_others_take_is_recorded_as_a_whole() -> None:
    """By another step, or in the result."""
    taker = StepSpec("003", "all", {"input_003_texts": "output_001_result"})
    assert film(one(), taker).whole
    assert film(one(), result={"frames": "output_001_result"}).whole


def state(producer: str, found: MapState) -> RunState:
    """A run whose second step is run for what the first yields."""
    return RunState(
        {"001": (), "002": ("001",)},
        {"001": producer, "002": "mapping"},  # type: ignore[dict-item]
        rules={"001": Rule("continue"), "002": Rule(parallel=2)},
        maps={"002": found},
    )


def test_map_is_complete_when_its_producer_has_ended() -> None:
    """However it has; as long as it may go on, or be tried again, there may be more."""
    for producer in ("running", "ready"):
        assert decide(state(producer, MapState())) == ()
    for producer in ("succeeded", "failed"):
        assert decide(state(producer, MapState())) == (MoveStep("002", "mapping", "ready"),)
        assert decide(state(producer, MapState(waiting=True))) == ()
