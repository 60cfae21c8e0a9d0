"""A pipeline over many inputs, with `taskmgr batch`."""

from __future__ import annotations

import csv
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from command_line import CommandLine, wait_until

TEXTS = ["to be", "or not to be", "that is the question"]


@pytest.fixture
def texts(taskmgr: CommandLine) -> CommandLine:
    """A terminal in a folder with three texts."""
    for number, text in enumerate(TEXTS):
        (taskmgr.folder / f"{number}.txt").write_text(text)
    return taskmgr


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of results, in the order of the items."""
    if path.suffix == ".csv":
        with path.open(newline="") as lines:
            found: list[dict[str, Any]] = list(csv.DictReader(lines))
    elif path.suffix == ".parquet":
        found = pyarrow.parquet.read_table(path).to_pylist()
    else:
        found = [json.loads(line) for line in path.read_text().splitlines()]
    return sorted(found, key=lambda row: str(row["item"]))


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_every_file_has_its_result(texts: CommandLine, suffix: str) -> None:
    """One row for each file, with its run; called again nothing is done again, but new files."""
    out = texts.folder / f"results{suffix}"
    command = ("batch", "words", "--input", "*.txt", "--out", out.name)
    assert texts.json(*command)["succeeded"] == 3
    first = rows(out)
    assert [row["item"] for row in first] == ["0.txt", "1.txt", "2.txt"]
    assert [int(row["count"]) for row in first] == [2, 4, 4]
    assert [each["word"] for each in _list(first[0]["words"])] == ["to", "be"]
    assert texts.status(first[0]["run"]) == "succeeded"
    (texts.folder / "3.txt").write_text("more")
    told = texts.json(*command)
    assert (told["succeeded"], told["done_before"]) == (1, 3)
    assert rows(out)[:3] == first
    assert sorted(each.name for each in texts.folder.iterdir() if "results" in each.name) == [
        out.name
    ]


def _list(cell: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(cell) if isinstance(cell, str) else cell
    return found


def test_failures_are_kept_beside_the_results(taskmgr: CommandLine) -> None:
    """What fails, or is refused, is told with its reason and tried again; the rest is kept."""
    lines = ['{"id": "a", "left": 1}', '{"id": "b", "left": "x"}', "{", '{"id": "c", "left": 3}']
    (taskmgr.folder / "items.jsonl").write_text("\n".join(lines))
    command = ("batch", "add", "--inputs", "items.jsonl", "--id", "id", "--set", "right=2")
    done = taskmgr(*command, "--out", "sums.jsonl", code=1)
    assert "2 succeeded, 2 failed; the results are in sums.jsonl" in done.out
    assert [row["result"] for row in rows(taskmgr.folder / "sums.jsonl")] == [3, 5]
    kept = taskmgr.folder / "sums.failures.jsonl"
    failures = {row["item"]: row["message"] for row in rows(kept)}
    assert 'left: "x" does not fit integer' in failures["b"]
    assert failures["line 3"].startswith("line 3 of items.jsonl: ")
    (taskmgr.folder / "items.jsonl").write_text("\n".join(lines).replace('"x"', "2"))
    assert "1 succeeded, 1 failed, 2 were done before" in (
        taskmgr(*command, "--out", "sums.jsonl", code=1).out
    )
    assert [row["item"] for row in rows(kept)] == ["line 3"]
    (taskmgr.folder / "items.jsonl").write_text(lines[0])
    taskmgr(*command, "--out", "sums.jsonl")
    assert not kept.exists()


def test_line_with_the_id_of_another_one_fails(taskmgr: CommandLine) -> None:
    """Of two lines with one id the first is run; the second is told each time, with both lines."""
    lines = ['{"id": "a", "left": 1}', '{"id": "b", "left": 2}', '{"id": "a", "left": 3}']
    (taskmgr.folder / "items.jsonl").write_text("\n".join(lines))
    command = ("batch", "add", "--inputs", "items.jsonl", "--id", "id", "--out", "sums.jsonl")
    for first, again in ((2, 0), (0, 2)):
        told = taskmgr.json(*command, code=1)
        assert (told["succeeded"], told["failed"], told["done_before"]) == (first, 1, again)
        (failure,) = told["failures"]
        assert failure["item"] == "line 3"
        assert failure["message"] == (
            "line 3 of items.jsonl: its id 'a' is that of line 1 too; give each line its own id"
        )
    assert [(row["item"], row["result"]) for row in rows(taskmgr.folder / "sums.jsonl")] == [
        ("a", 2),
        ("b", 3),
    ]


def test_pipe_is_read_once_and_goes_on(taskmgr: CommandLine) -> None:
    """Lines from a pipe are all run; of the same ones again only those without a result."""
    pipe = taskmgr.folder / "pipe"
    os.mkfifo(pipe)

    def told(*lines: str) -> Any:
        writing = threading.Thread(target=pipe.write_text, args=("\n".join(lines),), daemon=True)
        writing.start()
        found = taskmgr.json("batch", "add", "--inputs", "pipe", "--out", "sums.jsonl")
        writing.join()
        return found["succeeded"], found["failed"], found["done_before"]

    assert told('{"left": 1}', '{"left": 2}') == (2, 0, 0)
    assert told('{"left": 1}', '{"left": 2}', '{"left": 3}') == (1, 0, 2)
    assert sorted(row["result"] for row in rows(taskmgr.folder / "sums.jsonl")) == [2, 3, 4]


def test_other_values_want_another_file(texts: CommandLine) -> None:
    """Results of other constants, or of another pipeline, are not mixed into a file."""
    texts("batch", "words", "--input", "0.txt", "--out", "a.jsonl")
    told = texts("batch", "read", "--input", "0.txt", "--out", "a.jsonl", code=2).err
    assert "a.jsonl has results of the batch words, and this is read" in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["words", "--input", "*.png"], "no file is named by '*.png'"),
        (
            ["add", "--input", "left=*.txt", "--input", "right=*.txt"],
            "a batch goes over the files of one input",
        ),
        (["words"], "give --input 'PATTERN' or --inputs FILE\n"),
        (
            ["words", "--input", "*.txt", "--inputs", "a.jsonl"],
            "give --input 'PATTERN' or --inputs FILE, not both",
        ),
        (["add", "--input", "right=*.txt"], "left: is missing; give --set left=<integer>"),
        (["add", "--input", "left=*.txt", "--set", "right=x"], 'right: "x" does not fit integer'),
        (["add", "--inputs", "pipe", "--set", "right=x"], 'right: "x" does not fit integer'),
        (["add", "--inputs", "0.txt", "--set", "rihgt=1"], "rihgt: there is no such input; did"),
        (["add", "--inputs", "absent.jsonl"], "the file absent.jsonl cannot be read: No such file"),
        (
            ["add", "--inputs", "lines.jsonl"],
            "error: add can run with no line of lines.jsonl; the first:\n"
            "  lefd: there is no such input; did you mean 'left'?\n"
            "  left: is missing; give --set left=<integer>\n",
        ),
        (
            ["add", "--inputs", "0.txt"],
            "run with no line of 0.txt; the first:\n  line 1 of 0.txt: ",
        ),
        (["add", "--inputs", "lines.jsonl", "--id", "name"], "'name', which is to be its id"),
        (["wrods", "--input", "*.txt"], "did you mean 'words'"),
    ],
)
def test_batch_that_cannot_begin_is_said(
    texts: CommandLine, words: list[str], message: str
) -> None:
    """What is wrong with the command is told before anything runs, and no file is made."""
    (texts.folder / "lines.jsonl").write_text('{"lefd": 1}\n{"right": 2}\n')
    os.mkfifo(texts.folder / "pipe")
    assert message in texts("batch", *words, "--out", "a.jsonl", code=2).err
    assert not list(texts.folder.glob("a.*"))


def test_unknown_suffix_is_said(texts: CommandLine) -> None:
    """The formats are named."""
    told = texts("batch", "words", "--input", "*.txt", "--out", "a.xml", code=2).err
    assert "none of .jsonl, .csv and .parquet" in told


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_batch_goes_on(taskmgr: CommandLine, number: signal.Signals) -> None:
    """After a kill, or Ctrl-C, what is done stays, and the same command does the rest."""
    gate = taskmgr.folder / "gate"
    open_gate = taskmgr.folder / "open"
    open_gate.touch()
    items = [{"gate": str(open_gate)}, {"gate": str(gate)}]
    (taskmgr.folder / "items.jsonl").write_text("".join(f"{json.dumps(i)}\n" for i in items))
    command = ("batch", "talk", "--inputs", "items.jsonl", "--out", "said.jsonl")
    out = taskmgr.folder / "said.jsonl"
    with taskmgr.started(*command, log=taskmgr.folder / "log") as process:
        wait_until(lambda: out.exists() and rows(out), "the first has its result")
        process.send_signal(number)
        assert process.wait(20) == (-9 if number == signal.SIGKILL else 130)
    if number == signal.SIGINT:
        assert taskmgr.json("runs", "--task", "talk", "--limit", "1")["runs"][0]["status"] == (
            "cancelled"
        )
    with out.open("a") as file:
        file.write('{"item": "cut')
    gate.touch()
    told = taskmgr.json(*command)
    assert (told["succeeded"], told["done_before"]) == (1, 1)
    assert [row["result"] for row in rows(out)] == ["done", "done"]
