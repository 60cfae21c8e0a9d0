"""A plugin in a virtualenv of its own, talked to as a worker does."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs

from taskmgr_plugins import protocol

REPOSITORY = Path(__file__).parents[2]
PLUGINS = (
    "face_attributes",
    "face_detection",
    "face_detection_haar",
    "face_features",
    "text_sentiment",
)


class TaskFailedError(Exception):
    """The runner's ``error`` frame.

    Attributes:
        frame: what it said.
    """

    def __init__(self, frame: dict[str, Any]) -> None:
        super().__init__(f"{frame['type']}: {frame['message']}\n{frame['traceback']}")
        self.frame = frame


def run(*command: str | Path) -> None:
    """Run a command; a failure shows what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def uv() -> str:
    """The uv beside the Python that runs the tests, else the one on the path."""
    beside = shutil.which("uv", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("uv")
    assert found, "the plugins' tests need uv: install it with 'pip install uv'"
    return found


def build_wheel(project: Path, folder: Path) -> Path:
    """Build a project's wheel into an empty folder."""
    run(uv(), "build", "--quiet", "--wheel", "--out-dir", folder, project)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheels: list[Path], folder: Path) -> Path:
    """Make a virtualenv with the wheels and all they need.

    Returns:
        Its Python.
    """
    python = folder / "bin" / "python"
    run(uv(), "venv", "--quiet", "--python", sys.executable, folder)
    run(uv(), "pip", "install", "--quiet", "--python", python, *wheels)
    return python


@attrs.frozen
class Timed:
    """One answer: the outputs, and the seconds of each stage."""

    outputs: dict[str, Any]
    seconds: dict[str, float]


class PluginRunner:
    """The runner process of one plugin.

    Arguments:
        plugin: the plugin's folder in the repository, which is also its task's name.
        python: the interpreter of its virtualenv.
        folder: its working folder; what it prints goes to ``log`` there.
    """

    def __init__(self, plugin: str, python: Path, folder: Path) -> None:
        self.plugin = plugin
        weights = (REPOSITORY / "plugins" / plugin / "models").glob("*.onnx")
        self._models = {each.name: str(each) for each in weights}
        frames_in, self._write = os.pipe()
        self._read, frames_out = os.pipe()
        lifeline, self._lifeline = os.pipe()
        passed = {"frames-in": frames_in, "frames-out": frames_out, "lifeline": lifeline}
        options = [f"--{name}={descriptor}" for name, descriptor in passed.items()]
        options += [f"--distribution=taskmgr-{plugin.replace('_', '-')}", f"--folder={folder}"]
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [python, "-I", "-m", "taskmgr_plugins", *options],
                pass_fds=tuple(passed.values()),
                stdout=log,
                stderr=log,
            )
        for descriptor in passed.values():
            os.close(descriptor)
        self._answer()

    def describe(self) -> dict[str, Any]:
        """The definition of the plugin's one task."""
        (task,) = self._ask({"kind": "describe"})["tasks"]
        return dict(task)

    def __call__(self, **inputs: Any) -> dict[str, Any]:
        """The outputs of the plugin's task; a ``Path`` among the inputs becomes an artifact.

        Raises:
            TaskFailedError: the task failed.
        """
        return self.timed(**inputs).outputs

    def timed(self, **inputs: Any) -> Timed:
        """As a call, with the seconds of each stage."""
        artifacts = {_digest(each): str(each) for each in inputs.values() if isinstance(each, Path)}
        frame = {
            "kind": "call",
            "task": self.plugin,
            "models": self._models,
            "inputs": {name: _document(each) for name, each in inputs.items()},
            "artifacts": artifacts,
        }
        answer = self._ask(frame)
        return Timed(answer["outputs"], answer["seconds"])

    def close(self) -> None:
        """End the process."""
        for descriptor in (self._write, self._read, self._lifeline):
            os.close(descriptor)
        self._process.wait(timeout=30)

    def _ask(self, frame: dict[str, Any]) -> dict[str, Any]:
        protocol.write_frame(self._write, frame)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        answer = protocol.read_frame(self._read)
        assert answer is not None, f"the runner ended: {self.log.read_text()}"
        if answer["kind"] == "error":
            raise TaskFailedError(answer)
        return answer


def _document(value: Any) -> Any:
    if not isinstance(value, Path):
        return value
    return {"$artifact": _digest(value), "name": value.name}


def _digest(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
