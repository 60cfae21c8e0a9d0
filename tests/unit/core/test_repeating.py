"""What is wrong with a step that is run again and again, told before anything runs."""

from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_examples import defaulted, field, version_of

from taskmgr_core.documents import structure
from taskmgr_core.errors import InvalidPipelineError, RunnerError
from taskmgr_core.orchestrator.conditions import renamed
from taskmgr_core.orchestrator.graph import compile_pipeline
from taskmgr_core.orchestrator.repeating import MOST_ITERATIONS, is_enough
from taskmgr_core.specs import Graph, GraphStep, PipelineSpec, RepeatSpec, Source, iteration_step

TASKS = {
    each.name: each
    for each in (
        version_of(
            "refine",
            (field("guess", float), defaulted("notes", list[str], [])),
            (field("guess", float), field("notes", list[str]), field("good", bool)),
        ),
        version_of("split", (), (field("texts", list[str]),)),
    )
}
PLAIN: Mapping[str, Any] = {
    "until": "output_1_good",
    "max": 5,
    "feed": {"input_1_guess": "output_1_guess", "input_1_notes": "output_1_notes"},
}


def compiled(repeat: Mapping[str, Any], **more: Any) -> Graph:
    """A pipeline with a loop behind another step."""
    step = {"id": "1", "task": "refine", "inputs": {"input_1_guess": "n"}, "repeat": repeat, **more}
    document = {
        "pipeline": "p",
        "inputs": {"n": "number"},
        "steps": [step, {"id": "2", "task": "split"}],
    }
    return compile_pipeline(structure(document, PipelineSpec), TASKS)


def problem(repeat: Mapping[str, Any], **more: Any) -> tuple[str, str]:
    """The only thing that is wrong with it: place and message."""
    with pytest.raises(InvalidPipelineError) as caught:
        compiled({**PLAIN, **repeat}, **more)
    (found,) = caught.value.problems
    return found.place.removeprefix("steps[0]."), found.message


def test_loop_is_part_of_the_graph() -> None:
    """As it is written; its own outputs are no sources, so it waits for nothing of its own."""
    step = compiled(PLAIN).step("1")
    assert step.repeat == structure(PLAIN, RepeatSpec)
    assert (step.after, step.inputs) == ((), {"guess": Source("n")})


FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"max": 0}, "max", "0 is not allowed; it must be 1 to 10000"),
    ({"max": MOST_ITERATIONS + 1}, "max", "10001 is not allowed; it must be 1 to 10000"),
    ({"on_max": "stop"}, "on_max", "'stop' is not known; known: 'continue', 'fail'"),
    (
        {"until": " "},
        "until",
        'it is empty; say when it is enough, as "iteration == 4" for five times',
    ),
    (
        {"until": "output_1_god"},
        "until",
        "there is no 'output_1_god'; did you mean 'output_1_good'?",
    ),
    (
        {"until": "output_2_texts.size() > 1"},
        "until",
        "output_2_texts is not of step '1'; a loop looks at its own ports and at 'iteration'. "
        "Give the value to an input of the step",
    ),
    (
        {"until": "n > 1.0"},
        "until",
        "n is not of step '1'; a loop looks at its own ports and at 'iteration'. "
        "Give the value to an input of the step",
    ),
    ({"until": "output_1_guess"}, "until", ""),
    ({"until": "iteration"}, "until", "it gives int, and must give true or false"),
    ({"until": "output_1_good &&"}, "until", "column 17: Syntax error: "),
    ({"until": "true || " * 300 + "true"}, "until", "it has 2404 characters; allowed are 2000"),
    (
        {"feed": {"input_1_gues": "output_1_guess"}},
        "feed.input_1_gues",
        "'input_1_gues' is no input of the step; did you mean 'input_1_guess'?",
    ),
    (
        {"feed": {"input_1_notes": "output_2_texts"}},
        "feed.input_1_notes",
        "'output_2_texts' is no output of the step, and only its own are fed back; "
        "did you mean 'output_1_notes'?",
    ),
]


@pytest.mark.parametrize(("repeat", "place", "message"), FAULTS, ids=range(len(FAULTS)))
def test_fault_has_its_place_and_cure(repeat: dict[str, Any], place: str, message: str) -> None:
    """Each thing that cannot be is told where it stands, with what would be right."""
    if not message:  # a number may be anything to CEL until it is there
        assert compiled({**PLAIN, **repeat})
        return
    found = problem(repeat)
    assert found[0] == f"repeat.{place}"
    assert found[1].startswith(message)


def test_what_does_not_fit_is_told_once() -> None:
    """Where the whole is of another type there is nothing inside of it to tell."""
    assert problem({"feed": {"input_1_notes": "output_1_guess"}}) == (
        "repeat.feed.input_1_notes",
        "output_1_guess (number) does not fit array of string",
    )


def test_loop_is_not_mapped_as_well() -> None:
    """One of the two, since an element's iterations would have no names."""
    listed = {"map": "output_2_texts", "inputs": {"input_1_guess": {"value": 1},
                                                  "input_1_notes": "output_2_texts"}}  # fmt: skip
    with pytest.raises(InvalidPipelineError, match="map or repeat, not both"):
        compiled(PLAIN, **listed)


def test_handler_of_a_failure_is_run_once() -> None:
    """What is run when the run has failed does not loop."""
    document = {
        "pipeline": "p", "inputs": {}, "steps": [{"id": "2", "task": "split"}],
        "on_failure": {"id": "1", "task": "refine", "inputs": {"input_1_guess": {"value": 1}},
                       "repeat": dict(PLAIN)},
    }  # fmt: skip
    with pytest.raises(InvalidPipelineError, match=r"on_failure\.repeat: .* is run once"):
        compile_pipeline(structure(document, PipelineSpec), TASKS)


STEP = attrs.evolve(compiled(PLAIN).step("1"), default={"guess": 7.0, "notes": [], "good": False})


def sources(step: GraphStep, index: int, last: int | None) -> tuple[Source, Source | None]:
    """Where an iteration takes its two inputs from."""
    inputs = iteration_step(step, index, last).inputs
    return inputs["guess"], inputs.get("notes")


def test_iteration_takes_what_the_last_good_one_gave() -> None:
    """The first what the step takes; after one that was borne its default, or the one before it."""
    fed = (Source("output_1_guess[2]"), Source("output_1_notes[2]"))
    assert sources(STEP, 0, None) == (Source("n"), None)
    assert sources(STEP, 3, 2) == fed
    assert sources(attrs.evolve(STEP, on_error="continue"), 9, 2) == fed
    assert sources(attrs.evolve(STEP, on_error="continue"), 9, None) == (Source("n"), None)
    assert sources(attrs.evolve(STEP, on_error="default"), 9, 2) == (
        Source(constant=7.0),
        Source(constant=[]),
    )


def test_condition_is_asked_of_the_fields_of_the_step() -> None:
    """Whatever the step is called: in the place of another step its ports have other ids."""
    outputs = {"good": False, "guess": 2.5}
    assert is_enough("output_1_guess - input_1_guess < 1.0", 0, {"guess": 2.0}, outputs)
    assert not is_enough("output_1_good || iteration > 3", 3, {}, outputs)
    assert is_enough("output_1_good || iteration > 3", 4, {}, outputs)
    with pytest.raises(RunnerError, match="cannot be told") as caught:
        is_enough("output_1_guess.size() > 1", 0, {}, outputs)
    assert caught.value.code == "condition"


WORDS = st.sampled_from(["a", "b", "ab", "'a'", '"b\\" a"', "x.a", "(", "&&", "b ", "r'''a'''"])


@given(st.lists(WORDS))
def test_names_are_renamed_and_nothing_else(words: list[str]) -> None:
    """Texts and what stands behind a dot stay; there and back again it is the same."""
    expression = " ".join(words)
    there = renamed(expression, {"a": "new_a"})
    expected = " ".join("new_a" if word == "a" else word for word in words)
    assert there == expected
    assert renamed(there, {"new_a": "a"}) == expression
