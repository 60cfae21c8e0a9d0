"""Warm runner processes: started in a task's own virtualenv, kept with the model loaded.

A runner serves one call at a time over pipes of its own. One that crashes,
exceeds its time or memory, or is cancelled is killed with everything that it
has started; the worker lives on.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import attrs
import psutil

from taskmgr_core.errors import RunnerError, TaskmgrError
from taskmgr_core.output import LIMIT_BYTES, OutputLines
from taskmgr_plugins import protocol
from taskmgr_plugins.protocol import Frame

START_SECONDS = 60.0
TICK_SECONDS = 0.05
CHILDREN_EVERY_TICKS = 20

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
)
_CODES = {
    "InvalidInputError": "invalid-input",
    "InvalidValueError": "invalid-input",
    "InvalidOutputError": "invalid-output",
    "MemoryError": "memory",
}


class Interpreter(Protocol):
    """Where a runner's Python is: an ``Environment``."""

    @property
    def python(self) -> Path:
        """The interpreter of the virtualenv."""


@attrs.frozen
class Limits:
    """What one request may take.

    Attributes:
        timeout: seconds.
        memory_mb: megabytes of resident memory; None for no limit.
        cancelled: asked a few times a second; true ends the request.
    """

    timeout: float = START_SECONDS
    memory_mb: int | None = None
    cancelled: Callable[[], bool] = lambda: False


def _ignore(stream: str, lines: list[str]) -> None:
    """Take lines and keep none."""


OnLines = Callable[[str, list[str]], None]


class Runner:
    """A runner process and the pipes to it. Not for two threads at once.

    Arguments:
        process: the started process; its stdout and stderr are pipes.
        frames_in: our end of the pipe that the process reads frames from.
        frames_out: our end of the pipe that it writes frames to.
        lifeline: our end of the pipe whose closing ends it.
        folder: its working folder, removed with it.
        log_bytes: how much of the output of one request is passed on.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        frames_in: int,
        frames_out: int,
        lifeline: int,
        folder: Path,
        log_bytes: int = LIMIT_BYTES,
    ) -> None:
        self._log_bytes = log_bytes
        self.folder = folder
        self.hello: Frame = {}
        self._process = process
        self._frames_in = frames_in
        self._frames_out = frames_out
        self._lifeline = lifeline
        self._decoder = protocol.Decoder()
        self._selector = selectors.DefaultSelector()
        self._selector.register(frames_out, selectors.EVENT_READ, "")
        for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._selector.register(pipe.fileno(), selectors.EVENT_READ, name)
        self._closed = False

    @property
    def pid(self) -> int:
        """The process id, which is also that of its process group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return not self._closed and self._process.poll() is None

    def wait_until_ready(self) -> None:
        """Wait for the first frame.

        Raises:
            RunnerError: the process did not come up.
        """
        self.hello = self._exchange(b"", Limits(), OutputLines(_ignore))
        theirs = self.hello.get("protocol")
        if theirs != protocol.VERSION:
            self.close()
            raise RunnerError(
                f"the task's virtualenv speaks frame protocol {theirs}, this worker speaks "
                f"{protocol.VERSION}; publish the task again with this version of taskmgr",
                "environment",
                retryable=False,
            )

    def request(
        self,
        frame: Frame,
        *,
        timeout: float = START_SECONDS,
        limits: Limits | None = None,
        on_lines: OnLines = _ignore,
    ) -> Frame:
        """Send a frame and wait for its answer.

        Arguments:
            frame: ``describe``, ``load`` or ``call``.
            timeout: seconds, when ``limits`` is not given.
            limits: what the request may take.
            on_lines: gets ``stdout`` or ``stderr`` and the lines written there.

        Returns:
            The answer, which is no ``error`` frame.

        Raises:
            RunnerError: the task failed (the runner lives), or it crashed, was too
                slow or too large, or was cancelled (the runner is closed).
        """
        output = OutputLines(on_lines, self._log_bytes)
        try:
            answer = self._exchange(
                protocol.encode(frame), limits or Limits(timeout=timeout), output
            )
        finally:
            output.finish()
        if answer["kind"] == "error":
            raise RunnerError(
                answer["message"],
                _CODES.get(answer["type"], "task-error"),
                traceback=answer["traceback"],
                retryable=answer["retryable"],
                details={"type": answer["type"]},
            )
        return answer

    def close(self) -> None:
        """Kill the process and all that it started; remove its folder."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._selector.close()
        for descriptor in (self._frames_in, self._frames_out, self._lifeline):
            os.close(descriptor)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _exchange(self, content: bytes, limits: Limits, output: OutputLines) -> Frame:
        deadline = time.monotonic() + limits.timeout
        try:
            return self._converse(content, deadline, limits, output)
        except RunnerError:
            self.close()
            raise
        except TaskmgrError as error:  # no frame: the runner cannot be trusted any more
            self.close()
            raise RunnerError(f"the runner sent no frame: {error}", "crashed") from error

    def _converse(
        self, content: bytes, deadline: float, limits: Limits, output: OutputLines
    ) -> Frame:
        remaining = memoryview(content)
        ticks = 0
        next_check = time.monotonic() + TICK_SECONDS
        while True:
            if remaining:
                remaining = self._send(remaining, output)
            frame = self._receive(0.001 if remaining else TICK_SECONDS, output)
            if frame is not None:
                self._drain(output)
                return frame
            now = time.monotonic()
            if now >= next_check:
                next_check = now + TICK_SECONDS
                ticks += 1
                output.pass_on()
                self._check(
                    limits, now >= deadline, with_children=ticks % CHILDREN_EVERY_TICKS == 0
                )

    def _send(self, remaining: memoryview, output: OutputLines) -> memoryview:
        try:
            return remaining[os.write(self._frames_in, remaining[:65536]) :]
        except BlockingIOError:
            return remaining
        except BrokenPipeError:
            raise self._crashed(output) from None

    def _receive(self, timeout: float, output: OutputLines) -> Frame | None:
        found = None
        for key, _ in self._selector.select(timeout):
            if key.data:
                self._read_output(key.fd, key.data, output)
                continue
            received = os.read(self._frames_out, 1 << 20)
            if not received:
                raise self._crashed(output)
            frames = self._decoder.feed(received)
            found = frames[0] if frames else found
        return found

    def _read_output(self, descriptor: int, stream: str, output: OutputLines) -> bool:
        try:
            received = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return False
        if not received:
            self._selector.unregister(descriptor)
            return False
        output.feed(stream, received)
        return True

    def _drain(self, output: OutputLines) -> None:
        """What was written before the answer belongs to this request."""
        for key in list(self._selector.get_map().values()):
            while key.data and self._read_output(key.fd, key.data, output):
                pass

    def _check(self, limits: Limits, late: bool, *, with_children: bool) -> None:
        if late:
            raise RunnerError(
                f"took longer than its timeout of {limits.timeout:g} s and was killed; "
                "raise the task's timeout, or make it faster",
                "timeout",
            )
        if limits.cancelled():
            raise RunnerError("cancelled", "cancelled", retryable=False)
        if limits.memory_mb is not None:
            used = self._resident_bytes(with_children) / 1_000_000
            if used > limits.memory_mb:
                raise RunnerError(
                    f"used {used:.0f} MB of memory, more than its limit of {limits.memory_mb} MB, "
                    "and was killed; raise the task's memory_mb, or use less",
                    "memory",
                )

    def _resident_bytes(self, with_children: bool) -> int:
        try:
            process = psutil.Process(self._process.pid)
            used = int(process.memory_info().rss)
            if with_children:
                for child in process.children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        used += int(child.memory_info().rss)
        except psutil.Error:
            return 0
        return used

    def _crashed(self, output: OutputLines) -> RunnerError:
        """The error for a process that is gone; what it wrote last is the evidence."""
        try:
            status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return RunnerError("closed its pipe without an answer and was killed", "crashed")
        self._drain(output)
        evidence = output.tail("stderr")
        details = {"exit": str(status)} | ({"stderr": evidence} if evidence else {})
        return RunnerError(
            f"the runner process {_ending(status)} in the middle of the call",
            "crashed",
            traceback=evidence,
            details=details,
        )

    def empty_folder(self) -> None:
        """Remove what a call left in the working folder."""
        for left in os.scandir(self.folder):
            if left.is_dir(follow_symlinks=False):
                shutil.rmtree(left.path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    Path(left.path).unlink()


def _ending(status: int) -> str:
    if status >= 0:
        return f"exited with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = " (perhaps the machine ran out of memory)" if -status == signal.SIGKILL else ""
    return f"was killed by {name}{hint}"


@attrs.frozen
class RunnerLauncher:
    """Starts runner processes.

    Attributes:
        folder: under which each runner gets its working folder.
        threads: how many threads OpenCV, BLAS and OpenMP may use in each.
        log_bytes: how much of the output of one request is passed on.
    """

    folder: Path
    threads: int = 1
    log_bytes: int = LIMIT_BYTES

    def start(self, environment: Interpreter, distribution: str) -> Runner:
        """Start a runner of a plugin and wait until it answers.

        Arguments:
            environment: the virtualenv that holds the plugin.
            distribution: the plugin's distribution.

        Raises:
            RunnerError: it did not come up.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="runner-", dir=self.folder))
        their_in, our_in = os.pipe()
        our_out, their_out = os.pipe()
        their_lifeline, our_lifeline = os.pipe()
        theirs = (their_in, their_out, their_lifeline)
        try:
            process = subprocess.Popen(
                _command(environment.python, distribution, folder, theirs),
                env=self._environment(folder),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=theirs,
                start_new_session=True,
            )
        except OSError as error:
            for descriptor in (our_in, our_out, our_lifeline):
                os.close(descriptor)
            raise RunnerError(
                f"the virtualenv's Python cannot be started: {error}", "environment"
            ) from error
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        os.set_blocking(our_in, False)
        runner = Runner(process, our_in, our_out, our_lifeline, folder, self.log_bytes)
        runner.wait_until_ready()
        return runner

    def _environment(self, folder: Path) -> Mapping[str, str]:
        """A clean environment: nothing of the worker's, no secret."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "LANG": "C.UTF-8",
            **dict.fromkeys(_THREAD_VARIABLES, str(self.threads)),
        }


def _command(
    python: Path, distribution: str, folder: Path, descriptors: tuple[int, int, int]
) -> list[str]:
    frames_in, frames_out, lifeline = (str(each) for each in descriptors)
    return [
        *(str(python), "-I", "-m", "taskmgr_plugins"),
        *("--distribution", distribution, "--folder", str(folder)),
        *("--frames-in", frames_in, "--frames-out", frames_out, "--lifeline", lifeline),
    ]


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
