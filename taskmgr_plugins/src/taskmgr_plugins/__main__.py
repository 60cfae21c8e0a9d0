"""The runner process: frames in, frames out, one plugin, its models kept loaded."""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import importlib
import logging
import os
import platform
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

from taskmgr_plugins import protocol, streams
from taskmgr_plugins.converter import ValueConverter
from taskmgr_plugins.distributions import version_of
from taskmgr_plugins.errors import (
    DiskFullError,
    InvalidInputError,
    ProtocolError,
    TaskmgrError,
    is_disk_full,
)
from taskmgr_plugins.host import LoadedTask, load_plugin
from taskmgr_plugins.protocol import Frame
from taskmgr_plugins.texts import MESSAGE_CHARACTERS, TRACEBACK_CHARACTERS, bounded

_IMPORTING = "<frozen importlib."
_CALLERS = ("batches.py", "host.py", "streams.py")


class RunnerProcess:
    """Serves the frames of one worker.

    Arguments:
        distribution: the plugin's distribution.
        folder: the working folder of its calls.
        frames: the descriptors from which frames come, and to which they go.
    """

    def __init__(self, distribution: str, folder: Path, frames: tuple[int, int]) -> None:
        self._frames = frames
        self._distribution = distribution
        self._folder = folder
        self._pid = os.getpid()
        self._converter = ValueConverter(folder)
        self._definitions: dict[str, Any] | None = None
        self._loaded: dict[str, LoadedTask] = {}

    def answer(self, frame: Frame) -> Frame:
        """Carry out one frame; a failure becomes an ``error`` frame."""
        answers = {
            "describe": self._describe,
            "load": self._load,
            "call": self._call,
            "batch": self._batch,
            "stream": self._stream,
        }
        raised: BaseException | None = None
        try:
            answer = answers.get(frame["kind"], self._refuse)(frame)
        except BaseException as error:  # noqa: BLE001 - the task's own, SystemExit included
            answer, raised = _error_frame(error, self._folder), error
        if os.getpid() != self._pid:
            _end_fork(raised)
        return {**answer, "id": frame.get("id")}

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
        self._go_home()
        self._converter.paths = frame.get("artifacts", {})
        with _traced(frame):
            outputs, seconds = loaded.call(frame["inputs"])
        return {"kind": "result", "outputs": outputs, "seconds": {"load": load, **seconds}}

    def _batch(self, frame: Frame) -> Frame:
        loaded, items = self._task(frame), frame["items"]
        self._go_home()

        def turn(index: int | None) -> None:
            _flush()
            _mark(protocol.turn_mark(frame["mark"], index))
            if index is not None:
                self._converter.paths = items[index].get("artifacts", {})

        results, seconds = loaded.call_batch([each["inputs"] for each in items], turn)
        _flush()
        told = [
            {"error": _error_frame(each, self._folder)}
            if isinstance(each, BaseException)
            else {"outputs": each}
            for each in results
        ]
        return {"kind": "results", "items": told, "seconds": seconds}

    def _stream(self, frame: Frame) -> Frame:
        """Yield while another thread answers, which alone uses the pipes until it has ended.

        What it could not answer any more, that there are no more items or why, is the
        answer here: the frame gets the id of that question.
        """
        loaded, compute = self._task(frame), 0.0
        self._go_home()
        self._converter.paths = frame.get("artifacts", {})
        buffer = streams.Buffer()
        server = threading.Thread(target=self._serve, args=(frame, buffer), daemon=True)
        server.start()
        started = time.perf_counter()
        try:
            for item in loaded.stream(frame["inputs"]):
                if os.getpid() != self._pid:
                    return {}  # a child of the task that came back
                compute -= buffer.put(item)
        finally:
            if os.getpid() == self._pid:
                buffer.end()
                server.join()
        compute += time.perf_counter() - started
        return {"kind": "items", "items": [], "ended": True, "seconds": {"compute": compute}}

    def _serve(self, frame: Frame, buffer: streams.Buffer) -> None:
        """Answer each question with the items that are there, as soon as there are any."""
        while items := buffer.take():
            _flush()
            answer = {"kind": "items", "items": items, "ended": False, "id": frame["id"]}
            protocol.write_frame(self._frames[1], answer)
            question = protocol.read_frame(self._frames[0])
            if question is None:  # the worker is gone, and so are we soon
                os._exit(0)
            frame["id"] = question["id"]

    def _go_home(self) -> None:
        """The call before may have gone elsewhere, or have removed the folder."""
        try:
            os.chdir(self._folder)
        except FileNotFoundError:
            self._folder.mkdir()
            os.chdir(self._folder)

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


def _traced(frame: Frame) -> contextlib.AbstractContextManager[None]:
    """What the task's own spans belong to, where its worker traces the attempt."""
    if not frame.get("traceparent"):
        return contextlib.nullcontext()
    from taskmgr_plugins import telemetry  # seldom needed

    return telemetry.continued(str(frame["traceparent"]))


def _error_frame(error: BaseException, folder: Path) -> Frame:
    kind, message = type(error).__name__, str(error) or type(error).__name__
    full = is_disk_full(error)
    if full:
        kind = DiskFullError.__name__
        message = (
            f"the disk is full: {message}; make room where the task writes (its working folder "
            f"is in {folder.parent})"
        )
    if isinstance(error, SystemExit):
        message = f"the task called sys.exit({error.code!r}); return a value or raise an error"
    return {
        "kind": "error",
        "type": _utf8(bounded(kind, MESSAGE_CHARACTERS)),
        "message": _utf8(bounded(message, MESSAGE_CHARACTERS)),
        "traceback": _utf8(bounded(_own_traceback(error), TRACEBACK_CHARACTERS)),
        "retryable": full or not isinstance(error, InvalidInputError | TaskmgrError),
    }


def _utf8(text: str) -> str:
    """A text that can be stored: an undecodable file name leaves half characters in a message."""
    return text.encode("utf-8", "backslashreplace").decode()


def _own_traceback(error: BaseException) -> str:
    """The task's own part of the traceback; none for what the message alone explains."""
    sdk = Path(__file__).parent
    callers = {str(Path(__file__)), *(str(sdk / each) for each in _CALLERS)}
    callers.add(importlib.__file__)
    told = traceback.TracebackException.from_exception(error)
    while told.stack and (
        told.stack[0].filename in callers or told.stack[0].filename.startswith(_IMPORTING)
    ):
        told.stack.pop(0)
    refused_here = told.stack and Path(told.stack[0].filename).parent == sdk
    if isinstance(error, InvalidInputError) or (isinstance(error, TaskmgrError) and refused_here):
        return ""
    return "".join(told.format()) if told.stack else ""


def _end_fork(raised: BaseException | None) -> NoReturn:
    """End a child of the task that came back into the runner, whose answer is the parent's.

    Its status is what it would have been in a program of its own.
    """
    code = raised.code if isinstance(raised, SystemExit) else int(raised is not None)
    if raised is not None and not isinstance(raised, SystemExit):
        traceback.print_exception(raised)
    elif not isinstance(code, int | None):
        sys.stderr.write(f"{code}\n")
    _flush()
    os._exit(code & 0xFF if isinstance(code, int) else int(code is not None))


def _close_in_forks(*descriptors: int) -> None:
    """Keep the pipes from the children of the task: theirs is no frame, and no end of one."""

    def close() -> None:
        for descriptor in descriptors:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    os.register_at_fork(after_in_child=close)


def _end_with(descriptor: int) -> None:
    """End this process, and all of its group, when the worker's end of the lifeline is closed."""

    def watch() -> None:
        while os.read(descriptor, 1):
            pass
        if os.getpgrp() == os.getpid():  # else the group is that of whoever started it
            os.killpg(0, signal.SIGKILL)
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


def _mark(mark: bytes) -> None:
    """Write into the output whose it is from here on."""
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):  # the task closed it
            os.write(descriptor, mark)


def _hello() -> Frame:
    return {
        "kind": "hello",
        "id": 0,
        "protocol": protocol.VERSION,
        "sdk": version_of("taskmgr-plugins"),
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
    parser.add_argument("--sources", nargs="*", default=[], metavar="NAME=PATH")
    given = parser.parse_args(arguments)
    for descriptor in (given.frames_in, given.frames_out, given.lifeline):
        os.set_inheritable(descriptor, False)
    _close_in_forks(given.frames_in, given.frames_out, given.lifeline)
    _end_with(given.lifeline)
    _prepare_output()
    if given.sources:
        from taskmgr_plugins import sources  # for an author alone: no worker needs it

        sources.import_from(dict(map(sources.parsed, given.sources)))
    os.chdir(given.folder)
    frames = (given.frames_in, given.frames_out)
    process = RunnerProcess(given.distribution, given.folder, frames)
    protocol.write_frame(given.frames_out, _hello())
    while (frame := protocol.read_frame(given.frames_in)) is not None:
        answer = process.answer(frame)
        _flush()
        try:
            protocol.write_frame(given.frames_out, answer)
        except (TaskmgrError, TypeError, ValueError) as error:
            refusal = {**_error_frame(error, given.folder), "id": answer["id"]}
            protocol.write_frame(given.frames_out, refusal)
    process.close()


if __name__ == "__main__":
    main()
