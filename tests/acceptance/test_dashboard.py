"""`taskmgr top`: in a terminal of its own, and where it cannot be opened."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from command_line import CommandLine

from forked_program import INSTALLED

ALTERNATE_SCREEN = (b"\x1b[?1049h", b"\x1b[?1049l")
# A package that the interpreter believes not to be there.
WITHOUT_IT = (
    "import sys; sys.modules['taskmgr_tui'] = None; "
    "from taskmgr_core.cli.application import run; sys.exit(run(['top']))"
)


def test_dashboard_opens_and_leaves_the_terminal_as_it_was(empty: CommandLine) -> None:
    """It shows the overview, ends at q with 0, and gives the terminal's own screen back."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [INSTALLED, "top"],
        cwd=empty.folder,
        env={**empty.environment, "TERM": "xterm-256color"},
        stdin=slave, stdout=slave, stderr=slave,
    )  # fmt: skip
    os.close(slave)
    try:
        shown = _read_until(master, b"", b"nobody works")
        os.write(master, b"q")
        shown = _read_until(master, shown, ALTERNATE_SCREEN[1])
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(master)
    assert ALTERNATE_SCREEN[0] in shown


def _read_until(master: int, shown: bytes, wanted: bytes) -> bytes:
    deadline = time.monotonic() + 30
    while wanted not in shown:
        assert time.monotonic() < deadline, shown[-2000:]
        if select.select([master], [], [], 0.1)[0]:
            with contextlib.suppress(OSError):
                shown += os.read(master, 65536)
    return shown


def test_dashboard_needs_a_terminal(empty: CommandLine) -> None:
    """Elsewhere it says so, and what to use instead."""
    said = empty("top", code=1).err
    assert "the dashboard needs a terminal; elsewhere use `taskmgr monitor --once`" in said


def test_dashboard_that_is_not_installed_says_how_to_get_it(empty: CommandLine) -> None:
    """The distribution is named, and nothing else of taskmgr needs it."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_IT],
        cwd=empty.folder, env=empty.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "taskmgr-tui, and is not installed here" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_dashboard_opens_over_http(empty: CommandLine, tmp_path: Path) -> None:
    """With --url it shows what a server has; one that is away is told before it opens."""
    home = {**empty.environment, "TERM": "xterm-256color"}
    serving = subprocess.Popen(
        [INSTALLED, "api", "serve", "--port", "0", "--no-accounts"],
        env=home,
        stdout=subprocess.PIPE,
        text=True,
    )
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    there: subprocess.Popen[bytes] | None = None
    try:
        assert serving.stdout is not None
        told = serving.stdout.readline().split()
        url = next(each for each in told if each.startswith("http")).rstrip(",")
        there = subprocess.Popen(
            [INSTALLED, "--url", url, "top"],
            env={**home, "TASKMGR_HOME": str(tmp_path / "elsewhere")},
            stdin=slave, stdout=slave, stderr=slave,
        )  # fmt: skip
        shown = _read_until(master, b"", b"nobody works")
        os.write(master, b"q")
        _read_until(master, shown, ALTERNATE_SCREEN[1])
        assert there.wait(20) == 0
    finally:
        if there is not None:
            there.kill()
            there.wait()
        serving.kill()
        serving.communicate()
        os.close(master)
        os.close(slave)
    assert not (tmp_path / "elsewhere").exists()
