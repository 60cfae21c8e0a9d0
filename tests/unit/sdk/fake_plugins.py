"""Plugins as pip would have installed them, and real runner processes for them."""

import itertools
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import attrs

from taskmgr_plugins.protocol import Frame, read_frame, write_frame


@attrs.frozen
class Plugin:
    """A distribution as pip would have installed it: a module and its metadata."""

    distribution: str
    module: str
    folder: Path


class PluginFolder:
    """Writes plugins into one folder, each with a name of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)

    def write(self, source: str, *tasks: str, hook: str = "return [{tasks}]") -> Plugin:
        """Write a plugin.

        Arguments:
            source: the module; the SDK's names are imported already.
            tasks: the names of its entry points.
            hook: the body of its hook; by default it announces what ``TASKS`` lists.
        """
        name = f"fake_plugin_{next(self._numbers)}_{os.getpid()}"
        lines = [
            "from taskmgr_plugins import *",
            textwrap.dedent(source),
            "@hookimpl",
            "def taskmgr_tasks():",
            textwrap.indent(textwrap.dedent(hook).format(tasks="*TASKS"), "    "),
        ]
        (self._folder / f"{name}.py").write_text("\n".join(lines) + "\n")
        metadata = self._folder / f"{name}-1.2.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        points = "".join(f"{task} = {name}\n" for task in tasks)
        (metadata / "entry_points.txt").write_text(f"[taskmgr.plugins]\n{points}")
        return Plugin(name, name, self._folder)


class Runner:
    """A runner process with real pipes, seen from the worker's side."""

    def __init__(self, plugin: Plugin, folder: Path) -> None:
        self.folder = folder
        frames_in, self._frames_in = os.pipe()
        self._frames_out, frames_out = os.pipe()
        lifeline, self._lifeline = os.pipe()
        given = {"frames-in": frames_in, "frames-out": frames_out, "lifeline": lifeline}
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "taskmgr_plugins"),
                *("--distribution", plugin.distribution, "--folder", str(folder)),
                *(f"--{name}={descriptor}" for name, descriptor in given.items()),
            ],
            pass_fds=tuple(given.values()),
            env={"PYTHONPATH": str(plugin.folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for descriptor in given.values():
            os.close(descriptor)

    def send(self, frame: Frame) -> None:
        """Send a frame without waiting."""
        write_frame(self._frames_in, frame)

    def receive(self) -> Frame | None:
        """The next frame; None when the runner has ended."""
        return read_frame(self._frames_out)

    def ask(self, frame: Frame) -> Frame:
        """Send a frame and wait for its answer."""
        self.send(frame)
        answer = self.receive()
        assert answer is not None, f"the runner died: {self.end()}"
        return answer

    def call(self, task: str, **inputs: Any) -> Frame:
        """Call a task and wait for its answer."""
        return self.ask({"kind": "call", "task": task, "inputs": inputs})

    def end(self) -> tuple[int, str, str]:
        """Close the pipe of frames; the exit status, stdout and stderr."""
        self._close("_frames_in")
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err

    def cut_lifeline(self) -> int:
        """Close the lifeline and nothing else; the exit status."""
        self._close("_lifeline")
        return self.process.wait(timeout=30)

    def close(self) -> None:
        """Leave nothing behind."""
        self.process.kill()
        self.process.communicate()
        for name in ("_frames_in", "_frames_out", "_lifeline"):
            self._close(name)

    def _close(self, name: str) -> None:
        descriptor = getattr(self, name)
        if descriptor >= 0:
            os.close(descriptor)
            setattr(self, name, -1)
