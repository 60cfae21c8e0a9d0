"""Runs the program ``taskmgr`` in forks of a process that has imported it already.

Of the third of a second that a command takes, most goes into imports; the tests run more than a
thousand commands. Each is a process of its own nevertheless, with the arguments, environment,
folder and open files of its client (``fork_client.py``). ``python fork_server.py SOCKET``; it ends
with its stdin, and removes the folder of the socket.
"""

import contextlib
import faulthandler
import gc
import importlib
import io
import json
import os
import pkgutil
import selectors
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import taskmgr_core
from forked_program import SHOW_STACKS_AFTER
from taskmgr_core.cli import main

# What a command of the embedded platform does not import either.
LEFT_OUT = ("index", "queue.celery", "stores.mongodb", "stores.s3", "cli.reference", "__main__")


class Forked(Exception):  # noqa: N818 - no error: the way out of the loop for a new process
    """This is the process of a command now."""


def import_all() -> None:
    """Import every module that a command may need."""
    for module in pkgutil.walk_packages(taskmgr_core.__path__, "taskmgr_core."):
        within = module.name.removeprefix("taskmgr_core.")
        if not any(within == each or within.startswith(f"{each}.") for each in LEFT_OUT):
            with contextlib.suppress(ImportError):
                importlib.import_module(module.name)


def become(given: dict[str, Any], files: list[int]) -> None:
    """Take over what the client has."""
    for number, file in enumerate(files):
        os.dup2(file, number)
    for file in files:
        os.close(file)
    os.chdir(given["folder"])
    os.umask(given["umask"])
    os.environ.clear()
    os.environ.update(given["environment"])
    if seconds := os.environ.pop(SHOW_STACKS_AFTER, ""):
        faulthandler.dump_traceback_later(float(seconds), file=2)
    sys.argv = ["taskmgr", *given["words"]]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin = io.open(0, closefd=False, encoding="utf-8")  # noqa: SIM115, UP020
    sys.stdout = _writer(1, "strict")
    sys.stderr = _writer(2, "backslashreplace")


def _writer(number: int, errors: str) -> io.TextIOWrapper:
    binary = io.open(number, "wb", buffering=-1, closefd=False)  # noqa: SIM115, UP020
    lines = number == 2 or os.isatty(number)
    return io.TextIOWrapper(binary, "utf-8", errors, line_buffering=lines)


class Server:
    """One thread that starts commands and waits for their ends."""

    def __init__(self, listener: socket.socket) -> None:
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ, self.accept)
        self.selector.register(sys.stdin, selectors.EVENT_READ, lambda _: sys.exit(0))

    def serve(self) -> None:
        """Until the other end of stdin is closed."""
        while True:
            for key, _ in self.selector.select():
                # One that was served just now may have ended another.
                if key.fd in self.selector.get_map():
                    key.data(key.fileobj)

    def close(self) -> None:
        """Let go of all that is the server's."""
        for key in list(self.selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
            elif key.fd > 2:
                os.close(key.fd)
        self.selector.close()

    def accept(self, listener: socket.socket) -> None:
        """Start the command of a new client."""
        client, _ = listener.accept()
        head, files, _, _ = socket.recv_fds(client, 8, 3)
        size, given = int.from_bytes(head), b""
        while len(given) < size and (part := client.recv(size - len(given))):
            given += part
        pid = os.fork()
        if pid == 0:
            client.close()
            self.close()
            become(json.loads(given), files)
            raise Forked
        for file in files:
            os.close(file)
        process = os.pidfd_open(pid)
        client.sendall(pid.to_bytes(8))
        self.selector.register(process, selectors.EVENT_READ, lambda _: end())
        self.selector.register(client, selectors.EVENT_READ, lambda _: lost())

        def end() -> None:
            _, status = os.waitpid(pid, 0)
            self.selector.unregister(process)
            os.close(process)
            with contextlib.suppress(KeyError):
                self.selector.unregister(client)
            with contextlib.suppress(OSError):
                client.sendall(status.to_bytes(8))
            client.close()

        def lost() -> None:
            self.selector.unregister(client)
            signal.pidfd_send_signal(process, signal.SIGKILL)


def run() -> None:
    """Serve; in the process of a command, carry it out."""
    import_all()
    gc.freeze()  # or a collection in each command would copy all of this process
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen(64)
        print("ready", flush=True)
        try:
            Server(listener).serve()
        except SystemExit:
            shutil.rmtree(Path(sys.argv[1]).parent)
            raise


if __name__ == "__main__":
    try:
        run()
    except Forked:
        main()
