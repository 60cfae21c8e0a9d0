"""Inputs that cannot be used: exit code 2, every fault told, nothing recorded."""

from __future__ import annotations

import pytest
from command_line import CommandLine


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["add"], "left: is missing; give left=<integer>"),
        (["add", "left=1", "rigth=2"], "rigth: there is no such input; did you mean 'right'?"),
        (["add", "left=one"], 'left: "one" does not fit integer'),
        (["add", "left=1.5"], "left: 1.5 does not fit integer"),
        (["pause", "seconds=NaN"], "seconds: nan is not a finite number"),
        (["read", "file=nothing.txt"], "nothing.txt does not exist"),
        (["read", "file=."], "is a folder"),
        (["lengths", 'words=[{"word_id": 1}]'], "words[0]"),
        (["measured", "txt=a"], "txt: there is no such input; did you mean 'text'?"),
        (["ad", "left=1"], "no task or pipeline 'ad'; did you mean 'add'?"),
        (["add", "left=1", "--version", "9.9"], "no version '9.9'"),
        (["nothing.json"], "nothing.json is not there"),
    ],
)
def test_bad_input_is_refused(taskmgr: CommandLine, words: list[str], message: str) -> None:
    """The fault is named with its place; there is no traceback and no run."""
    before = taskmgr.json("runs")
    done = taskmgr("run", *words, code=2)
    assert message in done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    assert taskmgr.json("runs") == before


def test_every_fault_is_told_at_once(taskmgr: CommandLine) -> None:
    """A wrong name and what is missing for it come together."""
    told = taskmgr("run", "add", "lef=1", code=2).err
    assert "lef: there is no such input; did you mean 'left'?" in told
    assert "left: is missing" in told


def test_pipeline_that_cannot_run_is_told_its_faults(taskmgr: CommandLine) -> None:
    """A pipeline file with an unknown task and a wrong port names both, with their places."""
    (taskmgr.folder / "bad.yaml").write_text(
        "pipeline: bad\ninputs: {text: string}\nsteps:\n"
        "- {id: 001, task: wrods, inputs: {input_001_text: text}}\n"
        "- {id: 002, task: words, inputs: {input_002_txt: text}}\n"
    )
    told = taskmgr("publish", "bad.yaml", code=2).err
    assert "did you mean 'words'" in told
    assert "input_002_text" in told
