"""The runner process, end to end: a real process with real pipes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_plugins import PluginFolder, Runner

import taskmgr_plugins
from taskmgr_plugins import protocol

Start = Callable[..., Runner]

TASKS = '''
import os, sys, time

class Greeter(MLTask):
    """Greet."""

    def load_model(self):
        print("loading", flush=True)
        self.calls = 0

    def predict(self, name: str, mark: str = "!") -> str:
        self.calls += 1
        return f"{self.calls}: hello {name}{mark}"

@task
def where(ignored: str = "") -> str:
    return os.getcwd()

@task
def chatter(lines: int) -> int:
    for number in range(lines):
        print("x" * 200)
        os.write(1, b"raw\\n")
        print("warned", file=sys.stderr)
    return lines

@task
def copy(text: str) -> File:
    return File(text.encode(), name="copy.txt")

@task
def read(file: File) -> str:
    return file.read_bytes().decode()

@task
def ask(question: str) -> str:
    return input(question)

@task
def close_output(text: str) -> str:
    sys.stdout.close()
    sys.stderr = None
    return text

@task
def remove_folder(ignored: str = "") -> str:
    os.rmdir(os.getcwd())
    return ignored

TASKS = [remove_folder, Greeter, where, chatter, copy, read, ask, close_output]
'''
NAMES = ("remove_folder", "greeter", "where", "chatter", "copy", "read", "ask", "close_output")


@pytest.fixture
def runner(start_runner: Start) -> Runner:
    """A runner of tasks that behave."""
    return start_runner(TASKS, *NAMES)


def test_runner_says_hello(plugins: PluginFolder, tmp_path: Path) -> None:
    """The first frame tells the protocol, the SDK, the Python and the process."""
    runner = Runner(plugins.write(TASKS, *NAMES), tmp_path)
    try:
        hello = runner.receive()
        assert hello is not None
        assert (hello["kind"], hello["id"]) == ("hello", 0)
        assert hello["protocol"] == protocol.VERSION
        assert hello["pid"] == runner.process.pid
        assert hello["python"].split(".")[:2] == [str(each) for each in sys.version_info[:2]]
        assert hello["sdk"]
    finally:
        runner.close()


def test_runner_describes_its_tasks(runner: Runner) -> None:
    """describe answers the document of every task."""
    answer = runner.ask({"kind": "describe"})
    assert answer["kind"] == "described"
    assert {each["name"] for each in answer["tasks"]} == set(NAMES)
    greeter = next(each for each in answer["tasks"] if each["name"] == "greeter")
    assert greeter["description"] == "Greet."
    assert [each["name"] for each in greeter["inputs"]] == ["name", "mark"]


def test_runner_keeps_its_model_loaded(runner: Runner) -> None:
    """The model is loaded once, by load or by the first call; later calls find it warm."""
    assert runner.ask({"kind": "load", "task": "greeter"})["kind"] == "loaded"
    assert runner.call("greeter", name="a")["outputs"] == {"result": "1: hello a!"}
    assert runner.call("greeter", name="b", mark="?")["outputs"] == {"result": "2: hello b?"}
    status, out, _ = runner.end()
    assert (status, out) == (0, "loading\n")


def test_runner_tells_the_seconds_of_each_stage(runner: Runner) -> None:
    """A result has the seconds of loading, converting and computing."""
    answer = runner.call("where")
    assert set(answer["seconds"]) == {"load", "inputs", "compute", "outputs"}


def test_answer_has_the_number_of_its_question(runner: Runner) -> None:
    """Results, refusals and errors can be told apart from the answers to others."""
    frames = [
        {"kind": "call", "task": "where", "inputs": {}, "id": 7},
        {"kind": "dance", "id": 8},
        {"kind": "call", "task": "ask", "inputs": {"question": "?"}, "id": 9},
    ]
    assert [runner.ask(each)["id"] for each in frames] == [7, 8, 9]


def test_runner_finds_its_folder_again(runner: Runner) -> None:
    """A call that removed the working folder leaves the next one a new folder."""
    assert runner.call("remove_folder")["kind"] == "result"
    assert runner.call("where")["outputs"] == {"result": str(runner.folder)}
    assert runner.call("copy", text="hello")["kind"] == "result"


def test_runner_works_in_its_folder(runner: Runner) -> None:
    """A task's working directory is the folder that the worker gave."""
    assert runner.call("where")["outputs"] == {"result": str(runner.folder)}


def test_prints_do_not_garble_the_frames(runner: Runner) -> None:
    """Thousands of lines on stdout, stderr and the raw descriptor leave the frames whole."""
    for _ in range(2):
        assert runner.call("chatter", lines=100)["outputs"] == {"result": 100}
    status, out, err = runner.end()
    assert status == 0
    assert out.count("x" * 200 + "\n") == 200
    assert out.count("raw\n") == 200
    assert err.count("warned\n") == 200


def test_prints_are_live(runner: Runner) -> None:
    """A line is in the pipe when the call that printed it is answered."""
    runner.call("chatter", lines=1)
    assert runner.process.stdout is not None
    assert {runner.process.stdout.readline() for _ in range(2)} == {"x" * 200 + "\n", "raw\n"}


def test_files_go_through_the_folder(runner: Runner) -> None:
    """A file that a task returns lies in the working folder; the next task reads it there."""
    written = runner.call("copy", text="hello")["outputs"]["result"]
    path = runner.folder / written["$file"]
    assert (path.read_text(), written["name"]) == ("hello", "copy.txt")
    answer = runner.ask(
        {
            "kind": "call",
            "task": "read",
            "inputs": {"file": {"$artifact": "sha256:1", "name": "copy.txt"}},
            "artifacts": {"sha256:1": str(path)},
        }
    )
    assert answer["outputs"] == {"result": "hello"}


def test_task_that_asks_gets_no_answer(runner: Runner) -> None:
    """There is nobody at stdin: input() fails at once instead of waiting for ever."""
    answer = runner.call("ask", question="name? ")
    assert (answer["kind"], answer["type"]) == ("error", "EOFError")


def test_task_may_close_its_output(runner: Runner) -> None:
    """A task that closes stdout and loses stderr is answered, and so is the next call."""
    assert runner.call("close_output", text="a")["outputs"] == {"result": "a"}
    assert runner.call("where")["kind"] == "result"


def test_unknown_frame_is_refused(runner: Runner) -> None:
    """A frame of another kind is an error, and the runner goes on."""
    answer = runner.ask({"kind": "dance"})
    assert "no answer to a frame 'dance'" in answer["message"]
    assert answer["type"] == "ProtocolError"
    assert runner.call("where")["kind"] == "result"


def test_unknown_task_is_refused(runner: Runner) -> None:
    """A task that the plugin has not is named."""
    answer = runner.call("nothing")
    assert "has no task 'nothing'" in answer["message"]
    assert not answer["retryable"]


def test_plugin_that_cannot_be_imported_is_an_error(start_runner: Start) -> None:
    """The import error of a plugin comes as a frame with its traceback."""
    runner = start_runner("import no_such_module_here", "first")
    answer = runner.ask({"kind": "describe"})
    assert (answer["kind"], answer["type"]) == ("error", "ModuleNotFoundError")
    assert "import no_such_module_here" in answer["traceback"]


def test_option_without_json_is_an_error_not_the_end(start_runner: Start) -> None:
    """A description that JSON has no word for is answered with an error."""
    source = """
    @task(models=(object(),))
    def odd(text: str) -> str:
        return text

    TASKS = [odd]
    """
    runner = start_runner(source, "odd")
    assert runner.ask({"kind": "describe"})["kind"] == "error"
    assert runner.call("odd", text="a")["kind"] == "result"


def test_runner_ends_with_its_frames(runner: Runner) -> None:
    """The end of the pipe of frames ends the runner in peace."""
    status, out, err = runner.end()
    assert (status, out, err) == (0, "", "")


def test_runner_without_its_arguments_says_which() -> None:
    """Started by hand, it says what it needs."""
    result = subprocess.run(
        [sys.executable, "-m", taskmgr_plugins.__name__],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "--distribution" in result.stderr


TRACED = """
import os
from opentelemetry import trace

@task
def traced(ignored: str = "") -> str:
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x} {os.environ.get('TRACEPARENT', '')}"

TASKS = [traced]
"""


def test_task_continues_the_trace_of_its_worker(start_runner: Start) -> None:
    """By its current span and by the variable, for this call alone."""
    runner = start_runner(TRACED, "traced")
    call = {"kind": "call", "task": "traced", "inputs": {}}
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = runner.ask({**call, "traceparent": parent})
    assert answer["outputs"] == {"result": f"0af7651916cd43dd8448eb211c80319c {parent}"}
    assert runner.ask(call)["outputs"] == {"result": f"{0:032x} "}
