"""Tasks that fail, crash and hang: what the worker sees of each."""

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from fake_plugins import Runner

from taskmgr_plugins.texts import MESSAGE_CHARACTERS, TRACEBACK_CHARACTERS

Start = Callable[..., Runner]

TASKS = """
import ctypes, logging, os, subprocess, sys, threading, time

def deeper(mapping):
    return mapping["absent"]

@task
def fail(text: str) -> str:
    return deeper({})

@task
def wrap(text: str) -> str:
    try:
        return deeper({})
    except KeyError as error:
        raise RuntimeError("the table is broken") from error

@task
async def fail_async(text: str) -> str:
    raise ExceptionGroup("two at once", [ValueError("one"), ValueError("other")])

@task
def babble(text: str) -> str:
    raise ValueError("first" + "x" * 10_000_000 + "last")

@task
def refuse(text: str) -> str:
    raise InvalidInputError("the text is too dark")

@task
def leave(text: str) -> str:
    sys.exit(text)

@task
def interrupt(text: str) -> str:
    raise KeyboardInterrupt

@task
def vanish(text: str) -> str:
    print("last words")
    os._exit(7)

@task
def crash(text: str) -> str:
    ctypes.string_at(0)

@task
def lie(text: str) -> int:
    return text

@task
def odd(text: str) -> dict:
    return {"when": object()}

@task
def fine(text: str) -> str:
    return text

@task
def spin(text: str) -> str:
    print("spinning", flush=True)
    while True:
        pass

@task
def leave_child(text: str) -> int:
    return subprocess.Popen(["sleep", "600"]).pid

@task
def warn(text: str) -> str:
    logging.getLogger("mine").warning("careful with %s", text)
    return text

@task
def misuse(text: str) -> str:
    return File(5).name

@task
def fork(text: str) -> int:
    child = os.fork()
    if child == 0:
        if text == "exit":
            sys.exit(5)
        if text == "raise":
            raise ValueError("in the child")
        return 999
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

@task
def misname(text: str) -> str:
    raise ValueError("no " + os.fsdecode(bytes([99, 97, 102, 233]) + b".jpg"))

TASKS = [fork, misname, misuse, babble, fail, wrap, fail_async, refuse, leave, interrupt, vanish,
         crash, lie, odd, fine, spin, leave_child, warn]
"""
NAMES = (
    *("fail", "wrap", "fail_async", "refuse", "leave", "interrupt", "vanish", "crash", "lie"),
    *("odd", "fine", "spin", "leave_child", "warn", "misuse"),
    *("fork", "misname", "babble"),
)


@pytest.fixture
def runner(start_runner: Start) -> Runner:
    """A runner of tasks that misbehave."""
    return start_runner(TASKS, *NAMES)


def failed(runner: Runner, task: str, text: str = "x") -> dict[str, Any]:
    """Call a task that fails, and see that the runner serves the next call."""
    answer = runner.call(task, text=text)
    assert answer["kind"] == "error"
    assert runner.call("fine", text="next")["outputs"] == {"result": "next"}
    return answer


def test_error_has_the_tasks_own_traceback(runner: Runner) -> None:
    """The traceback begins in the plugin: nothing of the runner's own is before it."""
    answer = failed(runner, "fail")
    assert (answer["type"], answer["message"]) == ("KeyError", "'absent'")
    assert answer["retryable"]
    lines = answer["traceback"].splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "fake_plugin" in lines[1]
    assert "in fail" in lines[1]
    assert lines[-1] == "KeyError: 'absent'"


def test_endless_message_is_cut_in_the_middle(runner: Runner) -> None:
    """Of ten megabytes of message the ends go into the frame, and the traceback's ends too."""
    answer = failed(runner, "babble")
    assert answer["message"].startswith("first")
    assert answer["message"].endswith("last")
    assert len(answer["message"]) <= MESSAGE_CHARACTERS
    assert len(answer["traceback"]) <= TRACEBACK_CHARACTERS
    assert "in babble" in answer["traceback"]
    assert "characters left out" in answer["traceback"]


def test_error_tells_its_cause(runner: Runner) -> None:
    """What an error was raised from is in the traceback too."""
    traceback = failed(runner, "wrap")["traceback"]
    assert "KeyError: 'absent'" in traceback
    assert "direct cause" in traceback
    assert traceback.rstrip().endswith("RuntimeError: the table is broken")


def test_error_group_of_an_async_task_is_told_whole(runner: Runner) -> None:
    """All errors of a group are in the traceback."""
    traceback = failed(runner, "fail_async")["traceback"]
    assert "ValueError: one" in traceback
    assert "ValueError: other" in traceback


def test_misuse_of_the_sdk_shows_where(runner: Runner) -> None:
    """An error that the SDK raises inside a task has the task's line in its traceback."""
    answer = failed(runner, "misuse")
    assert answer["type"] == "InvalidValueError"
    assert "in misuse" in answer["traceback"]


def test_refused_input_is_not_retried(runner: Runner) -> None:
    """InvalidInputError is final: another attempt would go the same way."""
    answer = failed(runner, "refuse")
    assert (answer["type"], answer["message"]) == ("InvalidInputError", "the text is too dark")
    assert (answer["retryable"], answer["traceback"]) == (False, "")


def test_wrong_input_is_not_retried(runner: Runner) -> None:
    """An input that does not fit is named, without a traceback of ours."""
    answer = runner.ask({"kind": "call", "task": "fine", "inputs": {"text": 5}})
    assert "text: 5 is not of type str" in answer["message"]
    assert (answer["retryable"], answer["traceback"]) == (False, "")


def test_wrong_output_names_the_field(runner: Runner) -> None:
    """A task that returns another type than it declares is told so, without a traceback."""
    answer = failed(runner, "lie")
    assert "result: 'x' is not of type int" in answer["message"]
    assert answer["traceback"] == ""


def test_output_without_json_is_an_error(runner: Runner) -> None:
    """A value that JSON has no word for is named with its place; the runner lives."""
    message = failed(runner, "odd")["message"]
    assert "result.when: <object object" in message
    assert "is not a JSON value" in message


def test_exit_of_a_task_is_an_error(runner: Runner) -> None:
    """sys.exit ends the call, not the runner, and the message says what to do instead."""
    answer = failed(runner, "leave", text="bye")
    assert answer["message"] == (
        "the task called sys.exit('bye'); return a value or raise an error"
    )


def test_keyboard_interrupt_of_a_task_is_an_error(runner: Runner) -> None:
    """Whatever a task raises is an error of that call."""
    assert failed(runner, "interrupt")["type"] == "KeyboardInterrupt"


def test_vanishing_runner_closes_its_pipe(runner: Runner) -> None:
    """A process that is gone leaves the end of the pipe, its status and what it printed."""
    runner.send({"kind": "call", "task": "vanish", "inputs": {"text": "x"}})
    assert runner.receive() is None
    status, out, _ = runner.end()
    assert (status, out) == (7, "last words\n")


def test_native_crash_leaves_its_traceback(runner: Runner) -> None:
    """A segmentation fault tells on stderr in which function of the task it was."""
    runner.send({"kind": "call", "task": "crash", "inputs": {"text": "x"}})
    assert runner.receive() is None
    status, _, err = runner.end()
    assert status == -signal.SIGSEGV
    assert "Segmentation fault" in err
    assert "in crash" in err


def test_cut_lifeline_ends_a_busy_runner(runner: Runner) -> None:
    """A runner whose worker is gone ends, even in the middle of an endless task."""
    runner.send({"kind": "call", "task": "spin", "inputs": {"text": "x"}})
    assert runner.process.stdout is not None
    assert runner.process.stdout.readline() == "spinning\n"
    assert runner.cut_lifeline() == -signal.SIGKILL


def test_cut_lifeline_ends_an_idle_runner(runner: Runner) -> None:
    """A runner that waits for a frame ends with its worker too."""
    assert runner.cut_lifeline() == -signal.SIGKILL


def test_child_of_a_task_does_not_hold_the_pipes(runner: Runner) -> None:
    """A process that a task leaves behind keeps neither the frames nor the lifeline open."""
    child = runner.call("leave_child", text="x")["outputs"]["result"]
    try:
        runner.cut_lifeline()
        assert runner.receive() is None
    finally:
        os.kill(child, signal.SIGKILL)


def test_cut_lifeline_ends_the_children(runner: Runner) -> None:
    """What a task has started ends with the runner: all of its group is killed."""
    child = runner.call("leave_child", text="x")["outputs"]["result"]
    assert os.getpgid(child) == runner.process.pid
    runner.cut_lifeline()
    # The last holder of the child's stdout is gone when the pipe has an end.
    assert runner.process.stdout is not None
    assert runner.process.stdout.read() == ""


@pytest.mark.parametrize("text", ["return", "exit", "raise"])
def test_forked_child_of_a_task_answers_nothing(runner: Runner, text: str) -> None:
    """A child that comes back into the runner ends there: each question has one answer."""
    status = {"return": 0, "exit": 5, "raise": 1}[text]
    assert runner.call("fork", text=text)["outputs"] == {"result": status}
    assert runner.call("fine", text="next")["outputs"] == {"result": "next"}


def test_message_with_half_characters_can_be_stored(runner: Runner) -> None:
    """The name of a file that is no UTF-8 is written out in the message and the traceback."""
    answer = failed(runner, "misname")
    assert answer["message"] == "no caf\\udce9.jpg"
    assert json.dumps(answer, ensure_ascii=False).encode()


def test_log_of_a_task_goes_to_stderr(runner: Runner) -> None:
    """logging works without setting it up, and says the level and the name."""
    runner.call("warn", text="glass")
    _, _, err = runner.end()
    assert err == "WARNING mine: careful with glass\n"


def test_runner_refuses_garbled_frames(runner: Runner) -> None:
    """A worker that speaks something else ends the runner with the reason on stderr."""
    os.write(runner._frames_in, b"GET / HTTP/1.1\r\n")
    assert runner.receive() is None
    status, _, err = runner.end()
    assert status == 1
    assert "it is garbled" in err
