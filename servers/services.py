"""The three servers together, for a person or a script that runs taskmgr on them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType

import attrs

from servers.errors import ServerError
from servers.kinds import KINDS
from servers.server import Server
from servers.site import write_private

ROOT = Path(__file__).parents[1]
SECONDS = 120.0
_LOOK_SECONDS = 0.05

# The setting that has a server's address.
SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "TASKMGR_METADATA_URL": "mongodb",
        "TASKMGR_ARTIFACTS_URL": "s3",
        "TASKMGR_BROKER_URL": "redis",
    }
)


@attrs.frozen
class Services:
    """The servers of a folder, which one process at a time runs.

    Attributes:
        folder: for their data, and for what tells other processes of them.
    """

    folder: Path

    @property
    def log(self) -> Path:
        """What the process in the background has to say."""
        return self.folder / "services.log"

    def lines(self) -> str:
        """What a shell evaluates to use them; empty while they are not ready."""
        try:
            return self._lines.read_text()
        except FileNotFoundError:
            return ""

    def run(self, until: Callable[[], bool], ready: Callable[[str], None]) -> None:
        """Run them in this process.

        Arguments:
            until: asked all the time; true ends them.
            ready: called with the lines for a shell, once all of them answer.

        Raises:
            ServerError: one does not start or ended by itself, or another process runs them.
        """
        with self.started(KINDS) as servers:
            lines = "".join(
                f"export {setting}={shlex.quote(servers[kind].url)}\n"
                for setting, kind in SETTINGS.items()
            )
            write_private(self._lines, lines)
            try:
                ready(lines)
                while not until():
                    for server in servers.values():
                        _ = server.pid  # raises when it is gone
                    time.sleep(_LOOK_SECONDS)
            finally:
                self._lines.unlink()

    @contextlib.contextmanager
    def started(self, kinds: Collection[str]) -> Iterator[Mapping[str, Server]]:
        """Some of them as children of this process, for a while.

        Arguments:
            kinds: keys of ``KINDS``.

        Raises:
            ServerError: one does not start, or another process runs those of the folder.
        """
        with self._alone(), _started(self.folder, kinds) as servers:
            yield servers

    def run_in_background(self) -> str:
        """Run them in a process that goes on; what a shell evaluates to use them.

        Raises:
            ServerError: they do not start.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.running() is None:
            self._lines.unlink(missing_ok=True)  # of a process that was killed
            with self.log.open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "servers", "--folder", str(self.folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,  # has passwords
                    stderr=log,
                    cwd=ROOT,
                    start_new_session=True,
                )
            self._wait(lambda: bool(self.lines()) or process.poll() is not None, "start")
        else:
            self._wait(lambda: bool(self.lines()), "start")
        lines = self.lines()
        if not lines:
            raise ServerError(f"they did not start: {self.log.read_text().strip()}")
        return lines

    def stop(self) -> bool:
        """Stop them, whoever runs them; whether anybody did.

        Raises:
            ServerError: they do not end.
        """
        process = self.running()
        if process is None:
            return False
        os.kill(process, signal.SIGTERM)
        self._wait(lambda: self.running() is None, "end")
        return True

    def running(self) -> int | None:
        """The process that runs them, or None."""
        try:
            with self._lock.open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return None
        except BlockingIOError:
            return int(self._lock.read_text() or 0) or None
        return None

    @property
    def _lines(self) -> Path:
        return self.folder / "services.env"

    @property
    def _lock(self) -> Path:
        return self.folder / "services.pid"

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock, which goes with this process, however it ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock.open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ServerError(
                    f"process {self.running()} runs the servers of {self.folder}; "
                    "stop it (--stop) or take another --folder"
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise ServerError(f"they did not {what} within {SECONDS:.0f} s; see {self.log}")
            time.sleep(_LOOK_SECONDS)


@contextlib.contextmanager
def _started(folder: Path, kinds: Collection[str]) -> Iterator[Mapping[str, Server]]:
    """Servers, started side by side."""
    with contextlib.ExitStack() as stack:

        def start(kind: str) -> Server:
            return stack.enter_context(KINDS[kind].start(folder / kind))

        with ThreadPoolExecutor(len(KINDS)) as pool:
            servers = dict(zip(kinds, pool.map(start, kinds), strict=True))
        yield servers
