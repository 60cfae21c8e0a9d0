"""Pipelines in the place of steps: the same graph as with their steps written out."""

from typing import Any

import attrs
import pytest
from pipeline_examples import defaulted, field, version_of

from taskmgr_core.documents import structure
from taskmgr_core.errors import InvalidPipelineError, NotFoundError
from taskmgr_core.orchestrator.graph import compile_pipeline
from taskmgr_core.orchestrator.inlining import MOST_LEVELS, MOST_STEPS
from taskmgr_core.specs import Graph, PipelineSpec, ResultSpec, Source

NUMBERS = {"type": "array", "items": {"type": "integer"}}
TASKS = {
    each.name: each
    for each in (
        version_of(
            "add", (field("left", int), defaulted("right", int, 1)), (field("result", int),)
        ),
        version_of("total", (field("values", list[int]),), (field("result", int),)),
    )
}


def pipeline(name: str, *steps: dict[str, Any], **more: Any) -> PipelineSpec:
    """A pipeline with an input ``n``."""
    document = {"pipeline": name, "inputs": {"n": "integer"}, "steps": list(steps), **more}
    return structure(document, PipelineSpec)


def add(step: str, left: Any, **more: Any) -> dict[str, Any]:
    """A step that adds."""
    return {"id": step, "task": "add", "inputs": {f"input_{step}_left": left}, **more}


def sub(step: str, name: str, n: Any = "n", **more: Any) -> dict[str, Any]:
    """A step in whose place a pipeline stands."""
    return {"id": step, "pipeline": name, "inputs": {f"input_{step}_n": n}, **more}


TWICE = pipeline(
    "twice", add("1", "n"), add("2", "output_1_result"), result={"sum": "output_2_result"}
)


def compiled(spec: PipelineSpec, *others: PipelineSpec) -> Graph:
    """Its graph, where the others are published."""
    return compile_pipeline(spec, TASKS, {each.pipeline: each for each in (TWICE, *others)})


def problems(spec: PipelineSpec, *others: PipelineSpec) -> dict[str, str]:
    """What is wrong with it, by place."""
    with pytest.raises(InvalidPipelineError) as caught:
        compiled(spec, *others)
    return {each.place: each.message for each in caught.value.problems}


def test_steps_stand_under_the_id_of_the_step() -> None:
    """They take what is given to the pipeline, and later steps take what it gives."""
    graph = compiled(pipeline("outer", add("0", "n"), sub("a", "twice", "output_0_result"),
                              add("9", "output_a_sum")))  # fmt: skip
    assert [(each.id, each.after) for each in graph.steps] == [
        ("0", ()),
        ("a.1", ("0",)),
        ("a.2", ("a.1",)),
        ("9", ("a.2",)),
    ]
    assert graph.step("a.1").inputs["left"] == Source("output_0_result")
    assert graph.step("9").inputs["left"] == Source("output_a.2_result")
    assert graph.groups == {"a": "twice"}
    assert {"input_a.1_left", "output_a.2_result"} <= graph.schemas.keys()
    assert not {"input_a_n", "output_a_sum"} & graph.schemas.keys()


def test_pipelines_may_stand_in_pipelines() -> None:
    """An id has as many dots as pipelines are around the step."""
    middle = pipeline("middle", sub("m", "twice"), result={"sum": "output_m_sum"})
    graph = compiled(pipeline("outer", sub("a", "middle"), add("b", "output_a_sum")), middle)
    assert [each.id for each in graph.steps] == ["a.m.1", "a.m.2", "b"]
    assert graph.step("b").after == ("a.m.2",)
    assert graph.groups == {"a": "middle", "a.m": "twice"}


def test_result_may_be_that_of_a_pipeline() -> None:
    """An entry of the result, by its port; joined ones are joined on the ports inside."""
    graph = compiled(pipeline("outer", sub("a", "twice"), result={"all": "output_a_sum"}))
    assert graph.result == {"all": "output_a.2_result"}
    rows = field("rows", list[dict[str, int]])
    tasks = {"list": version_of("list", (), (rows,))}
    joined = {"all": {"ports": {"x": "output_1_rows"}, "join": "id"}}
    inner = structure(
        {"pipeline": "in", "inputs": {}, "steps": [{"id": "1", "task": "list"}], "result": joined},
        PipelineSpec,
    )
    outer = PipelineSpec("out", {}, (attrs.evolve(inner.steps[0], task="", pipeline="in"),))
    for spec in (outer, attrs.evolve(outer, result={"output_1_all": "output_1_all"})):
        graph = compile_pipeline(spec, tasks, {"in": inner})
        assert graph.result == {"output_1_all": ResultSpec({"x": "output_1.1_rows"}, "id")}


def test_input_that_is_not_given_is_left_to_its_default() -> None:
    """A pipeline's input need not be given where all that take it have a default."""
    inner = pipeline("in", add("1", "n", inputs={"input_1_left": "n", "input_1_right": "m"}),
                     inputs={"n": "integer", "m": "integer"})  # fmt: skip
    graph = compiled(pipeline("outer", sub("a", "in")), inner)
    assert graph.step("a.1").inputs == {"left": Source("n")}
    assert graph.optional == ()


def test_condition_of_the_step_is_that_of_the_first_steps() -> None:
    """Steps behind them are left out with them; names that mean two things are kept apart."""
    inner = pipeline("in", add("1", "n", when="n > 1"), add("2", "output_1_result"))
    outer = pipeline("outer", add("1", "n"), sub("a", "in", "output_1_result", when="n < 9"))
    graph = compiled(outer, inner)
    first, second = graph.step("a.1"), graph.step("a.2")
    assert first.when == "(n < 9) && (inner_n > 1)"
    assert first.reads == {"n": Source("n"), "inner_n": Source("output_1_result")}
    assert second.when == ""


def test_switches_inside_are_asked_by_the_names_outside() -> None:
    """What has to give a text is kept apart like the condition that it is a part of."""
    switch = {"on": "string(n)", "cases": {"x": ["1"]}}
    inner = pipeline("in", add("1", "n"), switch=[switch])
    choice = {"on": "string(n + 1)", "cases": {"y": ["a"]}}
    outer = pipeline("outer", add("1", "n"), sub("a", "in", "output_1_result"), switch=[choice])
    assert compiled(outer, inner).step("a.1").texts == ("string(n + 1)", "string(inner_n)")
    alone = pipeline("outer", add("1", "n"), sub("a", "in", "output_1_result"))
    assert compiled(alone, inner).step("a.1").texts == ("string(n)",)


def test_condition_reaches_steps_that_bear_others() -> None:
    """A step that has a default for one that is left out asks for itself."""
    inner = pipeline("in", add("1", "n", default={"result": 0}), add("2", "output_1_result"))
    graph = compiled(pipeline("outer", sub("a", "in", when="n < 9")), inner)
    assert [each.when for each in graph.steps] == ["n < 9", "n < 9"]


def test_failure_of_a_step_is_borne_as_the_outer_step_says() -> None:
    """What is said of the pipeline holds for those of its steps that would fail the run."""
    inner = pipeline("in", add("1", "n"), add("2", "n", on_error="continue"),
                     result={"sum": "output_1_result"})  # fmt: skip
    more = {"on_error": "default", "default": {"sum": 7}}
    graph = compiled(pipeline("outer", sub("a", "in", **more), add("b", "output_a_sum")), inner)
    assert [each.borne for each in graph.steps] == ["default", "", ""]
    assert graph.step("b").inputs["left"] == Source("output_a.1_result", fallback=(7,))
    assert graph.step("b").bears == ("a.1",)


def test_pipeline_that_contains_itself_is_refused() -> None:
    """Directly, or through others: the path of the circle is told."""
    own = pipeline("own", sub("a", "own"))
    assert problems(own, own) == {
        "steps[0].pipeline": "it would contain itself: own -> own; take one of these steps out"
    }
    b, c = pipeline("b", sub("x", "c")), pipeline("c", sub("y", "b"))
    said = problems(pipeline("top", sub("a", "b")), b, c)["steps[0].pipeline"]
    assert said == (
        "in 'b': steps[0].pipeline: in 'c': steps[0].pipeline: it would contain itself: "
        "b -> c -> b; take one of these steps out"
    )


def test_depth_and_number_of_steps_are_bounded() -> None:
    """Both are told at the step that is too much, and soon, however much they would become."""
    chain = [TWICE]
    for level in range(MOST_LEVELS + 1):
        chain.append(pipeline(f"p{level}", sub("a", chain[-1].pipeline)))
    assert compiled(chain[MOST_LEVELS], *chain)
    assert f"more than {MOST_LEVELS} levels deep" in str(problems(chain[-1], *chain))
    wide = [TWICE]
    for level in range(6):
        steps = [sub(f"{number}", wide[-1].pipeline) for number in range(20)]
        wide.append(pipeline(f"w{level}", *steps))
    said = str(problems(wide[-1], *wide))
    assert f"there are 16000; allowed are {MOST_STEPS}" in said


KEYS: list[tuple[str, Any]] = [
    ("version", "1.0.0"),
    ("retry", {"count": 1}),
    ("timeout", 1.0),
    ("map", "n"),
    ("repeat", {"until": "true", "max": 2}),
]


@pytest.mark.parametrize(("key", "value"), KEYS, ids=[key for key, _ in KEYS])
def test_what_is_of_a_task_is_refused(key: str, value: Any) -> None:
    """A key that a whole pipeline cannot have is told, with where it belongs."""
    said = problems(pipeline("outer", sub("a", "twice", **{key: value})))
    assert f"write {key} at" in said[f"steps[0].{key}"]


def test_what_is_of_a_run_is_refused() -> None:
    """Time limit and failure handler of the inner pipeline would not be kept."""
    timed = attrs.evolve(TWICE, pipeline="timed", timeout=3.0)
    handled = attrs.evolve(TWICE, pipeline="handled", on_failure=attrs.evolve(
        TWICE.steps[0], id="h", inputs={"input_h_left": {"value": 1}}))  # fmt: skip
    assert "timeout" in problems(pipeline("o", sub("a", "timed")), timed)["steps[0].pipeline"]
    assert (
        "on_failure" in problems(pipeline("o", sub("a", "handled")), handled)["steps[0].pipeline"]
    )
    outer = pipeline("o", add("1", "n"), on_failure=sub("f", "twice", {"value": 1}))
    assert "one task" in problems(outer)["on_failure.pipeline"]


def test_ports_are_checked_like_those_of_a_task() -> None:
    """Unknown names, missing inputs and types that do not fit have their places."""
    wrong = sub("a", "twice", {"value": "x"})
    wrong["inputs"]["input_a_m"] = "n"
    found = problems(pipeline("outer", wrong, add("b", "output_a_smu"), sub("c", "twcie"),
                              {"id": "d", "pipeline": "twice"}, {"id": "e"},
                              {"id": "f", "task": "add", "pipeline": "twice"}))  # fmt: skip
    assert found == {
        "steps[0].inputs.input_a_n": '"x" does not fit integer',
        "steps[0].inputs.input_a_m": (
            "'input_a_m' is no input of step 'a' (twice); did you mean 'input_a_n'?"
        ),
        "steps[1].inputs.input_b_left": (
            "there is no 'output_a_smu'; did you mean 'output_a_sum'?"
        ),
        "steps[2].pipeline": "no pipeline 'twcie'; did you mean 'twice'?",
        "steps[3].inputs.input_d_n": (
            "missing; twice needs integer: name a pipeline input or an output port, or write "
            '{"value": ...}'
        ),
        "steps[4].task": "missing; name a task, or a pipeline",
        "steps[5].pipeline": "a step has a task or a pipeline, not both",
    }


def test_list_that_is_mapped_inside_must_be_a_port_of_its_own() -> None:
    """A constant has no elements with ports; a list given twice would be cut for both."""
    each = {"id": "1", "task": "add", "map": "n",
            "inputs": {"input_1_left": "n", "input_1_right": {"value": 1}}}  # fmt: skip
    count = {"id": "2", "task": "total", "inputs": {"input_2_values": "m"}}
    inner = pipeline("in", each, count, inputs={"n": NUMBERS, "m": NUMBERS})
    step = {"id": "a", "pipeline": "in", "inputs": {"input_a_n": {"value": [1]}, "input_a_m": "n"}}
    outer = pipeline("outer", step, inputs={"n": NUMBERS})
    assert "not a constant" in problems(outer, inner)["steps[0].inputs.input_a_n"]
    step["inputs"] = {"input_a_n": "n", "input_a_m": "n"}
    outer = pipeline("outer", step, inputs={"n": NUMBERS})
    assert "n is given to 'm' as well" in problems(outer, inner)["steps[0].inputs.input_a_n"]


def test_pipelines_are_not_known_to_a_plain_call() -> None:
    """Without pipelines to look in, none is there."""
    with pytest.raises((InvalidPipelineError, NotFoundError), match="no pipeline 'twice'"):
        compile_pipeline(pipeline("outer", sub("a", "twice")), TASKS)
