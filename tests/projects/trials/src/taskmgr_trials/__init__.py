"""Tasks that behave and misbehave."""

import ctypes
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from taskmgr_plugins import File, InvalidInputError, MLTask, Task, hookimpl, task


@task
def add(left: int, right: int = 1) -> int:
    """Add two numbers."""
    print(f"adding {left} and {right}")
    return left + right


@task
def pause(seconds: float, note: str = "") -> str:
    """Write a file when given one, then sleep."""
    if note:
        with Path(note).open("a") as opened:
            opened.write(f"{os.getpid()}\n")
    time.sleep(seconds)
    return "rested"


@task(timeout=20)
def meet(folder: str, me: str, other: str) -> str:
    """Wait until the other one is there too: ends only when both run at once."""
    (Path(folder) / me).touch()
    while not (Path(folder) / other).exists():
        time.sleep(0.005)
    return "met"


@task(timeout=0.5)
def dawdle(seconds: float) -> float:
    """Sleep for longer than allowed."""
    time.sleep(seconds)
    return seconds


@task
def fail(text: str) -> str:
    """Raise."""
    raise ValueError(f"cannot do {text}")


@task
def leave(status: int) -> int:
    """Call sys.exit."""
    sys.exit(status)


@task
def crash(how: str) -> str:
    """Die of an exit or a segmentation fault."""
    if how == "exit":
        os._exit(7)
    ctypes.string_at(0)
    return how


@task(timeout=60)
def chatter(megabytes: int) -> int:
    """Print a lot."""
    line = "x" * 999
    for _ in range(megabytes * 1000):
        print(line)
    logging.getLogger("chatter").info("that was all")
    return megabytes


@task(memory_mb=150, timeout=60)
def hoard(megabytes: int) -> int:
    """Use memory."""
    kept = []
    for _ in range(megabytes):
        kept.append(bytearray(b"x" * 1_000_000))
        time.sleep(0.001)
    return len(kept)


@task(retries=2)
def flaky(counter: str, seconds: float = 0.0) -> int:
    """Sleep; fail twice, then succeed."""
    time.sleep(seconds)
    path = Path(counter)
    tried = int(path.read_text()) + 1 if path.exists() else 1
    path.write_text(str(tried))
    if tried < 3:
        raise RuntimeError(f"attempt {tried} did not work")
    return tried


@task
def blob(size: int) -> list[int]:
    """Give a value of many bytes."""
    return list(range(size))


@task
def measure(numbers: list[int]) -> int:
    """Count numbers."""
    return len(numbers)


@task
def save(text: str) -> File:
    """Give a file."""
    Path("saved.txt").write_text(text)
    return File("saved.txt")


@task(retries=1)
def fill(note: str) -> str:
    """Meet a full disk, the first time."""
    path = Path(note)
    if not path.exists():
        path.touch()
        Path("/dev/full").write_text("there is no room")
    return "filled"


@task
def bulk(megabytes: int) -> File:
    """Give a file of some size."""
    with Path("bulk").open("wb") as opened:
        opened.writelines(bytes(1_000_000) for _ in range(megabytes))
    return File("bulk")


@task
def lie(value: str) -> int:
    """Return what was not declared."""
    return value  # type: ignore[return-value]


@task(retries=5)
def refuse(text: str) -> str:
    """Say that the input is of no use."""
    raise InvalidInputError(f"{text!r} is of no use")


@task
def report(failure: dict[str, Any], text: str) -> str:
    """Tell a failure to somebody."""
    return f"{text}: {failure['step']} {failure['code']} in {failure['run_id']}"


@task
def open_gate(text: str, gate: str) -> str:
    """Give the text if there is a file, else fail."""
    if not Path(gate).exists():
        raise FileNotFoundError(f"no gate {gate}")
    return text


@task
def odd(number: int) -> int:
    """Give an odd number, fail for others."""
    if number % 2 == 0:
        raise ValueError(f"{number} is even")
    return number


@task
def count(values: list[int]) -> int:
    """Count values."""
    return len(values)


@task
def spawn(note: str) -> str:
    """Start a process that would outlive the task, then sleep."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as child:
        Path(note).write_text(str(child.pid))
        time.sleep(600)
    return note


@task(cache="by-inputs")
def stamp(number: int, gate: str = "") -> int:
    """Tell the time, where there is a file or none is asked for; else fail."""
    if gate and not Path(gate).exists():
        raise FileNotFoundError(f"no gate {gate}")
    return time.time_ns() + number


@task(cache="by-inputs")
def sketch(text: str) -> File:
    """Write the time into a file."""
    Path("sketch.txt").write_text(f"{text} {time.time_ns()}")
    return File("sketch.txt")


@task(max_concurrent=1)
def solo(seconds: float) -> list[float]:
    """Sleep alone; tell from when to when."""
    begun = time.time()
    time.sleep(seconds)
    return [begun, time.time()]


@task(rate="5/s")
def drip(number: int) -> float:
    """Tell when it began."""
    return time.time() + 0 * number


@task
def visit(camera: str, seconds: float) -> list[float]:
    """Sleep; tell from when to when."""
    begun = time.time()
    time.sleep(seconds if camera else 0)
    return [begun, time.time()]


class Surroundings(Task):
    """Tell the environment variables, the folder and the open descriptors."""

    def run(self) -> dict[str, list[str]]:
        """Look around."""
        return {
            "variables": sorted(os.environ),
            "folder": [str(Path.cwd())],
            "threads": [os.environ.get("OMP_NUM_THREADS", "")],
        }


@task(retries=1, timeout=20)
def frames(count: int, fate: str = "", folder: str = "") -> Iterator[File]:
    """Yield files, as far as the fate lets it; with a folder each waits for leave to come.

    Leave is a file of the item's number; how far it has come stands in ``reached``.
    """
    attempts = Path(folder, "attempts")
    if folder:
        with attempts.open("a") as opened:
            opened.write(f"{os.getpid()}\n")
    for number in range(count):
        if fate == f"fail {number}":
            raise ValueError("the film tore")
        if fate == f"leave {number}" and len(attempts.read_text().split()) == 1:
            os._exit(3)
        if folder:
            Path(folder, "reached").write_text(str(number))
        if fate == "wait":
            while not Path(folder, str(number)).exists():
                time.sleep(0.01)
        marked = fate == "change" and len(attempts.read_text().split()) > 1
        yield File(f"frame {number}{'!' if marked else ''}".encode(), name=f"{number}.txt")
        if fate == "change" and not marked:
            time.sleep(0.02)
            if Path(folder, "taken frame 0").exists():  # what has been passed on stays
                os._exit(3)


@task
def develop(frame: File, folder: str = "") -> str:
    """Read a frame; with a folder it is noted that it has been taken, and waited for ``go``."""
    text = frame.read_bytes().decode()
    if folder:
        Path(folder, f"taken {text}").touch()
        with Path(folder, "takes").open("a") as opened:
            opened.write(f"{text}\n")
        while not Path(folder, "go").exists():
            time.sleep(0.01)
    return text.upper()


@attrs.frozen
class Seen:
    """A word, with how many others it came, and in which process."""

    word: str
    together: int
    process: int


class Together(MLTask):
    """Take words in batches; what a word does to its batch it says itself."""

    timeout = 1.5
    max_batch_size = 4
    max_batch_wait_ms = 500

    def preprocess_input(self, word: str) -> str:
        """Refuse a word before it is in the batch."""
        print(f"preparing {word}")
        if word == "refuse":
            raise InvalidInputError("refused")
        return word

    def predict_batch(self, words: list[str]) -> list[Seen | Exception]:
        """Look at the words."""
        print(f"looking at {len(words)}")
        if "raise" in words:
            raise RuntimeError("raised for all")
        if "exit" in words:
            os._exit(7)
        if "hang" in words:
            time.sleep(600)
        for gate in (Path(word) for word in words if word.startswith("/")):
            gate.with_suffix(".begun").touch()
            while not gate.exists():
                time.sleep(0.02)
        seen = [Seen(word, len(words), os.getpid()) for word in words]
        return [ValueError("spoilt") if each.word == "spoil" else each for each in seen]

    def postprocess(self, seen: Seen) -> Seen:
        """Say it."""
        print(f"saw {seen.word}")
        return seen


@hookimpl
def taskmgr_tasks() -> list[object]:
    """Announce the tasks."""
    functions = [add, pause, dawdle, meet, fail, leave, crash, chatter, hoard, flaky, blob]
    flow = [report, open_gate, odd, count, frames, develop]
    limited = [stamp, sketch, solo, drip, visit]
    return [
        *functions,
        *flow,
        *limited,
        measure,
        save,
        fill,
        bulk,
        lie,
        refuse,
        spawn,
        Surroundings,
        Together,
    ]
