"""What an author waits for: from `taskmgr create` to a result, and from a save to a result."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, median

TASKMGR = Path(sys.executable).with_name("taskmgr")
TEMPLATES = ("simple", "ml", "pipeline")
SAVES = 15
WAIT_SECONDS = 60.0
INPUTS = {
    "simple": ["text=to be or not"],
    "ml": ["text=Why is that so?"],
    "pipeline": ["text=It rains. Why?"],
}


def measure() -> list[Figure]:
    """The way of a new task, the slowest of the templates; and the live loop."""
    with tempfile.TemporaryDirectory(prefix="taskmgr-bench-") as name:
        folder = Path(name)
        _create_to_result_s(folder / "first", "simple")  # fills the package cache
        made = {each: _create_to_result_s(folder / each, each) for each in TEMPLATES}
        saves = _save_to_result_s(folder / "live")
    told = ", ".join(f"{name} {seconds:.1f}" for name, seconds in made.items())
    return [
        Figure(
            "author_create_to_result_s",
            max(made.values()),
            "s",
            30,
            note=f"create, its tests, publish, run: {told}",
        ),
        Figure(
            "dev_save_to_result_s",
            median(saves),
            "s",
            1,
            note=f"{SAVES} saves, pure Python; slowest {max(saves):.2f}",
        ),
    ]


def _create_to_result_s(folder: Path, template: str) -> float:
    """A home of its own, and all that is typed from `taskmgr create` to the first result."""
    folder.mkdir()
    project, home = folder / "mine", folder / "home"
    pipeline = [str(project / "mine.json")] * (template == "pipeline")
    started = time.perf_counter()
    _run(folder, home, str(TASKMGR), "create", "mine", "--template", template, "--author", "Ada")
    _run(project, home, sys.executable, "-m", "pytest", "-q")
    _run(folder, home, str(TASKMGR), "publish", str(project), *pipeline)
    _run(folder, home, str(TASKMGR), "run", "mine", *INPUTS[template])
    return time.perf_counter() - started


def _save_to_result_s(folder: Path) -> list[float]:
    """From writing the file to the line with the result that follows from it."""
    folder.mkdir()
    home = folder / "home"
    _run(folder, home, str(TASKMGR), "create", "mine", "--author", "Ada")
    (source,) = folder.glob("mine/src/*/tasks.py")
    text, log = source.read_text(), folder / "log"
    with log.open("w") as opened:
        process = subprocess.Popen(
            [str(TASKMGR), "dev", "mine", *INPUTS["simple"]],
            cwd=folder,
            env=_environment(home),
            stdout=opened,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(log, "waiting for the next save")
        return [_saved_s(source, text, log, number) for number in range(SAVES)]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(WAIT_SECONDS)


def _saved_s(source: Path, text: str, log: Path, number: int) -> float:
    wanted = f"result-{number}-"
    started = time.perf_counter()
    source.write_text(text.replace("longest=max(words, key=len)", f'longest="{wanted}"'))
    _wait_for(log, wanted)
    return time.perf_counter() - started


def _wait_for(log: Path, text: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while text not in log.read_text():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {text!r} in:\n{log.read_text()}")
        time.sleep(0.002)


def _run(folder: Path, home: Path, *words: str) -> None:
    subprocess.run(
        words,
        cwd=folder,
        env=_environment(home),
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "TASKMGR_HOME": str(home)}
