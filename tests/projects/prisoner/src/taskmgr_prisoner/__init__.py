"""Tasks that try what they may not."""

import contextlib
import multiprocessing
import os
import resource
import socket
import subprocess
import time
from pathlib import Path

from taskmgr_plugins import File, hookimpl, task


@task
def read_file(path: str) -> int:
    """Read a file that was not given."""
    return len(Path(path).read_bytes())


@task
def list_folder(path: str) -> list[str]:
    """List a folder."""
    return sorted(each.name for each in Path(path).iterdir())


@task
def write_file(path: str) -> str:
    """Write a file anywhere."""
    Path(path).write_text("written")
    return path


@task
def size_of(file: File) -> dict[str, int | str]:
    """Read the file that was given, and try to write it."""
    path = file.path
    wrong = ""
    try:
        path.chmod(0o644)
        with path.open("ab") as opened:
            opened.write(b"more")
    except OSError as error:
        wrong = type(error).__name__
    finally:
        path.chmod(0o444)
    return {
        "size": len(path.read_bytes()),
        "error": wrong,
        "beside": len(list(path.parent.iterdir())),
    }


def _connected(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as opened:
        return opened.recv(100).decode()


@task
def connect(port: int) -> str:
    """Talk to a server."""
    return _connected(port)


@task(network=True)
def connect_allowed(port: int) -> str:
    """Talk to a server, as it says that it will."""
    return _connected(port)


@task
def resolve(name: str) -> list[str]:
    """Look up the address of a machine."""
    return [str(each[4][0]) for each in socket.getaddrinfo(name, 80)]


@task
def open_socket(family: int, kind: int) -> str:
    """Make a socket; the name of the error, if there is one."""
    try:
        socket.socket(family, kind).close()
    except OSError as error:
        return type(error).__name__
    return ""


@task
def open_files(count: int) -> int:
    """Have many files open."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(open(os.devnull))  # noqa: PTH123
    return count


@task
def write_much(megabytes: int) -> int:
    """Write a file that is large, without taking the room for it."""
    with Path("large.bin").open("wb") as opened:
        opened.truncate(megabytes * 1_000_000)
    return megabytes


@task
def start_many(count: int) -> int:
    """Be many processes for a while."""
    started = [subprocess.Popen(["sleep", "30"]) for _ in range(count)]
    for each in started:
        each.wait()
    return count


@task
def send_signal(pid: int) -> str:
    """Ask whether a signal could be sent to a process; the name of the error."""
    try:
        os.kill(pid, 0)
    except OSError as error:
        return type(error).__name__
    return ""


@task
def look_around(parent: int) -> dict[str, str | int | dict[str, str]]:
    """Say what there is to be seen of oneself and of one's worker."""
    descriptors = {}
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            descriptors[each.name] = str(each.readlink())
    try:
        theirs = Path(f"/proc/{parent}/environ").read_text()
    except OSError as error:
        theirs = type(error).__name__
    return {
        "environment": dict(os.environ),
        "descriptors": descriptors,
        "theirs": theirs,
        "core": resource.getrlimit(resource.RLIMIT_CORE)[1],
    }


@task
def in_a_child(path: str) -> int:
    """Have another program read a file; its exit status."""
    return subprocess.run(["cat", path], check=False, capture_output=True).returncode


def _double(number: int) -> int:
    return 2 * number


@task
def use_a_pool(number: int) -> list[int]:
    """Use processes, semaphores and shared memory, which a task may."""
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.map(_double, range(number))
    time.sleep(0)
    return found


@hookimpl
def taskmgr_tasks() -> list[object]:
    """Announce the tasks."""
    files = [read_file, list_folder, write_file, size_of, in_a_child]
    network = [connect, connect_allowed, resolve, open_socket]
    limits = [open_files, write_much, start_many]
    return [*files, *network, *limits, send_signal, look_around, use_a_pool]
