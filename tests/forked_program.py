"""The program ``taskmgr`` with its imports done: quicker to start, otherwise the same.

With ``TASKMGR_TEST_BACKEND=servers`` the tests use the installed program, so that each of its
commands is run both ways.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import attrs

INSTALLED = Path(sys.executable).with_name("taskmgr")
# Seconds after which a command writes to stderr where each of its threads is.
SHOW_STACKS_AFTER = "TEST_SHOW_STACKS_AFTER"
_SCRIPTS = Path(__file__).parent


@attrs.define
class ForkedProgram:
    """A program to be run in place of ``taskmgr``, and the server behind it."""

    _server: subprocess.Popen[bytes] | None = attrs.field(default=None, init=False)
    _path: Path = attrs.field(default=INSTALLED, init=False)

    @property
    def path(self) -> Path:
        """The program; its server is started when it is asked for first."""
        if self._server is None:
            folder = Path(tempfile.mkdtemp(prefix="taskmgr-fork-"))
            self._path = _write_program(folder)
            self._server = subprocess.Popen(
                [sys.executable, _SCRIPTS / "fork_server.py", folder / "socket"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=folder,
            )
            assert self._server.stdout is not None
            assert self._server.stdout.readline() == b"ready\n"
        return self._path

    def close(self) -> None:
        """End the server; it ends with this process anyway, however that ends."""
        if self._server is not None:
            self._server.communicate()
            self._server = None


def _write_program(folder: Path) -> Path:
    written = folder / "bin" / "taskmgr"
    written.parent.mkdir()
    ours = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
    client = (sys.executable, "-I", "-S", _SCRIPTS / "fork_client.py")
    words = (*client, folder / "socket", INSTALLED, json.dumps(ours))
    written.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, words))} "$@"\n')
    written.chmod(0o755)
    return written


FORKED = ForkedProgram()


def program() -> Path:
    """The program that tests run: the installed one, where the backend is real servers."""
    on_servers = os.environ.get("TASKMGR_TEST_BACKEND") == "servers"
    return INSTALLED if on_servers else FORKED.path
