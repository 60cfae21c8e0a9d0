"""The runner process: frames in, frames out, one plugin, its models kept loaded."""

from __future__ import annotations

import argparse
import faulthandler
import importlib.metadata
import logging
import os
import platform
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from taskmgr_plugins import protocol
from taskmgr_plugins.converter import ValueConverter
from taskmgr_plugins.errors import InvalidInputError, ProtocolError, TaskmgrError
from taskmgr_plugins.host import LoadedTask, load_plugin
from taskmgr_plugins.protocol import Frame


class RunnerProcess:
    """Serves the frames of one worker.

    Arguments:
        distribution: the plugin's distribution.
        folder: the working folder of its calls.
    """

    def __init__(self, distribution: str, folder: Path) -> None:
        self._distribution = distribution
        self._converter = ValueConverter(folder)
        self._definitions: dict[str, Any] | None = None
        self._loaded: dict[str, LoadedTask] = {}

    def answer(self, frame: Frame) -> Frame:
        """Carry out one frame; a failure becomes an ``error`` frame."""
        answers = {"describe": self._describe, "load": self._load, "call": self._call}
        try:
            return answers.get(frame["kind"], self._refuse)(frame)
        except BaseException as error:  # noqa: BLE001 - the task's own, SystemExit included
            return _error_frame(error)

    def close(self) -> None:
        """Let go of the tasks."""
        for loaded in self._loaded.values():
            loaded.close()

    def _refuse(self, frame: Frame) -> Frame:
        raise ProtocolError(f"a runner has no answer to a frame {frame['kind']!r}")

    def _describe(self, _: Frame) -> Frame:
        tasks = [each.document() for each in self._tasks().values()]
        return {"kind": "described", "tasks": tasks}

    def _load(self, frame: Frame) -> Frame:
        started = time.perf_counter()
        self._task(frame)
        return {"kind": "loaded", "seconds": {"load": time.perf_counter() - started}}

    def _call(self, frame: Frame) -> Frame:
        started = time.perf_counter()
        loaded = self._task(frame)
        load = time.perf_counter() - started
        self._converter.paths = frame.get("artifacts", {})
        outputs, seconds = loaded.call(frame["inputs"])
        return {"kind": "result", "outputs": outputs, "seconds": {"load": load, **seconds}}

    def _tasks(self) -> dict[str, Any]:
        if self._definitions is None:
            self._definitions = load_plugin(self._distribution)
        return self._definitions

    def _task(self, frame: Frame) -> LoadedTask:
        name = frame["task"]
        if name not in self._loaded:
            tasks = self._tasks()
            if name not in tasks:
                raise TaskmgrError(f"{self._distribution} has no task {name!r}")
            self._loaded[name] = LoadedTask(tasks[name], frame.get("models", {}), self._converter)
        return self._loaded[name]


def _error_frame(error: BaseException) -> Frame:
    message = str(error) or type(error).__name__
    if isinstance(error, SystemExit):
        message = f"the task called sys.exit({error.code!r}); return a value or raise an error"
    return {
        "kind": "error",
        "type": type(error).__name__,
        "message": message,
        "traceback": _own_traceback(error),
        "retryable": not isinstance(error, InvalidInputError | TaskmgrError),
    }


def _own_traceback(error: BaseException) -> str:
    """The task's own part of the traceback; none for what the message alone explains."""
    sdk = Path(__file__).parent
    callers = {str(Path(__file__)), str(sdk / "host.py")}
    told = traceback.TracebackException.from_exception(error)
    while told.stack and told.stack[0].filename in callers:
        told.stack.pop(0)
    refused_here = told.stack and Path(told.stack[0].filename).parent == sdk
    if isinstance(error, InvalidInputError) or (isinstance(error, TaskmgrError) and refused_here):
        return ""
    return "".join(told.format()) if told.stack else ""


def _end_with(descriptor: int) -> None:
    """End this process as soon as the worker's end of the lifeline is closed."""

    def watch() -> None:
        while os.read(descriptor, 1):
            pass
        os._exit(0)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def _prepare_output() -> None:
    """Line by line, so that a log is live; a native crash leaves its traceback there."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )
    faulthandler.enable()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # the task closed or replaced it
            continue


def _hello() -> Frame:
    return {
        "kind": "hello",
        "protocol": protocol.VERSION,
        "sdk": importlib.metadata.version("taskmgr-plugins"),
        "python": platform.python_version(),
        "pid": os.getpid(),
    }


def main(arguments: list[str] | None = None) -> None:
    """Run until the worker closes the pipe."""
    parser = argparse.ArgumentParser(prog="python -m taskmgr_plugins", description=__doc__)
    parser.add_argument("--distribution", required=True)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--frames-in", required=True, type=int)
    parser.add_argument("--frames-out", required=True, type=int)
    parser.add_argument("--lifeline", required=True, type=int)
    given = parser.parse_args(arguments)
    for descriptor in (given.frames_in, given.frames_out, given.lifeline):
        os.set_inheritable(descriptor, False)
    _end_with(given.lifeline)
    _prepare_output()
    os.chdir(given.folder)
    process = RunnerProcess(given.distribution, given.folder)
    protocol.write_frame(given.frames_out, _hello())
    while (frame := protocol.read_frame(given.frames_in)) is not None:
        answer = process.answer(frame)
        _flush()
        try:
            protocol.write_frame(given.frames_out, answer)
        except (TaskmgrError, TypeError, ValueError) as error:
            protocol.write_frame(given.frames_out, _error_frame(error))
    process.close()


if __name__ == "__main__":
    main()
