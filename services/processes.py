"""Server processes on free loopback ports, ended with whoever started them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

START_SECONDS = 30.0
STOP_SECONDS = 15.0


class ServiceError(Exception):
    """A server did not come up."""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


@attrs.define
class Server:
    """One server process.

    Attributes:
        name: for messages and its log file.
        command: how it is started; the same again after a kill.
        folder: where it keeps its data and log.
        ready: says whether it answers; may raise while it does not.
        environment: variables besides the usual ones.
    """

    name: str
    command: Sequence[str]
    folder: Path
    ready: Callable[[], object]
    environment: Mapping[str, str] = attrs.field(factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            ServiceError: it ended or did not answer; with the end of its log.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                list(self.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**_usual_environment(), **self.environment},
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise ServiceError(f"{self.name} did not come up:\n{self._last_lines()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a crash would; its data stays."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it hang, connections open."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)

    @property
    def log(self) -> Path:
        """Where it writes."""
        return self.folder / f"{self.name}.log"

    def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, how)
            self.thaw()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def _answers(self) -> bool:
        try:
            return bool(self.ready())
        except Exception:  # noqa: BLE001 - every client library has its own
            return False

    def _last_lines(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


def program(name: str) -> str | None:
    """A program on the PATH, if it is there."""
    return shutil.which(name)


def _usual_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
