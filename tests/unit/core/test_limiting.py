"""How many steps run at once and begin in a time: what is asked of a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_examples import field, version_of

from taskmgr_core import documents
from taskmgr_core.errors import InvalidPipelineError, InvalidValueError, RunnerError
from taskmgr_core.orchestrator.conditions import key_of
from taskmgr_core.orchestrator.graph import compile_pipeline, compile_task
from taskmgr_core.orchestrator.limiting import (
    demands_of,
    is_others_turn,
    limit_of,
    rate_of,
    taken,
)
from taskmgr_core.specs import (
    Bucket,
    Demand,
    Graph,
    GraphStep,
    Limit,
    LimitSpec,
    PipelineSpec,
    Source,
    element_step,
)

TASKS = {
    "look": version_of(
        "look",
        (field("camera", str), field("frames", int)),
        (field("seen", list[str]),),
        max_concurrent=3,
        rate="10/s",
    ),
    "say": version_of("say", (field("text", str),), (field("said", str),)),
}


def compiled(*, concurrency: Mapping[str, Any] | None = None, **more: Any) -> Graph:
    """A camera is looked at, then each thing that it saw is said, which may be limited."""
    say: dict[str, Any] = {
        "id": "002",
        "task": "say",
        "map": "output_001_seen",
        "inputs": {"input_002_text": "output_001_seen"},
        **more,
    }
    if concurrency is not None:
        say["concurrency"] = concurrency
    look = {"input_001_camera": "camera", "input_001_frames": {"value": 1}}
    document = {
        "pipeline": "watch",
        "inputs": {"camera": "string", "tags": {"type": "object"}},
        "steps": [{"id": "001", "task": "look", "inputs": look}, say],
    }
    return compile_pipeline(documents.structure(document, PipelineSpec), TASKS)


def test_task_says_its_own_limits() -> None:
    """What a task declares is asked of its steps, and in a run of it alone."""
    expected = (
        Demand("task:look", 3),
        Demand("rate:task:look", rate=rate_of("10/s")),
    )
    assert demands_of(compiled().step("001"), {}) == expected
    assert demands_of(compile_task(TASKS["look"]).steps[0], {}) == expected
    assert demands_of(compiled().step("002"), {}) == ()


def test_operators_stand_above_tasks() -> None:
    """What an operator says of a task replaces all that the task says; of a queue it is added."""
    rules = {
        each.name: each
        for each in (Limit("task:look", 9), Limit("queue:default", 5, "1/h"), Limit("task:say", 1))
    }
    assert demands_of(compiled().step("001"), rules) == (
        Demand("task:look", 9),
        Demand("queue:default", 5),
        Demand("rate:queue:default", rate=rate_of("1/h")),
    )


def test_key_is_read_from_ports() -> None:
    """The ports in a key are sources of the step; of a mapped one the key is of the element."""
    key = "camera + output_001_seen"
    step = compiled(concurrency={"key": key, "max": 2}).step("002")
    assert step.limit == LimitSpec(key, 2, name="watch/002")
    assert step.key_reads == {
        "camera": Source("camera"),
        "output_001_seen": Source("output_001_seen"),
    }
    assert step.sources == {"camera", "output_001_seen"}
    assert element_step(step, 4).sources == {"camera", "output_001_seen[4]"}


def test_step_waits_for_what_its_key_reads() -> None:
    """A step that takes nothing of another one waits for it, where its key does."""
    limit = {"key": "output_001_seen[0]", "max": 1}
    inputs = {"input_002_text": "camera"}
    step = compiled(concurrency=limit, inputs=inputs, map="").step("002")
    assert step.after == ("001",)


@pytest.mark.parametrize(
    ("limit", "place", "message"),
    [
        ({}, "", "give max (how many at once), rate (as '10/s'), or both"),
        ({"max": -2}, ".max", "-2 is not allowed; it must be 1 to 100000"),
        ({"rate": "10"}, ".rate", "rate '10': allowed is a number above 0 in a time"),
        ({"max": 1, "name": "a b"}, ".name", "'a b': allowed are letters"),
        ({"max": 1, "key": "camra"}, ".key", "did you mean 'camera'"),
        ({"max": 1, "key": "tags"}, ".key", "map<string, dyn>, and must give a text or a number"),
        ({"max": 1, "key": "camera +"}, ".key", "column 9: Syntax error"),
        ({"max": 1, "key": "output_002_said"}, ".key", "output_002_said is made by the step"),
    ],
)
def test_wrong_limit_is_refused_with_its_place(
    limit: Mapping[str, Any], place: str, message: str
) -> None:
    """Before anything is recorded, as everything that is wrong with a pipeline."""
    with pytest.raises(InvalidPipelineError) as caught:
        compiled(concurrency=limit)
    found = {each.place: each.message for each in caught.value.problems}
    assert message in found[f"steps[1].concurrency{place}"]


def keyed(key: Any, name: str = "tenant") -> str:
    """The label of a step whose key has that value."""
    step = attrs.evolve(compiled().step("002"), limit=LimitSpec("camera", 1, name=name))
    (demand,) = demands_of(step, {}, key)
    return demand.label


@given(st.lists(st.text() | st.integers() | st.booleans(), min_size=2, max_size=2, unique=True))
def test_keys_that_differ_are_counted_apart(keys: list[Any]) -> None:
    """No two values have one label; a label has no blanks and is short, whatever the value."""
    first, second = (keyed(each) for each in keys)
    assert first != second
    assert len(first) < 120
    assert not set(first) & set(" \n\t")


def test_number_is_not_its_text() -> None:
    """A key that is 1 is another one than a key that is "1"."""
    assert keyed(1) != keyed("1")
    assert keyed(None) != keyed("null")


RATES = st.builds(
    lambda count, unit: rate_of(f"{count}/{unit}"),
    st.integers(1, 1000),
    st.sampled_from(["s", "min", "h"]),
)


@given(RATES, st.lists(st.floats(-0.5, 5.0), max_size=60))
def test_rate_is_never_exceeded(rate: Any, steps: list[float]) -> None:
    """In any time no more begin than a full bucket and what comes back; clocks may go back."""
    bucket: Bucket | None = None
    now, begun = 1_000.0, []
    for passed in steps:
        now += passed * rate.interval
        bucket, seconds = taken(bucket, rate, now)
        if seconds == 0:
            begun.append(now)
    latest = 0.0
    honest = [latest := max(latest, each) for each in begun]
    for first in range(len(honest)):
        for last in range(first, len(honest)):
            span = honest[last] - honest[first]
            assert last - first + 1 <= rate.count + span / rate.interval + 1e-3


@given(RATES, st.floats(0, 100))
def test_wait_is_as_long_as_it_says(rate: Any, passed: float) -> None:
    """An empty bucket gives its next token after just those seconds, and not before."""
    bucket, seconds = taken(Bucket(0.0, 1_000.0), rate, 1_000.0)
    assert seconds == pytest.approx(rate.interval)
    assert taken(bucket, rate, 1_000.0 + seconds * 0.99)[1] > 0
    assert taken(bucket, rate, 1_000.0 + seconds + passed)[1] == 0


def test_one_step_at_a_time_is_told_of_a_token() -> None:
    """While one is to try, others wait; once it is overdue whoever comes takes its turn."""
    bucket = Bucket(0.0, 100.0, wake_at=110.0)
    assert is_others_turn(bucket, 109.0, woken=True)
    assert not is_others_turn(bucket, 110.0, woken=True)
    assert is_others_turn(bucket, 110.5, woken=False)
    assert not is_others_turn(bucket, 111.5, woken=False)


@pytest.mark.parametrize(
    ("expression", "values", "key"),
    [
        ("a", {"a": "x y"}, "x y"),
        ("a", {"a": 1.0}, 1.0),
        ("a.name + '/' + b", {"a": {"name": "n"}, "b": "m"}, "n/m"),
        ("size(a)", {"a": [1, 2]}, 2),
    ],
)
def test_key_is_what_its_expression_gives(
    expression: str, values: Mapping[str, Any], key: Any
) -> None:
    """A port's own value, or what is made of several."""
    assert key_of(expression, values) == key


@pytest.mark.parametrize("values", [{"a": {}}, {"a": [1]}])
def test_key_that_is_no_text_or_number_is_a_failure(values: Mapping[str, Any]) -> None:
    """What could only be known with the value fails the step, with the key."""
    with pytest.raises(RunnerError, match="the key 'a' cannot be told: it gave") as caught:
        key_of("a", values)
    assert caught.value.code == "condition"


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (("look", 1, ""), "'look' is no limit's name"),
        (("key:x", 1, ""), "'key:x' is no limit's name"),
        (("queue:a b", 1, ""), "'queue:a b' is no limit's name"),
        (("task:look", 100_001, ""), r"allowed is 0 \(no limit\) to 100000"),
        (("task:look", 0, "x"), "rate 'x': allowed is"),
        (("task:look", 0, ""), "give a max, a rate, or both"),
    ],
)
def test_wrong_limit_of_an_operator_is_refused(arguments: Any, wrong: str) -> None:
    """With what is wrong and what is allowed."""
    with pytest.raises(InvalidValueError, match=wrong):
        limit_of(*arguments)


def test_graph_with_limits_is_stored_and_read() -> None:
    """A limit survives its JSON; a step without one has nothing of it there."""
    step = compiled(concurrency={"key": "camera", "rate": "5/min", "name": "cam"}).step("002")
    assert documents.loads(documents.dumps(step), GraphStep) == step
    plain = documents.unstructure(compiled().step("002"))
    assert not {"limit", "key_reads", "max_concurrent", "rate", "cache"} & set(plain)
