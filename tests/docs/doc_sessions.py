"""Runs the blocks of a page in order, as a reader at a terminal would."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import attrs
import yaml
from doc_comparing import Bindings, Printed, bound, lines_of, match, match_beginning
from doc_pages import ROOT, Block

from forked_program import program
from taskmgr_core.settings import HOME_FOLDER

COMMAND_SECONDS = 100
TERMINAL_SECONDS = 20
LOOK_SECONDS = 0.02
WIDTH = "100"
NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", ".venv")

# What is only read, to see that it is well formed.
READERS: Mapping[str, Any] = MappingProxyType(
    {"json": json.loads, "toml": tomllib.loads, "yaml": yaml.safe_load, "mermaid": str}
)

# Runs code in one namespace; after each piece a line says whether it went well.
PYTHON = """
import json, sys, traceback
for line in sys.stdin:
    fine = True
    try:
        exec(compile(json.loads(line), "<page>", "exec"), globals())
    except BaseException:
        fine = False
        traceback.print_exc(file=sys.stdout)
    print("\\0" + json.dumps(fine), flush=True)
"""


class PageError(AssertionError):
    """A page says something that is not so."""


@attrs.define
class Terminal:
    """A program that goes on while the page does.

    Attributes:
        process: the program.
        output: what it has written.
        seen: how many of its lines the page has told.
    """

    process: subprocess.Popen[bytes]
    output: IO[bytes]
    seen: int = 0

    def lines(self) -> tuple[str, ...]:
        """What it has printed and the page has not told yet."""
        self.output.seek(0)
        return lines_of(self.output.read().decode())[self.seen :]

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        self.output.close()


@attrs.define
class Session:
    """A terminal in an empty folder, with a home of its own.

    Attributes:
        folder: where it begins.
        variables: its environment.
        bindings: ids and digests of the page -> the real ones.
    """

    folder: Path
    variables: dict[str, str]
    bindings: Bindings = attrs.field(factory=dict)
    _status: int = 0
    _terminals: dict[str, Terminal] = attrs.field(factory=dict)
    _python: subprocess.Popen[str] | None = None
    _printed: str = ""

    @classmethod
    def begin(cls, folder: Path) -> Session:
        """A session that looks like a terminal to the programs in it."""
        working = folder / "here"
        (working / HOME_FOLDER).mkdir(parents=True)
        path = (Path(sys.executable).parent, os.environ["PATH"])
        variables = {
            **os.environ,
            "PATH": os.pathsep.join(map(str, (program().parent, *path))),
            "COLUMNS": WIDTH,
            "NO_COLOR": "1",
            "TERM": "xterm",
            "TTY_COMPATIBLE": "1",
            "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:schemathesis",
        }
        return cls(working, variables)

    def check_out(self) -> None:
        """Have the plugins, pipelines and pictures of the repository in the folder."""
        for name in ("plugins", "pipelines", "examples"):
            shutil.copytree(ROOT / name, self.folder / name, ignore=NOT_COPIED)

    def close(self) -> None:
        """End every program that still runs."""
        for terminal in self._terminals.values():
            terminal.close()
        if self._python is not None and self._python.stdin and self._python.stdout:
            self._python.stdin.close()
            self._python.wait(COMMAND_SECONDS)
            self._python.stdout.close()

    def run(self, block: Block) -> None:
        """Do what a block says.

        Raises:
            PageError: it is not as the page says; the message shows both.
        """
        directives = block.directives
        if "meanwhile" in directives:
            done = self.shell(directives["meanwhile"])
            assert done.status == 0, f"{block.place}: {done.err}"
        if "not run" in directives:
            assert directives["not run"], f"{block.place}: say why it is not run"
        elif "part of" in directives:
            self._check_part(block, self.folder / directives["part of"])
        elif block.language == "console":
            self._run_console(block)
        elif block.language == "diff":
            self._change(block)
        elif (name := directives.get("file") or _named(block)) is not None:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        elif block.language == "python":
            self._run_python(block)
        else:
            self._check_data(block)

    # console

    def _run_console(self, block: Block) -> None:
        name = block.directives.get("terminal")
        for command, expected in _commands(block):
            if name is None:
                self._run_command(block, command, expected)
            else:
                self._use_terminal(block, name, command, expected)

    def _run_command(self, block: Block, command: str, expected: str) -> None:
        printed = self.shell(bound(command, self.bindings))
        found = match(expected, printed, self.bindings)
        if found is None:
            raise PageError(_difference(block, command, expected, printed))
        says_so = any(word in expected for word in ("error:", "Error", "✗", "FAILED", "failed"))
        if printed.status and not says_so:
            raise PageError(
                f"{block.place}: {command!r} ended with {printed.status}, and the page shows "
                f"no error; stderr: {printed.err}"
            )
        self.bindings = found

    def shell(self, command: str) -> Printed:
        """Run a command; the folder and variables that it leaves are those of the next."""
        with tempfile.TemporaryDirectory() as state:
            script = (
                f"(exit {self._status})\n{command}\n"
                f'status=$?; pwd >"{state}/folder"; env -0 >"{state}/variables"; exit $status'
            )
            done = subprocess.run(
                ["bash", "-c", script],
                cwd=self.folder,
                env=self.variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=COMMAND_SECONDS,
                check=False,
            )
            self._take_over(Path(state))
        self._status = done.returncode
        return Printed(
            lines_of(done.stdout.decode()), lines_of(done.stderr.decode()), done.returncode
        )

    def _take_over(self, state: Path) -> None:
        if not (state / "variables").exists():  # the command was `exit`
            return
        self.folder = Path((state / "folder").read_text().rstrip("\n"))
        entries = (state / "variables").read_bytes().decode().split("\0")
        self.variables = dict(each.split("=", 1) for each in entries if "=" in each)

    def _use_terminal(self, block: Block, name: str, command: str, expected: str) -> None:
        if not command:  # what a program that goes on shows meanwhile
            pass
        elif command == "^C":
            self._terminals[name].process.send_signal(signal.SIGINT)
        else:
            output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the terminal
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self.folder,
                env=self.variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
            self._terminals[name] = Terminal(process, output)
        self._await(block, self._terminals[name], command, expected)

    def _await(self, block: Block, terminal: Terminal, command: str, expected: str) -> None:
        deadline = time.monotonic() + TERMINAL_SECONDS
        while time.monotonic() < deadline:
            ended = terminal.process.poll() is not None
            lines = terminal.lines()
            found = match_beginning(expected, lines, self.bindings)
            if found is not None and (ended or command != "^C"):
                self.bindings = found
                terminal.seen += len(lines)
                return
            if ended:
                break
            time.sleep(LOOK_SECONDS)
        raise PageError(_difference(block, command, expected, Printed(terminal.lines())))

    # files

    def _change(self, block: Block) -> None:
        """Apply a difference as ``diff -u`` writes it; line numbers need not be there."""
        lines = block.text.splitlines()
        names = [each.removeprefix("+++ ") for each in lines if each.startswith("+++ ")]
        assert len(names) == 1, f"{block.place}: name the file with '+++ <file>'"
        path = self.folder / names[0]
        for before, after in _hunks(lines):
            content = path.read_text()
            if content.count(before) != 1:
                raise PageError(f"{block.place}: not once in {path}:\n{before}\nbut:\n{content}")
            path.write_text(content.replace(before, after))

    def _check_part(self, block: Block, path: Path) -> None:
        content = path.read_text()
        if block.text not in content:
            raise PageError(f"{block.place}: this is no part of {path}:\n{content}")

    def _check_data(self, block: Block) -> None:
        if block.language == "text":
            if match(block.text, Printed(lines_of(self._printed)), self.bindings) is None:
                raise PageError(
                    f"{block.place}: the page has\n{block.text}\nprinted was\n{self._printed}"
                )
        elif block.language in READERS:
            READERS[block.language](block.text)
        else:
            raise PageError(
                f"{block.place}: a block of {block.language!r} is not run; say why: "
                "<!-- not run: ... -->"
            )

    # python

    def _run_python(self, block: Block) -> None:
        if self._python is None:
            self._python = subprocess.Popen(
                [sys.executable, "-c", PYTHON],
                cwd=self.folder,
                env={**self.variables, "PYTHONWARNINGS": "error"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                bufsize=1,
            )
        process = self._python
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(block.text) + "\n")
        printed: list[str] = []
        for line in process.stdout:
            if line.startswith("\0"):
                self._printed = "".join(printed)
                if not json.loads(line[1:]):
                    break
                return
            printed.append(line)
        raise PageError(f"{block.place}: {''.join(printed)}")


def _named(block: Block) -> str | None:
    """The file that a first comment names, as ``# greet/src/greet/tasks.py``."""
    first = block.text.partition("\n")[0]
    name = first.removeprefix("# ").strip()
    known = first.startswith("# ") and " " not in name
    return name if known and Path(name).suffix in (".py", ".toml", ".yaml", ".txt") else None


def _commands(block: Block) -> list[tuple[str, str]]:
    """The commands of a console block, each with what it prints."""
    found: list[tuple[str, str]] = []
    going_on = False
    for line in block.text.splitlines():
        if going_on:
            command, expected = found[-1]
            found[-1] = (f"{command}\n{line.removeprefix('> ')}", expected)
        elif line.startswith("$ ") or line == "^C":
            found.append((line.removeprefix("$ "), ""))
        else:
            if not found:
                assert "terminal" in block.directives, f"{block.place}: begin with '$ '"
                found.append(("", ""))
            command, expected = found[-1]
            found[-1] = (command, f"{expected}{line}\n")
        going_on = (going_on or line.startswith("$ ")) and line.endswith("\\")
    return found


def _hunks(lines: list[str]) -> list[tuple[str, str]]:
    """What stands in a file before, and after, each hunk of a difference."""
    found = [("", "")]
    for line in lines:
        if line.startswith(("--- ", "+++ ")):
            continue
        before, after = found[-1]
        if line.startswith("@@"):
            found.append(("", ""))
        else:
            kept = f"{line[1:]}\n"
            found[-1] = (
                before + kept * (line[:1] != "+"),
                after + kept * (line[:1] != "-"),
            )
    return [each for each in found if each != ("", "")]


def _difference(block: Block, command: str, expected: str, printed: Printed) -> str:
    out, err = "\n".join(printed.out), "\n".join(printed.err)
    return (
        f"{block.place}: $ {command}\n--- the page has\n{expected}--- stdout\n{out}\n"
        f"--- stderr\n{err}\n--- exit status {printed.status}"
    )
