"""Tasks that fail in every way: the platform survives each, and says what happened."""

from __future__ import annotations

import json

import attrs
import pytest
from command_line import CommandLine


@attrs.frozen
class Fault:
    """A task that fails, and what users must be told of it."""

    words: tuple[str, ...]
    code: str
    message: str
    traceback: str = ""


FAULTS = {
    "raises": Fault(
        ("fail", "text=that"), "task-error", "cannot do that", 'raise ValueError(f"cannot do'
    ),
    "refuses": Fault(("refuse", "text=that"), "invalid-input", "'that' is of no use"),
    "sys.exit": Fault(("leave", "status=3"), "task-error", "sys.exit(3)", "sys.exit(status)"),
    "os._exit": Fault(("crash", "how=exit"), "crashed", "exited with status 7"),
    "segfault": Fault(("crash", "how=segfault"), "crashed", "SIGSEGV", "in crash"),
    "too slow": Fault(("dawdle", "seconds=60"), "timeout", "longer than its timeout of 0.5 s"),
    "too large": Fault(("hoard", "megabytes=2000"), "memory", "more than its limit of 150 MB"),
    "lies": Fault(("lie", "value=text"), "", "result"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_failing_task_is_told_and_survived(taskmgr: CommandLine, name: str) -> None:
    """Exit code 1, the reason and the task's own traceback; the next run works."""
    fault = FAULTS[name]
    done = taskmgr("run", *fault.words, "--json", code=1)
    run = json.loads(done.out)
    assert (run["status"], run["result"]) == ("failed", None)
    assert fault.code in run["error"]["code"]
    assert fault.message in run["error"]["message"]
    assert fault.traceback in run["error"]["traceback"]
    told = taskmgr("show", run["run_id"]).out
    assert fault.message in told
    assert taskmgr.json("run", "add", "left=1")["result"] == {"result": 2}


def test_failed_run_is_told_on_stderr(taskmgr: CommandLine) -> None:
    """Without --json the traceback, the reason and where to look further are on stderr."""
    done = taskmgr("run", "fail", "text=that", code=1)
    assert done.out == ""
    assert "taskmgr_trials" in done.err
    assert "failed in step 001 (fail 1.0.0): task-error: cannot do that" in done.err
    hint = done.err.splitlines()[-1]
    assert hint.startswith("its output: taskmgr logs ")
    assert "attempt 1 task-error" in taskmgr("logs", hint.split()[-1]).out


def test_task_that_prints_without_end_is_cut(taskmgr: CommandLine) -> None:
    """Of 100 MB of output the log keeps its limit and says how much was left out."""
    run = taskmgr.json("run", "chatter", "megabytes=100")
    assert run["result"] == {"result": 100}
    log = taskmgr("logs", run["run_id"]).out
    assert len(log) < 1_200_000
    assert "lines were left out here" in log
    assert taskmgr.json("run", "add", "left=1")["result"] == {"result": 2}


def test_retries_are_told(taskmgr: CommandLine) -> None:
    """A task that works the third time succeeds; its earlier failures are kept."""
    run = taskmgr.json("run", "flaky", f"counter={taskmgr.folder / 'counter'}")
    assert run["result"] == {"result": 3}
    (step,) = taskmgr.json("show", run["run_id"])["steps"]
    assert step["attempts"] == 3
    assert [each["message"] for each in step["earlier_errors"]] == [
        "attempt 1 did not work",
        "attempt 2 did not work",
    ]


def test_failed_step_skips_what_comes_after(taskmgr: CommandLine) -> None:
    """The run fails with the step's reason, and the steps behind it are skipped."""
    pipeline = {
        "pipeline": "failing",
        "inputs": {"text": "string"},
        "steps": [
            {"id": "1", "task": "fail", "inputs": {"input_1_text": "text"}},
            {"id": "2", "task": "words", "inputs": {"input_2_text": "output_1_result"}},
        ],
    }
    (taskmgr.folder / "failing.json").write_text(json.dumps(pipeline))
    done = taskmgr("run", "failing.json", "text=that", "--json", code=1)
    run = json.loads(done.out)
    assert (run["error"]["step"], run["error"]["message"]) == ("1", "cannot do that")
    steps = taskmgr.json("show", run["run_id"])["steps"]
    assert [each["status"] for each in steps] == ["failed", "skipped"]
