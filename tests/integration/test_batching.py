"""Steps that run at the same time on one runner, which takes them as a batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskmgr_core.client import Client
from taskmgr_core.settings import load
from taskmgr_core.specs import Element, PipelineSpec, RunDetail, StepSpec
from taskmgr_core.wiring import Platform
from waiting import wait_until

WORDS = {"type": "array", "items": {"type": "string"}}


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[Client]:
    """A client with four slots of its own."""
    with Platform(load({"TASKMGR_SLOTS": "4"}, home, home)).client() as opened:
        yield opened


def looked_at(client: Client, *words: str) -> tuple[RunDetail, list[Element]]:
    """Run the task for each of some words at the same time."""
    step = StepSpec(
        "001", "together", {"input_001_word": "words"}, map="words", parallel=4, on_error="continue"
    )
    pipeline = PipelineSpec("looked", {"words": WORDS}, (step,))
    detail = client.run(pipeline, {"words": list(words)}, timeout=60)
    return detail, client.metadata.elements(detail.run.id, "001", 0, len(words))


def outputs(element: Element) -> dict[str, Any]:
    """What an element gave, by the names of the outputs."""
    return {port.split("_")[2].split("[")[0]: it.document for port, it in element.outputs.items()}


def test_steps_of_one_time_are_one_batch(client: Client) -> None:
    """Four steps in four slots are one call of one process, and each has its own result."""
    _, elements = looked_at(client, "a", "b", "c", "d")
    assert [outputs(each)["word"] for each in elements] == ["a", "b", "c", "d"]
    assert [outputs(each)["together"] for each in elements] == [4, 4, 4, 4]
    assert len({outputs(each)["process"] for each in elements}) == 1


def test_each_step_has_its_own_log(client: Client) -> None:
    """What is written for one item is its step's; what is written for all is in each log."""
    detail, _ = looked_at(client, "a", "b", "c", "d")
    for index, word in enumerate("abcd"):
        lines = [line.text for line in client.logs(detail.run.id) if line.step == f"001[{index}]"]
        assert lines == [f"preparing {word}", "looking at 4", f"saw {word}"]


@pytest.mark.parametrize(
    ("word", "code", "message", "together"),
    [
        ("refuse", "invalid-input", "refused", 3),
        ("spoil", "task-error", "spoilt", 4),
        ("raise", "task-error", "raised for all", 1),
        ("exit", "crashed", "exited with status 7", 1),
        ("hang", "timeout", "timeout of 1.5 s", 1),
    ],
)
def test_item_that_fails_fails_alone(
    client: Client, word: str, code: str, message: str, together: int
) -> None:
    """Whatever an item does to its batch, only its own step fails, with its own reason."""
    _, elements = looked_at(client, "a", word, "c", "d")
    assert [each.status for each in elements] == ["succeeded", "failed", "succeeded", "succeeded"]
    assert [outputs(each)["together"] for each in elements if each.outputs] == [together] * 3
    failure = elements[1].failure
    assert failure is not None
    assert (failure.code, message in failure.message) == (code, True)


def test_slow_item_makes_nobody_late_who_has_another_timeout(client: Client) -> None:
    """Of steps with different timeouts in one line, only the slow one fails, at its own."""
    long, short = (
        StepSpec(
            step_id,
            "together",
            {f"input_{step_id}_word": port},
            map=port,
            parallel=4,
            on_error="continue",
            timeout=timeout,
        )
        for step_id, port, timeout in (("001", "long", 2.0), ("002", "short", 1.0))
    )
    pipeline = PipelineSpec("looked", {"long": WORDS, "short": WORDS}, (long, short))
    given = {"long": ["a"], "short": ["b", "hang", "c"]}
    run_id = client.run(pipeline, given, timeout=60).run.id
    (first,) = client.metadata.elements(run_id, "001", 0, 1)
    elements = client.metadata.elements(run_id, "002", 0, 3)
    assert first.status == "succeeded"
    assert [each.status for each in elements] == ["succeeded", "failed", "succeeded"]
    failure = elements[1].failure
    assert failure is not None
    assert (failure.code, "timeout of 1 s" in failure.message) == ("timeout", True)


def test_cancelled_step_leaves_its_batch(platform: Platform, tmp_path: Path) -> None:
    """A run that is cancelled ends at once; its batch goes on for the steps of others."""
    gate = tmp_path / "gate"
    with platform.client() as client:
        ids = [client.submit("together", {"word": word}) for word in (str(gate), "b", "c", "d")]
        worker = platform.worker(4, ())
        worker.start()
        wait_until(gate.with_suffix(".begun").exists, "the batch has begun")
        client.cancel(ids[1])
        wait_until(lambda: client.metadata.run(ids[1]).status == "cancelled", "cancelled")
        gate.touch()
        for each in ids:
            client.wait(each, timeout=10)
        ended = [client.detail(each) for each in ids]
        worker.stop()
    assert [each.run.status for each in ended] == ["succeeded", "cancelled", *["succeeded"] * 2]
    assert [each.result["together"] for each in ended if each.result] == [4, 4, 4]


def test_step_alone_does_not_wait_for_others(client: Client) -> None:
    """One step, with nobody to join it, is a batch of one after the wait at the latest."""
    detail = client.run("together", {"word": "a"}, timeout=60)
    assert detail.result is not None
    assert detail.result["together"] == 1
    assert 0.5 <= detail.steps[0].seconds["total"] < 1.5
