"""Conditions of steps: what is refused when a pipeline is compiled, and what the rest comes to."""

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_examples import face_document, face_tasks

from taskmgr_core import documents
from taskmgr_core.errors import InvalidPipelineError, RunnerError
from taskmgr_core.orchestrator.conditions import (
    Branch,
    branch_of,
    case_of,
    holds,
    joined,
    names_in,
    no_case_of,
    parts_of,
)
from taskmgr_core.orchestrator.graph import compile_pipeline
from taskmgr_core.specs import Graph, PipelineSpec, Source


def compiled(second: Mapping[str, Any] | None = None, **more: Any) -> Graph:
    """The face pipeline with more said of its second step, and of all of it."""
    document: Any = {**face_document(), **more}
    document["steps"][1] |= second or {}
    return compile_pipeline(documents.structure(document, PipelineSpec), face_tasks())


def refused(second: Mapping[str, Any] | None = None, **more: Any) -> str:
    """What is said of a pipeline that is refused."""
    with pytest.raises(InvalidPipelineError) as caught:
        compiled(second, **more)
    return str(caught.value)


WRONG = {
    "syntax": (
        "output_001_faces_array.size() >",
        "steps[1].when: column 32: Syntax error: it ends where a value is missing",
    ),
    "unknown port": ("output_001_faces_arry.size() > 0", "did you mean 'output_001_faces_array'?"),
    "no boolean": ("output_001_faces_array.size()", "it gives int, and must give true or false"),
    "types": (
        "output_001_faces_array > 3",
        "'>' does not take (list(map(string, dyn)), int)",
    ),
    "number as a text": (
        '"a" > 3',
        "'>' does not take string and int; convert one of them, as by int(...)",
    ),
    "another sign": (
        "size(output_001_faces_array >",
        "column 30: Syntax error: it ends where a value",
    ),
    "own output": ("output_002_attributes_array.size() > 0", "is made by the step itself"),
    "empty": ("", "it is empty; write an expression in CEL that gives true or false"),
    "blank": (" ", "it is empty; write an expression in CEL that gives true or false"),
    "too long": ("true || " * 300 + "true", "characters; allowed are 2000"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_condition_is_refused_with_its_place(name: str) -> None:
    """What can be known without values is told when the pipeline is compiled."""
    expression, message = WRONG[name]
    said = refused({"when": expression})
    assert message in said
    assert "steps[1].when: " in said


def test_condition_makes_its_ports_sources() -> None:
    """A step waits for what its condition reads, through input ports too."""
    graph = compiled({"when": 'output_001_faces_array.exists(f, f.face_id == "input_003_image")'})
    step = graph.step("002")
    assert step.reads == {"output_001_faces_array": Source("output_001_faces_array")}
    assert step.after == ("001",)
    assert compiled({"when": "input_003_image.size > 10"}).step("002").reads == {
        "input_003_image": Source("image")
    }


def test_switch_gives_each_step_its_condition() -> None:
    """Steps get the condition of their case and keep their own; a step stands in one case."""
    switch = {"on": "image.media_type", "cases": {"image/png": ["002"]}, "otherwise": ["003"]}
    graph = compiled({"when": "image.size > 1"}, switch=[switch])
    png = {"image": {"media_type": "image/png", "size": 9}}
    jpeg = {"image": {"media_type": "image/jpeg", "size": 9}}
    found = {step.id: step.when for step in graph.steps}
    assert found["001"] == ""
    assert [holds(found["002"], each) for each in (png, jpeg)] == [True, False]
    assert [holds(found["003"], each) for each in (png, jpeg)] == [False, True]
    assert not holds(found["002"], {"image": {"media_type": "image/png", "size": 1}})


def test_wrong_switch_is_refused_with_its_place() -> None:
    """Steps that are not there or stand twice, no cases, and what is no text."""
    switch = {"on": "1 + 1", "cases": {"a": ["002", "0003"]}, "otherwise": ["002"]}
    said = refused(switch=[switch, {"on": "image.name", "cases": {}}])
    assert "switch[0].on: it gives int, and must give a text" in said
    assert "switch[0].cases.a[1]: no step '0003'; did you mean '003'?" in said
    assert "switch[0].otherwise[0]: step '002' is at switch[0].cases.a already" in said
    assert "switch[1].cases: there are none" in said


def test_empty_key_and_switch_are_refused_with_their_places() -> None:
    """An expression that is written and empty is no other way to leave it out."""
    said = refused({"concurrency": {"key": "", "max": 1}}, switch=[{"on": "", "cases": {}}])
    assert "steps[1].concurrency.key: it is empty; write an expression" in said
    assert "switch[0].on: it is empty; write an expression in CEL that gives a text" in said
    assert compiled({"concurrency": {"max": 1}}).step("002").key_reads == {}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (3, "it gave 3 (int), not a text"),
        (None, "it gave null, not a text"),
        ([1, {"a": "b"}], 'it gave [1, {"a": "b"}] (list), not a text'),
        ("x" * 9, None),
        ({"a": "x" * 90}, f'it gave {{"a": "{"x" * 50}... (map), not a text'),
    ],
)
def test_switch_on_what_is_no_text_cannot_be_told(value: Any, told: str | None) -> None:
    """Neither a case nor otherwise is taken for it; the message has the value and its type."""
    switch = {"on": "any", "cases": {"image/png": ["002"]}, "otherwise": ["003"]}
    graph = compiled(inputs={"image": "Image", "any": "any"}, switch=[switch])
    for step in (graph.step("002"), graph.step("003")):
        if told is None:
            assert holds(step.when, {"any": value}, step.texts) == (step.id == "003")
            continue
        with pytest.raises(RunnerError) as caught:
            holds(step.when, {"any": value}, step.texts)
        assert str(caught.value) == f"the switch 'any' cannot be told: {told}"
        assert caught.value.code == "condition"


def test_step_that_is_left_out_anyway_does_not_ask_what_its_switch_gives() -> None:
    """A condition of its own, or one around its pipeline, keeps a step from a wrong switch."""
    switch = {"on": "any", "cases": {"a": ["002"]}}
    inputs = {"image": "Image", "any": "any"}
    own = compiled({"when": "any != null"}, inputs=inputs, switch=[switch]).step("002")
    assert not holds(own.when, {"any": None}, own.texts)
    with pytest.raises(RunnerError, match="it gave 3"):
        holds(own.when, {"any": 3}, own.texts)


@pytest.mark.parametrize(
    ("expression", "values", "message"),
    [
        ("faces[0].age > 1", {"faces": [{}]}, "age"),
        ("1 / n > 0", {"n": 0}, "divide by zero"),
        ("n", {"n": 3}, "it gave int, not true or false"),
        ("n > 0", {"n": 2**70}, "out of range"),
    ],
)
def test_condition_that_cannot_be_told_is_a_failure(
    expression: str, values: Mapping[str, Any], message: str
) -> None:
    """What shows only with the values fails the step with a code of its own, for good."""
    with pytest.raises(RunnerError, match=message) as caught:
        holds(expression, values)
    assert (caught.value.code, caught.value.retryable) == ("condition", False)


def test_slow_condition_is_ended() -> None:
    """Nested loops over a long list end at a limit, long before they are through."""
    begun = time.monotonic()
    with pytest.raises(RunnerError, match="more than 10,000 elements"):
        holds("xs.all(a, xs.all(b, xs.all(c, a + b + c >= 0)))", {"xs": list(range(1000))})
    assert time.monotonic() - begun < 5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_any_json_value_can_be_asked(value: Any) -> None:
    """Every value arrives as it is: it equals itself and is no other kind."""
    assert holds("v == v", {"v": value})
    assert holds("type(v) == string", {"v": value}) == isinstance(value, str)


@given(st.text(), st.lists(st.text(), min_size=1, unique=True))
def test_text_of_a_case_stands_for_itself(said: str, cases: list[str]) -> None:
    """Quotes, backslashes and line ends in the text of a case mean nothing else."""
    values = {"said": said}
    assert [holds(case_of("said", case), values) for case in cases] == [
        said == case for case in cases
    ]
    assert holds(no_case_of("said", dict.fromkeys(cases)), values) == (said not in cases)


def test_names_are_found_outside_of_texts() -> None:
    """Texts of all kinds, and what follows a dot, name no port."""
    assert names_in("""a.b == 'c' && d.e('''f''') == r"g" """) == ("a", "d")


def test_graph_with_conditions_is_stored_and_read() -> None:
    """What is compiled comes back from its JSON as it was."""
    graph = compiled({"when": "image.size > 1"})
    assert documents.structure(json.loads(documents.dumps(graph)), Graph) == graph


EXPRESSIONS = ["mode", 'a > 1 ? ")(" : b', "(a) + (b)", "f((a))", "a || (b && c)", '"(" + mode']


@given(st.lists(st.sampled_from(EXPRESSIONS), min_size=2))
def test_joined_conditions_are_told_apart(parts: list[str]) -> None:
    """What was joined is found again, brackets in texts or not, and what was joined twice."""
    whole = joined(iter(parts))
    assert parts_of(whole) == parts
    assert parts_of(joined(iter([whole, "c"]))) == [*parts, "c"]


@given(st.sampled_from(EXPRESSIONS), st.lists(st.text(max_size=9), min_size=1, unique=True))
def test_branch_of_a_switch_is_known_by_its_condition(on: str, cases: list[str]) -> None:
    """What it asks, and whether it is a case or all that are none."""
    found = branch_of(case_of(on, cases[0]))
    assert found is not None
    assert (found.on, len(found.texts), found.otherwise) == (on, 1, False)
    rest = branch_of(no_case_of(on, dict.fromkeys(cases)))
    assert rest is not None
    assert (rest.on, len(rest.texts), rest.otherwise) == (on, len(cases), True)
    assert branch_of(case_of("mode", "a")) == Branch("mode", ('"a"',), False)


@pytest.mark.parametrize(
    "expression", ["go", "(a) > 3", '(a) == "x" || b', "!((a))", "!(b)", "((a)", "(a) &&", ""]
)
def test_other_conditions_are_no_branches(expression: str) -> None:
    """They are one part, and of no switch."""
    assert branch_of(expression) is None
    assert parts_of(expression) == [expression]
