"""What a cached result follows from, and what is taken of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from pipeline_examples import field, version_of

from taskmgr_core.orchestrator.graph import compile_task
from taskmgr_core.specs import (
    Claim,
    FieldValue,
    ModelSpec,
    Step,
    StoredFile,
    TaskVersion,
    refreshed,
)
from taskmgr_core.values import recorded
from taskmgr_core.worker.caching import key_of

VERSION = version_of("look", (field("text", str),), (field("seen", str),), cache="by-inputs")
PICTURE = {"$artifact": "sha256:" + "a" * 64, "media_type": "image/png", "size": 3, "name": "a.png"}


def claim_of(version: TaskVersion = VERSION) -> Claim:
    """An attempt at a run of a task."""
    step = compile_task(version).steps[0]
    claimed = Step("r", step.id, step.task, step.version, step.queue, step.priority, "running")
    return Claim(claimed, step, {})


def given(document: Any = "a", *, port: str = "input_001_text", **more: Any) -> FieldValue:
    """The value of an input port."""
    return attrs.evolve(recorded(port, document, "string", ""), **{"source": "text", **more})


KEY = key_of(claim_of(), VERSION, (given(),))


def with_release(**changes: Any) -> TaskVersion:
    """The version as it might have been published."""
    return attrs.evolve(VERSION, release=attrs.evolve(VERSION.release, **changes))


OTHERS: dict[str, Callable[[], str]] = {
    "wheel": lambda: key_with(with_release(wheel=StoredFile("w", "sha256:" + "9" * 64, 1))),
    "lock": lambda: key_with(with_release(lock=StoredFile("l", "sha256:" + "9" * 64, 1))),
    "Python": lambda: key_with(with_release(python="3.14")),
    "weights": lambda: key_with(
        attrs.evolve(
            VERSION,
            task=attrs.evolve(VERSION.task, models=(ModelSpec("m", "b" * 64, "MIT", "here"),)),
        )
    ),
    "value": lambda: key_of(claim_of(), VERSION, (given("b"),)),
    "field": lambda: key_of(claim_of(), VERSION, (given(port="input_001_other"),)),
}


def key_with(version: TaskVersion) -> str:
    """The key of the same inputs to another version."""
    return key_of(claim_of(version), version, (given(),))


@pytest.mark.parametrize("what", OTHERS)
def test_whatever_outputs_follow_from_is_in_the_key(what: str) -> None:
    """Another wheel, lock, Python, weights, value or field is another result."""
    assert OTHERS[what]() not in ("", KEY)


def test_what_outputs_do_not_follow_from_is_not() -> None:
    """A newer SDK, where a value came from, and limits leave the key as it is."""
    newer = with_release(sdk=StoredFile("s", "sha256:" + "9" * 64, 1))
    assert key_with(newer) == KEY
    assert key_of(claim_of(), VERSION, (given(producer="007", source="output_007_x"),)) == KEY
    slower = attrs.evolve(VERSION, task=attrs.evolve(VERSION.task, timeout=9.0, priority=1))
    assert key_with(slower) == KEY


def test_all_that_a_task_is_given_of_a_file_counts() -> None:
    """The same bytes as an array of another shape, or under another name, are another value."""
    keys = {
        key_of(claim_of(), VERSION, (given({**PICTURE, **more}),))
        for more in ({}, {"name": "b.png"}, {"dtype": "<f4", "shape": [2]}, {"shape": [1, 2]})
    }
    assert len(keys) == 4


def test_large_value_counts_by_its_content() -> None:
    """A value that was put aside as a file has one key, whatever port it was made on."""
    aside = {**PICTURE, "media_type": "application/json"}
    keys = {
        key_of(claim_of(), VERSION, (given({**aside, "name": name}),))
        for name in ("output_001_x", "output_002_y")
    }
    assert len(keys) == 1
    files = {
        key_of(claim_of(), VERSION, (given({**aside, "name": name}, type="File"),))
        for name in ("a.json", "b.json")
    }
    assert len(files) == 2


def test_task_that_does_not_ask_is_not_cached() -> None:
    """Without the option there is no key; a run that computes anew has the same one."""
    plain = attrs.evolve(VERSION, task=attrs.evolve(VERSION.task, cache=""))
    assert key_with(plain) == ""
    anew = refreshed(compile_task(VERSION)).steps[0]
    assert anew.cache == "refresh"
    claim = attrs.evolve(claim_of(), graph_step=anew)
    assert key_of(claim, VERSION, (given(),)) == KEY
