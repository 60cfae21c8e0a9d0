"""The handle of one runner process.

A runner serves one call at a time over pipes of its own. One that crashes,
exceeds its time or memory, is cancelled, or says what it was not asked is
killed with everything that it has started; the worker lives on.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import select
import selectors
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from taskmgr_core.errors import RunnerError, RunnerProtocolError
from taskmgr_core.json_text import plain
from taskmgr_core.output import LIMIT_BYTES, OnLines, Output, OutputLines
from taskmgr_core.runners import processes
from taskmgr_core.runners.confinement import Confinement
from taskmgr_core.runners.folders import WorkFolder
from taskmgr_core.runners.memory import used_bytes
from taskmgr_plugins import protocol
from taskmgr_plugins.errors import ProtocolError
from taskmgr_plugins.protocol import Frame

START_SECONDS = 60.0
TICK_SECONDS = 0.05
CHILDREN_EVERY_TICKS = 20
CRASH_SECONDS = 5.0

_PIPE_BYTES = 65_536
_UNTRUSTED = "the runner cannot be trusted"
_CODES = {
    "InvalidInputError": "invalid-input",
    "InvalidValueError": "invalid-input",
    "InvalidOutputError": "invalid-output",
    "MemoryError": "memory",
    "DiskFullError": "disk-full",
}


@attrs.frozen
class Limits:
    """What one request may take.

    Attributes:
        timeout: seconds.
        memory_mb: megabytes of memory, mapped files left out; None for no limit.
        cancelled: asked a few times a second; true ends the request.
        advice: what to do about a timeout, for the message.
        clock: monotonic seconds, by which the timeout is measured.
        name: what an author calls this timeout.
    """

    timeout: float = START_SECONDS
    memory_mb: int | None = None
    cancelled: Callable[[], bool] = lambda: False
    advice: str = "raise the task's timeout, or make it faster"
    clock: Callable[[], float] = time.monotonic
    name: str = "timeout"

    @classmethod
    def of_loading(
        cls,
        timeout: float,
        memory_mb: int | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Limits:
        """What getting a task ready may take; its ``timeout`` is for its calls alone."""
        advice = (
            "make load_model faster, as by shipping the weights with the task, or raise the "
            "task's load_timeout"
        )
        return cls(timeout, memory_mb, cancelled, advice, name="load_timeout")

    def exceeded(self) -> RunnerError:
        """Why a request that takes longer is ended."""
        return RunnerError(
            f"took longer than its {self.name} of {self.timeout:g} s and was killed; {self.advice}",
            "timeout",
        )

    @staticmethod
    def ended() -> RunnerError:
        """Why a request that nobody wants any more is ended."""
        return RunnerError("cancelled", "cancelled", retryable=False)


def _ignore(lines: Sequence[tuple[str, str]]) -> None:
    """Take lines and keep none."""


class Runner:
    """A runner process and the pipes to it. Not for two threads at once.

    Arguments:
        process: the started process, first of its group; its stdout and stderr are pipes.
        frames_in: our end of the pipe that the process reads frames from.
        frames_out: our end of the pipe that it writes frames to.
        lifeline: our end of the pipe whose closing ends it.
        folder: its working folder, removed with it.
        log_bytes: how much of the output of one attempt is passed on.
        confinement: what it is kept from.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        frames_in: int,
        frames_out: int,
        lifeline: int,
        folder: WorkFolder,
        log_bytes: int = LIMIT_BYTES,
        confinement: Confinement | None = None,
    ) -> None:
        self._log_bytes = log_bytes
        self._folder = folder
        self._confinement = confinement or Confinement()
        self.hello: Frame = {}
        self._process = process
        self._frames_in = frames_in
        self._frames_out = frames_out
        self._lifeline = lifeline
        self._numbers = itertools.count(1)
        self._decoder = protocol.Decoder(plain)
        self._unasked = select.poll()
        self._unasked.register(frames_out, select.POLLIN)
        self._selector = selectors.DefaultSelector()
        self._selector.register(frames_out, selectors.EVENT_READ, "")
        for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._selector.register(pipe.fileno(), selectors.EVENT_READ, name)
        # What a pipe holds; a task that makes its own larger waits for nothing but itself.
        self._capacity = {
            pipe.fileno(): _capacity(pipe.fileno())
            for pipe in (process.stdout, process.stderr)
            if pipe is not None
        }
        self._closed = False

    @property
    def pid(self) -> int:
        """The process id, which is also that of its process group."""
        return self._process.pid

    @property
    def folder(self) -> Path:
        """Its working folder."""
        return self._folder.path

    @property
    def closed(self) -> bool:
        """Whether it was ended from here."""
        return self._closed

    @property
    def alive(self) -> bool:
        """Whether it can be asked: it is there, and has said nothing that nobody asked."""
        return (
            not self._closed
            and not processes.has_ended(self._process)
            and not self._decoder.pending
            and not self._unasked.poll(0)
        )

    def wait_until_ready(self, distribution: str) -> None:
        """Wait for the first frame.

        Arguments:
            distribution: the plugin's, for the message.

        Raises:
            RunnerProtocolError: it is of another taskmgr.
            RunnerError: the process did not come up.
        """
        self.hello = self._exchange(b"", 0, Limits(), OutputLines(_ignore))
        theirs = self.hello.get("protocol")
        if not protocol.is_spoken(theirs):
            self.close()
            told = (theirs, self.hello.get("sdk"))
            raise RunnerProtocolError(distribution, told, (protocol.OLDEST, protocol.VERSION))

    def output(self, on_lines: OnLines) -> OutputLines:
        """For the output of one attempt, however many requests it takes; to be finished.

        Arguments:
            on_lines: gets the lines; what it raises closes the runner.
        """
        return OutputLines(on_lines, self._log_bytes)

    def request(
        self,
        frame: Frame,
        *,
        timeout: float = START_SECONDS,
        limits: Limits | None = None,
        output: Output | None = None,
    ) -> Frame:
        """Send a frame and wait for its answer.

        Arguments:
            frame: ``describe``, ``load``, ``call`` or ``batch``.
            timeout: seconds, when ``limits`` is not given.
            limits: what the request may take.
            output: takes what is written meanwhile; see ``output``.

        Returns:
            The answer, which is no ``error`` frame.

        Raises:
            RunnerError: the task failed, or its inputs are too large for a frame (the
                runner lives); or it crashed, was too slow or too large, or was
                cancelled (the runner is closed).
        """
        number = next(self._numbers)
        try:
            content = protocol.encode({**frame, "id": number})
        except ProtocolError as error:
            raise RunnerError(
                f"the inputs cannot be sent: {error}", "invalid-input", retryable=False
            ) from error
        taken: Output = self.output(_ignore) if output is None else output
        try:
            answer = self._exchange(content, number, limits or Limits(timeout=timeout), taken)
        finally:
            taken.end_lines()
        if answer["kind"] == "error":
            raise self.told(answer)
        return answer

    def told(self, answer: Frame) -> RunnerError:
        """The error that an ``error`` frame tells of, or one item of a batch."""
        kind, message, traceback = (answer.get(key) for key in ("type", "message", "traceback"))
        if not (isinstance(kind, str) and isinstance(message, str) and isinstance(traceback, str)):
            self.close()
            return RunnerError(f"{_UNTRUSTED}: it sent an error that says nothing", "crashed")
        told = RunnerError(
            message,
            _CODES.get(kind, "task-error"),
            traceback=traceback,
            retryable=bool(answer.get("retryable")),
            details={"type": kind},
        )
        return self._confinement.explained(told)

    def placed(self, paths: Mapping[str, str]) -> dict[str, str]:
        """Where the process sees files until its folder is emptied, by digest.

        Raises:
            RunnerError: one cannot be given to it.
        """
        return self._confinement.placed(paths)

    def empty_folder(self) -> None:
        """Remove what a call left and was given; a runner left without a folder is closed."""
        if self._closed:
            return
        try:
            self._confinement.clear()
            self._folder.empty()
        except OSError:
            self.close()

    def close(self) -> None:
        """Kill the process and all that it started; remove its folder."""
        if self._closed:
            return
        self._closed = True
        processes.end(self._process)
        self._selector.close()
        for descriptor in (self._frames_in, self._frames_out, self._lifeline):
            os.close(descriptor)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        self._folder.remove()
        self._confinement.remove()

    def _exchange(self, content: bytes, number: int, limits: Limits, output: Output) -> Frame:
        """Send bytes, get the answer; a runner left in the middle of it is of no more use."""
        try:
            return self._converse(content, number, limits, output)
        except ProtocolError as error:
            self.close()
            raise RunnerError(f"{_UNTRUSTED}: {error}", "crashed") from error
        except BaseException:
            self.close()
            raise

    def _converse(self, content: bytes, number: int, limits: Limits, output: Output) -> Frame:
        deadline = limits.clock() + limits.timeout
        next_check = time.monotonic() + TICK_SECONDS
        remaining = memoryview(content)
        ticks = 0
        while True:
            if remaining:
                remaining = self._send(remaining, output)
            frame = self._receive(0.001 if remaining else TICK_SECONDS, output)
            now = time.monotonic()
            if frame is None and now >= next_check:
                next_check = now + TICK_SECONDS
                ticks += 1
                output.pass_on()
                if processes.has_ended(self._process):
                    frame = self._last_frame(output)
                else:
                    with_children = ticks % CHILDREN_EVERY_TICKS == 0
                    self._check(limits, limits.clock() >= deadline, with_children=with_children)
            if frame is not None:
                # The hello of protocol 1 has no id, and what it says must be heard.
                if remaining or frame.get("id", 0) != number:
                    raise ProtocolError("it sent the answer to another question")
                self._drain(output)
                return frame

    def _send(self, remaining: memoryview, output: Output) -> memoryview:
        try:
            return remaining[os.write(self._frames_in, remaining[:_PIPE_BYTES]) :]
        except BlockingIOError:
            return remaining
        except BrokenPipeError:
            raise self._crashed(output) from None

    def _receive(self, timeout: float, output: Output) -> Frame | None:
        found: list[Frame] = []
        for key, _ in self._selector.select(timeout):
            if key.data:
                self._read_output(key.fd, key.data, output, _PIPE_BYTES)
                continue
            received = os.read(self._frames_out, _PIPE_BYTES)
            if not received:
                raise self._crashed(output)
            found = self._decoder.feed(received)
        if len(found) > 1 or (found and self._decoder.pending):
            raise ProtocolError("it sent more than one answer")
        return found[0] if found else None

    def _last_frame(self, output: Output) -> Frame:
        """The answer of a process that ended just after it; its pipe may be held by a child."""
        frame = self._receive(0, output)
        if frame is None:
            raise self._crashed(output)
        return frame

    def _read_output(self, descriptor: int, stream: str, output: Output, most: int) -> int:
        """How many bytes were there, of the most that were wanted."""
        try:
            received = os.read(descriptor, most)
        except BlockingIOError:
            return 0
        if not received:
            self._selector.unregister(descriptor)
        output.feed(stream, received)
        return len(received)

    def _drain(self, output: Output) -> None:
        """What was written before the answer belongs to this request.

        That is no more than the pipe holds: a child which the task left behind may
        write faster than it is read.
        """
        for key, _ in self._selector.select(0):
            left = self._capacity[key.fd] if key.data else 0
            while left > 0 and (
                count := self._read_output(key.fd, key.data, output, min(left, _PIPE_BYTES))
            ):
                left -= count

    def _check(self, limits: Limits, late: bool, *, with_children: bool) -> None:
        if late:
            raise limits.exceeded()
        if limits.cancelled():
            raise limits.ended()
        if with_children:
            self._confinement.check(self._process.pid)
        if limits.memory_mb is not None:
            used = used_bytes(self._process.pid, with_children=with_children) / 1_000_000
            if used > limits.memory_mb:
                raise RunnerError(
                    f"used {used:.0f} MB of memory, more than its limit of {limits.memory_mb} MB, "
                    "and was killed; raise the task's memory_mb, or use less",
                    "memory",
                )

    def _crashed(self, output: Output) -> RunnerError:
        """The error for a process that is gone; what it wrote last is the evidence."""
        if not processes.ends_within(self._process, CRASH_SECONDS):
            return RunnerError("closed its pipe without an answer and was killed", "crashed")
        status = processes.end(self._process)
        self._drain(output)
        evidence = output.tail("stderr")
        details = {"exit": str(status)} | ({"stderr": evidence} if evidence else {})
        return RunnerError(
            f"the runner process {processes.ending(status)} in the middle of the call",
            "crashed",
            traceback=evidence,
            details=details,
        )


def call_frame(
    task: str, models: Mapping[str, str], inputs: Mapping[str, Any], artifacts: Mapping[str, str]
) -> Frame:
    """The frame of one attempt.

    Arguments:
        task: its name.
        models: where its weights lie, by name.
        inputs: the JSON of each input field.
        artifacts: where each artifact in them lies, by digest.
    """
    return {
        "kind": "call",
        "task": task,
        "models": dict(models),
        "inputs": dict(inputs),
        "artifacts": dict(artifacts),
    }


def batch_frame(
    task: str,
    models: Mapping[str, str],
    items: Sequence[tuple[Mapping[str, Any], Mapping[str, str]]],
    mark: str,
) -> Frame:
    """The frame of several attempts at once.

    Arguments:
        task: its name.
        models: where its weights lie, by name.
        items: for each, the JSON of each input field, and where each artifact in them lies.
        mark: what the output is marked with; see ``protocol.turn_mark``.
    """
    told = [{"inputs": dict(inputs), "artifacts": dict(paths)} for inputs, paths in items]
    return {"kind": "batch", "task": task, "models": dict(models), "items": told, "mark": mark}


def _capacity(descriptor: int) -> int:
    """How many bytes a pipe can hold."""
    with contextlib.suppress(AttributeError, OSError):  # Linux alone tells
        return fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)
    return _PIPE_BYTES
