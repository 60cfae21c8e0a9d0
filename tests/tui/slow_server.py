"""A way to a server that can be held up and cut off."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

BLOCK = 1 << 16


class Way:
    """Passes on what it hears, as long as it is let.

    Arguments:
        target: the server's host and port.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._open = threading.Event()
        self._open.set()
        self._absent = False
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        """Nothing comes through any more; connections stay."""
        self._open.clear()

    def cut(self) -> None:
        """Every connection ends, and each new one at once."""
        self._absent = True
        self._close_all()

    def mend(self) -> None:
        """All is as it was."""
        self._absent = False
        self._open.set()

    def close(self) -> None:
        """End."""
        self.mend()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listening.close()
        self._close_all()

    def _close_all(self) -> None:
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._sockets.clear()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            if self._absent:
                near.close()
                continue
            far = socket.create_connection(self._target)
            self._sockets += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := one.recv(BLOCK):
                self._open.wait()
                other.sendall(block)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def way_to(host: str, port: int) -> Iterator[Way]:
    """A way to a server, for the time of a block."""
    way = Way((host, port))
    try:
        yield way
    finally:
        way.close()
