"""How the command line ends: errors as JSON, and a stdout that cannot be written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from taskmgr_core.cli.application import run
from taskmgr_core.cli.screen import Screen
from taskmgr_core.errors import InvalidPipelineError, Problem, RunnerError

PROGRAM = Path(sys.executable).with_name("taskmgr")


def error_of(capsys: pytest.CaptureFixture[str], *words: str | Path, code: int) -> dict[str, Any]:
    """The error that a command prints with --json; its message is on stderr too."""
    assert run([*map(str, words), "--json"]) == code
    told = capsys.readouterr()
    printed = json.loads(told.out)
    assert printed.keys() == {"error"}
    error: dict[str, Any] = printed["error"]
    assert error.keys() == {"code", "message", "problems"}
    assert error["message"] in told.err
    return error


def test_error_is_json_where_json_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bad input, wrong usage and a damaged store: one JSON value, its code, the same exit code."""
    home = ("--home", tmp_path)
    assert error_of(capsys, *home, "show", "nothing", code=2)["code"] == "not-found"
    assert error_of(capsys, "lineag", code=2)["code"] == "usage"
    assert error_of(capsys, *home, "lineage", code=2)["code"] == "usage"
    (tmp_path / "metadata.sqlite3").unlink(missing_ok=True)
    (tmp_path / "metadata.sqlite3").write_bytes(b"no database" * 1000)
    assert error_of(capsys, *home, "runs", code=3)["code"] == "store"


def test_json_error_has_every_problem_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A document's faults come one by one, as they do on stderr."""
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps({"pipeline": "wrong", "inputs": {}, "steps": [{"id": 5}]}))
    error = error_of(capsys, "--home", tmp_path / "home", "publish", path, code=2)
    assert error["code"] == "invalid-value"
    places = [each["place"] for each in error["problems"]]
    assert "steps[0].id" in places
    assert all(each["message"] in error["message"] for each in error["problems"])


@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (RunnerError("too slow", "timeout"), "timeout", 1),
        (InvalidPipelineError("odd", [Problem("steps[0]", "is odd")]), "invalid-pipeline", 2),
        (RuntimeError("what nobody thought of"), "internal", 3),
    ],
)
def test_every_kind_of_error_has_a_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    code: str,
    exit_code: int,
) -> None:
    """A task's failure has its own code, a bug is internal."""

    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr("taskmgr_core.cli.commands.config.explain", broken)
    assert error_of(capsys, "--home", tmp_path, "config", code=exit_code)["code"] == code


def test_json_stays_one_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error that comes after the value was printed is told on stderr alone."""
    printed = Screen.json

    def late(screen: Screen, document: object) -> None:
        printed(screen, document)
        raise RunnerError("too late", "timeout")

    monkeypatch.setattr(Screen, "json", late)
    assert run(["--home", str(tmp_path), "runs", "--json"]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out) == {"runs": []}
    assert "too late" in told.err


def test_without_json_stdout_stays_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who has not asked for JSON gets none; behind -- it is no option."""
    assert run(["--home", str(tmp_path), "show", "nothing"]) == 2
    assert run(["--home", str(tmp_path), "show", "--", "--json"]) == 2
    assert capsys.readouterr().out == ""


def ended(tmp_path: Path, redirection: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A command whose streams a shell has redirected."""
    command = f'exec "$0" "$@" {redirection}'
    return subprocess.run(
        ["bash", "-c", command, PROGRAM, "--home", tmp_path, *words],
        capture_output=True,
        text=True,
        check=False,
    )


full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")


@full
@pytest.mark.parametrize("words", [("runs",), ("runs", "--json"), ("config",), ("--help",)])
def test_full_stdout_is_told_in_one_line(tmp_path: Path, words: tuple[str, ...]) -> None:
    """That there is no space behind stdout is no bug of ours: one line, exit code 3."""
    done = ended(tmp_path, "> /dev/full", *words)
    assert done.stderr == "error: stdout cannot be written: No space left on device\n"
    assert done.returncode == 3


def test_closed_stdout_is_told_and_damages_nothing(tmp_path: Path) -> None:
    """With stdout closed nothing else gets its number, such as the database."""
    done = ended(tmp_path, ">&-", "runs")
    assert done.stderr == "error: stdout cannot be written: Bad file descriptor\n"
    assert done.returncode == 3
    assert ended(tmp_path, "", "runs").stdout == "no runs\n"


@full
def test_full_stdout_does_not_hide_another_error(tmp_path: Path) -> None:
    """What went wrong first is told first."""
    done = ended(tmp_path, "> /dev/full", "show", "nothing", "--json")
    first, second = done.stderr.splitlines()
    assert "no run 'nothing'" in first
    assert "stdout cannot be written" in second


def test_reader_that_leaves_ends_it_silently(tmp_path: Path) -> None:
    """As behind `head`: nothing is said, and the exit code is that of SIGPIPE in a shell."""
    readable, writable = os.pipe()
    os.close(readable)
    with os.fdopen(writable) as stdout:
        done = subprocess.run(
            [PROGRAM, "--home", tmp_path, "config"],
            stdout=stdout,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, b"")


@full
@pytest.mark.parametrize("redirection", ["2> /dev/full", "2>&-"])
def test_stderr_that_cannot_be_written_stops_nothing(tmp_path: Path, redirection: str) -> None:
    """Results come, and exit codes stay, where nobody can be told anything."""
    assert json.loads(ended(tmp_path, redirection, "runs", "--json").stdout) == {"runs": []}
    assert ended(tmp_path, redirection, "show", "nothing").returncode == 2
