"""What a pipeline says about steps that fail, and about retries: what of it is refused."""

import json
from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_examples import face_document, face_tasks

from taskmgr_core import documents
from taskmgr_core.errors import InvalidPipelineError
from taskmgr_core.orchestrator.graph import compile_pipeline
from taskmgr_core.orchestrator.retries import delay_of_retry
from taskmgr_core.specs import Failure, Graph, PipelineSpec, RetrySpec


def compiled(first: Mapping[str, Any] | None = None, **more: Any) -> Graph:
    """The face pipeline with more said of its first step, and of all of it."""
    document: Any = {**face_document(), **more}
    document["steps"] = [{**document["steps"][0], **(first or {})}, *document["steps"][1:]]
    return compile_pipeline(documents.structure(document, PipelineSpec), face_tasks())


WRONG: Mapping[str, tuple[dict[str, Any], str]] = {
    "count": ({"retry": {"count": -1}}, "steps[0].retry.count: -1 is not allowed"),
    "delay": ({"retry": {"count": 1, "delay": -1}}, "steps[0].retry.delay: -1"),
    "factor": ({"retry": {"count": 1, "factor": 0.5}}, "steps[0].retry.factor: 0.5"),
    "max_delay": ({"retry": {"count": 1, "max_delay": -1}}, "steps[0].retry.max_delay: -1"),
    "jitter": ({"retry": {"count": 1, "jitter": 2}}, "steps[0].retry.jitter: 2"),
    "code": ({"retry": {"count": 1, "on": ["timeuot"]}}, "did you mean 'timeout'?"),
    "timeout": ({"timeout": 0}, "steps[0].timeout: 0"),
    "on_error": ({"on_error": "ignore"}, "steps[0].on_error: 'ignore' is not known"),
    "no default": ({"on_error": "default"}, "there is none for the output 'faces_array'"),
    "default": ({"default": {"faces_array": "none"}}, "steps[0].default.faces_array"),
    "output": ({"default": {"faces_arry": []}}, "did you mean 'faces_array'?"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_policy_is_refused_with_its_place(name: str) -> None:
    """What cannot be is told when the pipeline is compiled."""
    more, message = WRONG[name]
    with pytest.raises(InvalidPipelineError) as caught:
        compiled(more)
    assert message in str(caught.value)


def test_time_of_a_run_must_be_a_time() -> None:
    """A run of no time is refused."""
    with pytest.raises(InvalidPipelineError, match=r"timeout: 0\.0 is not allowed"):
        compiled(timeout=0)


def test_policy_of_the_file_stands_in_the_graph() -> None:
    """Timeouts replace the task's; a step that has defaults for all it takes bears the failure."""
    graph = compiled(
        {"timeout": 5, "on_error": "default", "default": {"faces_array": []}}, timeout=60
    )
    assert (graph.timeout, graph.step("001").timeout) == (60, 5)
    assert graph.step("002").bears == ("001",)
    assert compiled().step("002").bears == ()


def test_graph_of_an_earlier_taskmgr_is_read() -> None:
    """A stored graph without any of it is a graph with the defaults."""
    plain = documents.dumps(compiled())
    for step in json.loads(plain)["steps"]:
        assert step.keys().isdisjoint(
            {"retry", "on_error", "default", "bears", "handles_failure", "when"}
        )
        assert all(source.keys() <= {"port", "constant"} for source in step["inputs"].values())
    assert documents.loads(plain, Graph) == compiled()


TIMES = st.floats(0, 1e6)


@given(st.integers(0, 1000), TIMES, st.floats(1, 1e6), TIMES, st.floats(0, 1), st.integers(0, 1001))
def test_delay_is_bounded_and_ends(
    count: int, delay: float, factor: float, longest: float, chance: float, tried: int
) -> None:
    """Whatever the policy: never negative, never more than max_delay, and none after the last."""
    policy = RetrySpec(count, delay, factor, longest, jitter=1.0)
    step = attrs.evolve(compiled().step("001"), retry=policy)
    failure = Failure("task-error", "no")
    lost = Failure("worker-lost", "gone")
    found = delay_of_retry(
        step,
        (lost, *[failure] * tried),
        failure,
        retryable=True,
        first_delay=1.0,
        chance=chance,
    )
    assert (found is None) == (tried >= count)
    assert found is None or 0 <= found <= longest


def test_delay_grows_by_its_factor() -> None:
    """The delays of an exponential backoff without jitter."""
    policy = RetrySpec(5, delay=1.0, factor=3.0, max_delay=20.0)
    step = attrs.evolve(compiled().step("001"), retry=policy)
    failure = Failure("task-error", "no")
    delays = [
        delay_of_retry(
            step, (failure,) * tried, failure, retryable=True, first_delay=9.0, chance=0.5
        )
        for tried in range(6)
    ]
    assert delays == [1.0, 3.0, 9.0, 20.0, 20.0, None]


def test_codes_replace_what_is_retried_by_itself() -> None:
    """With codes those are tried again and no others, also one that else is not."""
    step = attrs.evolve(compiled().step("001"), retry=RetrySpec(1, on=("invalid-output",)))

    def is_retried(code: str, *, retryable: bool) -> bool:
        failure = Failure(code, "no")
        return (
            delay_of_retry(step, (), failure, retryable=retryable, first_delay=1, chance=0)
            is not None
        )

    assert is_retried("invalid-output", retryable=False)
    assert not is_retried("task-error", retryable=True)
