"""The program ``taskmgr`` as a user types it, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from forked_program import INSTALLED, SHOW_STACKS_AFTER, program
from servers.child import GUARD

REPOSITORY = Path(__file__).parents[2]

# Quicker than for users: a test waits for lost workers.
FAST = {
    "TASKMGR_HEARTBEAT": "0.2",
    "TASKMGR_LOST_AFTER": "1.0",
    "TASKMGR_RETRY_DELAY": "0.05",
    "TASKMGR_SLOTS": "2",
    # Where the tests' own gates are, at which tasks wait.
    "TASKMGR_WRITABLE": tempfile.gettempdir(),
}
# So many seconds before its time is over a command says where it stands.
SHOWN_BEFORE = 10.0


@attrs.frozen
class Finished:
    """A command that has ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str


@attrs.frozen
class CommandLine:
    """A terminal with a home.

    Attributes:
        home: ``TASKMGR_HOME``.
        folder: the working directory.
        settings: the variables with the addresses of servers; none for the embedded platform.
    """

    home: Path
    folder: Path
    settings: Mapping[str, str] = attrs.field(factory=dict, repr=False)

    def at(self, folder: Path) -> CommandLine:
        """A terminal on the same platform in another folder."""
        return attrs.evolve(self, folder=folder)

    def __call__(self, *words: str | Path, code: int = 0, timeout: float = 60) -> Finished:
        """Run a command to its end and check its exit code."""
        try:
            done = subprocess.run(
                [program(), *words],
                cwd=self.folder,
                env={**self.environment, SHOW_STACKS_AFTER: f"{timeout - SHOWN_BEFORE}"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            said = "\n".join(_text(each) for each in (error.stdout, error.stderr))
            pytest.fail(f"taskmgr {' '.join(map(str, words))}: not within {timeout:g} s\n{said}")
        if done.returncode != code:
            said = f"--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}"
            pytest.fail(
                f"taskmgr {' '.join(map(str, words))}\nin {self.folder}: exit code "
                f"{done.returncode}, not {code}\n{said}"
            )
        return Finished(done.returncode, done.stdout, done.stderr)

    def json(self, *words: str | Path, code: int = 0) -> Any:
        """What a command prints with ``--json``."""
        return json.loads(self(*words, "--json", code=code).out)

    @contextlib.contextmanager
    def started(
        self, *words: str | Path, log: Path | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        """A command that goes on; killed at the end if it still does, however the tests end.

        Arguments:
            words: the command.
            log: for all that it writes; by default the caller reads it.
        """
        with contextlib.ExitStack() as stack:
            out = subprocess.PIPE if log is None else stack.enter_context(log.open("w"))
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", GUARD, str(os.getpid()), INSTALLED, *words],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                text=True,
            )
            try:
                yield process
            finally:
                process.kill()
                process.communicate()

    @contextlib.contextmanager
    def worker(self, *options: str, log: Path | None = None) -> Iterator[subprocess.Popen[str]]:
        """A worker in another process, alive."""
        with self.started("worker", "start", *options, log=log) as process:
            wait_until(lambda: self.alive_workers(process.pid), "the worker is alive")
            yield process

    def completed(self, *words: str) -> list[str]:
        """What bash would offer for the last word."""
        asked = {
            "_TASKMGR_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["taskmgr", *words]),
            "COMP_CWORD": str(len(words)),
        }
        done = subprocess.run(
            [program()],
            env={**self.environment, **asked},
            capture_output=True,
            text=True,
            check=False,
        )
        return [line.partition(",")[2] for line in done.stdout.splitlines()]

    def alive_workers(self, pid: int) -> list[Mapping[str, Any]]:
        """The living workers of a process."""
        found = self.json("worker", "status")["workers"]
        return [each for each in found if each["pid"] == pid and each["status"] == "alive"]

    def status(self, run: str) -> str:
        """The status of a run."""
        return str(self.json("show", run)["status"])

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every command."""
        kept = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
        return {**kept, **FAST, **self.settings, "TASKMGR_HOME": str(self.home)}


def _text(written: str | bytes | None) -> str:
    return written.decode(errors="replace") if isinstance(written, bytes) else written or ""


def wait_until(condition: Callable[[], object], what: str, seconds: float = 20) -> None:
    """Wait for a condition; fail with what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)


def told(process: subprocess.Popen[str], number: signal.Signals) -> Finished:
    """Send a signal, wait for the end, and give what the process wrote."""
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    return Finished(process.returncode, out, err)
