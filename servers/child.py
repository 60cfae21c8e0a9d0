"""A server's process: started, watched, stopped, killed, paused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from servers.errors import ServerError

GUARD = Path(__file__).with_name("guard.py")
STOP_SECONDS = 20.0
_LOG_LINES = 15


@attrs.frozen
class Command:
    """What to start.

    Attributes:
        argv: the program's absolute path and its arguments; no secret, everybody sees them.
        environment: variables on top of this process's.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] = attrs.field(factory=dict, repr=False)


def _starter() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="server-starter")


@attrs.define
class Child:
    """A process that ends with this one, however this one ends.

    Attributes:
        name: for messages.
        command: what it runs.
        folder: its working folder; its log is ``server.log`` there.
    """

    name: str
    command: Command
    folder: Path
    _process: subprocess.Popen[bytes] | None = attrs.field(default=None, init=False)
    # The kernel ends the server with the *thread* that started it, so that is one which
    # lives as long as this object, and not the one of a caller.
    _threads: ThreadPoolExecutor = attrs.field(factory=_starter, init=False, repr=False)

    @property
    def log(self) -> Path:
        """Where it writes what it has to say."""
        return self.folder / "server.log"

    @property
    def running(self) -> bool:
        """Whether it is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id.

        Raises:
            ServerError: it does not run.
        """
        if self._process is None or not self.running:
            raise ServerError(f"{self.name} does not run; restart() it first")
        return self._process.pid

    def start(self) -> None:
        """Start it, if it does not run."""
        if not self.running:
            self._process = self._threads.submit(self._spawn).result()

    def stop(self) -> None:
        """Ask it to end, and see to it that it does. Not running: nothing."""
        process = self._process
        if process is None or not self.running:
            return
        process.terminate()
        process.send_signal(signal.SIGCONT)  # one that is paused hears nothing
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, as when a machine is lost. Not running: nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal.

        Raises:
            ServerError: it does not run.
        """
        os.kill(self.pid, number)

    def last_words(self) -> str:
        """The last lines of its log, for an error."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        told = "".join(f"\n    {line}" for line in lines[-_LOG_LINES:])
        return f"; the last of {self.log}:{told or ' nothing'}"

    def _spawn(self) -> subprocess.Popen[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), *self.command.argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={**os.environ, **self.command.environment},
                process_group=0,  # a Ctrl-C is for whoever started it, who then stops it
            )
