"""Tasks that fork, flood and forge."""

import ctypes
import mmap
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from taskmgr_plugins import File, MLTask, hookimpl, protocol, task


@task
def add(left: int, right: int = 1) -> int:
    """Add two numbers."""
    return left + right


@task
def fork_and_return(number: int) -> int:
    """Return from the parent and from a forked child, which is waited for."""
    child = os.fork()
    if child == 0:
        return 999
    os.waitpid(child, 0)
    return number


@task
def fork_and_exit(status: int) -> int:
    """Give the status of a forked child that calls sys.exit."""
    child = os.fork()
    if child == 0:
        sys.exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@task
def fork_and_crash(seconds: float) -> float:
    """Die while a child lives that was forked natively, and so holds the pipes open."""
    if ctypes.PyDLL(None).fork() == 0:
        time.sleep(seconds)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)
    return seconds


@task
def fork_with_memory(megabytes: int, children: int, own: int) -> int:
    """Share memory with forked children, each with some of its own, for a while."""
    kept = bytearray(b"x" * (megabytes * 1_000_000))
    fork = multiprocessing.get_context("fork")
    started = [fork.Process(target=_hold, args=(own,)) for _ in range(children)]
    for child in started:
        child.start()
    for child in started:
        child.join()
    return len(kept)


def _hold(megabytes: int) -> None:
    kept = bytearray(b"x" * (megabytes * 1_000_000))
    time.sleep(2.5)
    del kept


@task
def map_file(megabytes: int) -> int:
    """Read a large file that is mapped, and keep it for a while."""
    with Path("large.bin").open("wb+") as opened:
        opened.writelines(b"x" * 1_000_000 for _ in range(megabytes))
        opened.flush()
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            found = sum(mapped[place] == ord("x") for place in range(0, len(mapped), 4096))
            time.sleep(0.3)
    return found


@task
def meddle(delay: float) -> str:
    """Write a frame that nobody asked for, as a child that was forked natively may do."""
    pipe = int(sys.argv[sys.argv.index("--frames-out") + 1])
    stray = {"kind": "result", "outputs": {"result": 999}, "seconds": {}, "id": 1}
    threading.Timer(delay, protocol.write_frame, (pipe, stray)).start()
    if not delay:
        time.sleep(600)
    return "meddling"


@task
def forge_error(message: str, times: int) -> str:
    """Answer in the runner's place: an error whose texts are as long as one likes, or no texts."""
    pipe = int(sys.argv[sys.argv.index("--frames-out") + 1])
    said = message * times if times else None
    texts = dict.fromkeys(("type", "message", "traceback"), said)
    protocol.write_frame(pipe, {"kind": "error", "id": 1, "retryable": False, **texts})
    time.sleep(600)
    return message


@task
def flood(number: int) -> int:
    """Leave a child behind that writes without end."""
    subprocess.Popen(["yes"])
    time.sleep(0.1)
    return number


@task
def start_child(note: str, session: bool) -> str:
    """Start a process that would outlive the task, perhaps in a session of its own."""
    with subprocess.Popen(["sleep", "600"], start_new_session=session) as child:
        Path(note).write_text(f"{child.pid}\n")
        time.sleep(600)
    return note


@task
def remove_folder(number: int) -> int:
    """Remove the working folder."""
    shutil.rmtree(Path.cwd())
    return number


@task
def swap_folder(other: str) -> str:
    """Put a link to another folder where the working folder was."""
    folder = Path.cwd()
    shutil.rmtree(folder)
    folder.symlink_to(other)
    raise ValueError("swapped")


@task
def misname(number: int) -> int:
    """Fail with the name of a file that is no UTF-8 in the message."""
    raise ValueError(f"cannot open {os.fsdecode(b'caf%c.jpg' % 0xE9)}")


@task
def name_badly(text: str) -> File:
    """Give a file whose name is no UTF-8."""
    path = Path(os.fsdecode(b"caf\xe9.txt"))
    path.write_text(text)
    return File(path)


@task
def forge(digest: str) -> dict[str, int | str]:
    """Refer to an artifact that was never given."""
    return {"$artifact": digest, "size": 5}


@task
def many_numbers(size: int) -> dict[str, list[int]]:
    """Give a value of many bytes."""
    return {"numbers": list(range(size))}


@task
def count(numbers: dict[str, list[int]]) -> int:
    """Count numbers."""
    return len(numbers["numbers"])


class SlowToLoad(MLTask):
    """Take longer to load than a call may."""

    timeout = 0.5

    def load_model(self) -> None:
        """Take longer than the timeout."""
        print("loading")
        time.sleep(1.0)

    def predict(self, number: int) -> int:
        """Answer at once."""
        return number


@hookimpl
def taskmgr_tasks() -> list[object]:
    """Announce the tasks."""
    forks = [fork_and_return, fork_and_exit, fork_and_crash, fork_with_memory]
    floods = [meddle, forge_error, flood, start_child, remove_folder, swap_folder]
    values = [add, map_file, misname, name_badly, forge, many_numbers, count]
    return [*forks, *floods, *values, SlowToLoad]
