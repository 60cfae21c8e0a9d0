"""Pictures of pipelines and runs, drawn by `taskmgr graph`."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from command_line import CommandLine


def test_pipeline_is_drawn_with_its_ports(taskmgr: CommandLine) -> None:
    """A published pipeline is told step by step, every port with where its value comes from."""
    told = taskmgr("graph", "measured").out
    assert "002 lengths 1.0.0  after 001\n" in told
    assert "  input_002_words  <- output_001_words\n" in told
    assert "  input_002_factor =  2\n" in told
    assert taskmgr("graph", "words").out.startswith("words\n")


def test_run_is_drawn_with_its_states(taskmgr: CommandLine) -> None:
    """A run has the same picture with the state of each step."""
    run = taskmgr.json("run", "measured", "text=to be")["run_id"]
    told = taskmgr("graph", run).out
    assert "✓ succeeded" in told
    assert taskmgr("graph", run[-8:]).out == told


@pytest.mark.parametrize(
    ("name", "beginning"), [("a.mmd", "flowchart LR\n"), ("a.dot", "digraph "), ("a.txt", "meas")]
)
def test_suffix_says_the_format(taskmgr: CommandLine, name: str, beginning: str) -> None:
    """A file is written in the format that its name says, and nothing goes to stdout."""
    assert taskmgr("graph", "measured", "--out", name).out == ""
    assert (taskmgr.folder / name).read_text().startswith(beginning)


def test_svg_is_well_formed(taskmgr: CommandLine) -> None:
    """The picture is one XML document."""
    drawn = taskmgr("graph", "measured", "--format", "svg").out
    assert ElementTree.fromstring(drawn).tag.endswith("svg")  # noqa: S314 - our own


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["measurd"], "did you mean 'measured'?; nor is there a run 'measurd'"),
        (["measured", "--out", "a.png"], "say the format with --format"),
        (["measured", "--out", "/dev/null/a.svg"], "cannot be written"),
    ],
)
def test_what_cannot_be_drawn_is_said(taskmgr: CommandLine, words: list[str], message: str) -> None:
    """An unknown name, an unknown suffix and a file that cannot be written are named."""
    assert message in taskmgr("graph", *words, code=2).err
