"""Streams of events, and clients that are slow: followed to the end, bounded, cut off."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from rest_server import Served, served

from taskmgr_core.client import Client
from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.specs import LogLine, Outcome
from taskmgr_core.values import recorded

pytestmark = pytest.mark.long

Runs = tuple[Path, dict[str, str]]
STREAMS = 1000
PATIENCE = 1.0


@attrs.frozen
class Event:
    """An event as it was received."""

    name: str
    number: int
    data: Any


def events(lines: Iterator[str]) -> Iterator[Event]:
    """The events of a stream."""
    told: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            told[name] = value
        elif "event" in told:
            yield Event(told["event"], int(told.get("id", 0)), json.loads(told["data"]))
            told = {}


def write(client: Client, run_id: str, count: int, text: str = "line") -> None:
    """Write lines, as a task would."""
    now = time.time()
    lines = [LogLine(0, run_id, "001", 1, now, "stdout", f"{text} {each}") for each in range(count)]
    client.metadata.append_log(lines)


def finish(client: Client, run_id: str) -> None:
    """Do the only step of a run."""
    claim = client.metadata.claim("w1", (), time.time(), [run_id])
    assert claim is not None
    value = recorded(f"output_{claim.step.id}_result", 1, "integer", claim.step.id)
    client.metadata.finish(claim, Outcome("succeeded", (value,)), decide, time.time())
    client.queue.announce(run_id, [])


def test_run_is_followed_to_its_end(rest: Served) -> None:
    """Every line once, in order, also those that come meanwhile; then the run as it ended."""
    run_id = rest.submit(1).json()["run_id"]
    with rest.client() as client:
        write(client, run_id, 700, "before")
        with rest.http.stream("GET", f"/runs/{run_id}/events") as answer:
            stream = events(answer.iter_lines())
            seen = [next(stream) for _ in range(600)]
            write(client, run_id, 300, "meanwhile")
            finish(client, run_id)
            seen += list(stream)
    logs = [each.data["text"] for each in seen if each.name == "log"]
    assert logs == [f"before {n}" for n in range(700)] + [f"meanwhile {n}" for n in range(300)]
    assert (seen[-1].name, seen[-1].data["status"]) == ("end", "succeeded")
    assert "run" in {each.name for each in seen}


def test_stream_goes_on_behind_the_last_event_that_was_received(
    rest: Served, rest_home: Runs
) -> None:
    """A browser that connects again is given the lines behind, and no line twice."""
    path = f"/runs/{rest_home[1]['succeeded']}/events"
    with rest.http.stream("GET", path) as answer:
        numbers = [each.number for each in events(answer.iter_lines()) if each.name == "log"]
    with rest.http.stream("GET", path, headers={"Last-Event-ID": str(numbers[9])}) as answer:
        assert [e.number for e in events(answer.iter_lines()) if e.name == "log"] == numbers[10:]


def test_wait_ends_with_the_run(rest: Served) -> None:
    """A request that waits is answered when the run has ended, not when the time is over."""
    run_id = rest.submit(1).json()["run_id"]
    with rest.client() as client:
        later = threading.Timer(0.3, finish, (client, run_id))
        later.start()
        begun = time.monotonic()
        told = rest.http.get(f"/runs/{run_id}", params={"wait": 15}).json()
        later.join()
    assert told["status"] == "succeeded"
    assert time.monotonic() - begun < 10
    assert rest.http.get(f"/runs/{run_id}", params={"wait": 15}).elapsed.total_seconds() < 5


def test_thousand_streams_are_told_by_one_thread(rest: Served) -> None:
    """All of them hear of the end of the run, and the server has no thread for each."""
    run_id = rest.submit(1).json()["run_id"]
    request = f"GET /v1/runs/{run_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with contextlib.ExitStack() as stack, rest.client() as client:
        opened = [
            stack.enter_context(socket.create_connection(rest.address, 30)) for _ in range(STREAMS)
        ]
        for each in opened:
            each.sendall(request)
        for each in opened:
            assert each.recv(12) == b"HTTP/1.1 200"
        write(client, run_id, 3)
        finish(client, run_id)
        for each in opened:
            told = b""
            while part := each.recv(65536):
                told += part
                if b"event: end" in told:
                    break
            assert told.count(b"event: log") == 3
    assert threads_of(rest.process.pid) < 64


def threads_of(pid: int) -> int:
    """How many threads a process and its children have."""
    import psutil

    process = psutil.Process(pid)
    return sum(each.num_threads() for each in [process, *process.children(recursive=True)])


@pytest.fixture(scope="module")
def hasty(rest_home: Runs) -> Iterator[Served]:
    """A server that waits for nobody longer than a second."""
    patience = f"--patience={PATIENCE:g}"
    with served(rest_home[0], "--no-accounts", "--with-index", patience) as answering:
        yield answering


def test_body_that_does_not_arrive_is_given_up(hasty: Served) -> None:
    """Whether it stops or comes a byte at a time: it is told so, and the connection ends."""
    head = (
        b"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n"
    )
    with socket.create_connection(hasty.address, 20) as opened:
        opened.sendall(head)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(int(PATIENCE * 2 / 0.1)):
                opened.sendall(b" ")
                time.sleep(0.1)
        assert opened.recv(65536).startswith(b"HTTP/1.1 408")


def test_client_that_never_reads_is_cut_off(hasty: Served) -> None:
    """Its connection is ended, and what it was to be sent is not kept."""
    run_id = hasty.submit(1).json()["run_id"]
    with hasty.client() as client:
        for _ in range(12):
            write(client, run_id, 1000, "x" * 1500)
    request = f"GET /v1/runs/{run_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with socket.socket() as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        opened.settimeout(20)
        opened.connect(hasty.address)
        opened.sendall(request)
        assert opened.recv(12) == b"HTTP/1.1 200"
        deadline = time.monotonic() + 15
        while ends := peers(hasty, opened):
            assert time.monotonic() < deadline, ends
            time.sleep(0.1)
    assert hasty.http.get("/health/live").status_code == 200


def peers(server: Served, client: socket.socket) -> int:
    """How many connections the server has with a client's socket."""
    import psutil

    port = client.getsockname()[1]
    found = [psutil.Process(server.process.pid)]
    found += found[0].children(recursive=True)
    return sum(
        bool(connection.raddr) and connection.raddr.port == port
        for each in found
        for connection in each.net_connections("tcp")
    )


def test_package_index_is_under_the_same_address(hasty: Served) -> None:
    """With its own token; without it nothing of it is told."""
    index = str(hasty.http.base_url).replace("/v1/", "/index/simple/")
    assert hasty.http.get(index).status_code == 401
    token = (hasty.home / "index-token").read_text().strip()
    told = hasty.http.get(index, headers={"Authorization": f"Bearer {token}"})
    assert (told.status_code, "taskmgr-made-up" in told.text) == (200, True)
