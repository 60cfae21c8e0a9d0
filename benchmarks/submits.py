"""A client that submits over many connections, as lean as it can be while it checks each answer.

It shares the machine with the server that is measured: what it costs itself the server has not.
"""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Sequence
from typing import cast

import attrs

_MOST = 1 << 16


@attrs.define
class Accepted:
    """What was accepted.

    Attributes:
        runs: the ids of the runs, each answered with 201.
        seconds: from each request to its answer.
        lasted: seconds from the first request to the last answer.
    """

    runs: list[str] = attrs.field(factory=list)
    seconds: list[float] = attrs.field(factory=list)
    lasted: float = 0.0


@attrs.define
class _Connection:
    """One client: it has one request on its way, and sends the next when that is answered."""

    socket: socket.socket
    request: bytes
    sent: float = 0.0
    answer: bytes = b""

    def send(self) -> None:
        """Ask for a run."""
        self.answer, self.sent = b"", time.perf_counter()
        self.socket.sendall(self.request)

    def run(self) -> str | None:
        """Read what is there: the run's id once the answer is whole.

        Raises:
            RuntimeError: it is another answer.
        """
        self.answer += self.socket.recv(_MOST)
        head, _, body = self.answer.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if not length or len(body) < int(length):
            return None
        if not head.startswith(b"HTTP/1.1 201 "):
            raise RuntimeError(f"a submit was answered with {self.answer[:300]!r}")
        return str(json.loads(body)["run_id"])


def submit(port: int, seconds: float, headers: Sequence[bytes]) -> Accepted:
    """Submit a run again and again over as many connections as there are headers.

    Arguments:
        port: of the server, on this machine.
        seconds: for how long.
        headers: what each connection says beside what all do; each ends its line.
    """
    body = json.dumps({"name": "nothing", "inputs": {"number": 1}}).encode()
    accepted, begun = Accepted(), time.monotonic()
    with selectors.DefaultSelector() as ready:
        for each in headers:
            opened = socket.create_connection(("127.0.0.1", port))
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            request = (
                b"POST /v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                b"%sContent-Length: %d\r\n\r\n%s" % (each, len(body), body)
            )
            connection = _Connection(opened, request)
            ready.register(opened, selectors.EVENT_READ, connection)
            connection.send()
        while time.monotonic() - begun < seconds:
            for key, _ in ready.select(1):
                connection = cast("_Connection", key.data)
                if (run := connection.run()) is not None:
                    accepted.seconds.append(time.perf_counter() - connection.sent)
                    accepted.runs.append(run)
                    connection.send()
        accepted.lasted = time.monotonic() - begun
        for key in list(ready.get_map().values()):
            cast("_Connection", key.data).socket.close()
    return accepted
