"""The REST API: submits in a second, and how long reads take beside them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import psutil
import uuid_utils

from benchmarks.figures import Figure
from benchmarks.processes import running
from benchmarks.submits import Accepted, submit
from taskmgr_core.accounts.interface import LOCAL
from taskmgr_core.accounts.policy import Role
from taskmgr_core.client import Client
from taskmgr_core.documents import digest_of
from taskmgr_core.orchestrator.starting import first_steps
from taskmgr_core.settings import load
from taskmgr_core.specs import (
    FieldSpec,
    PipelineSpec,
    Release,
    Run,
    StepSpec,
    StoredFile,
    TaskSpec,
    TaskVersion,
)
from taskmgr_core.values import recorded
from taskmgr_core.wiring import Platform
from taskmgr_core.workspaces import open_office

SECONDS = float(os.environ.get("TASKMGR_BENCH_SECONDS", "30"))
RUNS = int(os.environ.get("TASKMGR_BENCH_RUNS", "100000"))
CONNECTIONS = 48
# Before what is counted, so that what is loaded and opened once is not.
WARM_SECONDS = 1.0
# What is submitted beside the reads: a busy team, not the most that there can be.
STEADY_CONNECTIONS, STEADY_PER_S = 10, 100
READ_PAUSE_SECONDS = 0.02
TASKMGR = Path(sys.executable).with_name("taskmgr")


def measure() -> list[Figure]:
    """Submits accepted over HTTP on the embedded store, then reads beside them."""
    with tempfile.TemporaryDirectory(prefix="taskmgr-bench-") as folder:
        home = Path(folder)
        _furnish(home, 0)
        with _served(home, "--no-accounts") as server:
            alone = _submitting(home, server, [b""] * CONNECTIONS)
        tokens = _tokens(home, CONNECTIONS)
        with _served(home) as server:
            known = _submitting(home, server, [b"Authorization: Bearer %s\r\n" % t for t in tokens])
        _furnish(home, RUNS)
        with _served(home, "--no-accounts") as server:
            full = asyncio.run(_load(server.port, SECONDS))
    note = f"{CONNECTIONS} connections, each run synced"
    beside = f"beside {full.submits / SECONDS:.0f} submits/s, {RUNS} runs stored"
    return [
        Figure("submit_per_s", alone.rate, "1/s", 500, at_most=False, note=note),
        Figure("submit_p99_ms", late(alone.accepted.seconds), "ms", note=note),
        Figure("submit_work_ms", alone.work, "ms", 1.15, note="processor time of the server"),
        Figure("submit_accounts_per_s", known.rate, "1/s", note="with tokens, limits and audit"),
        Figure("submit_accounts_work_ms", known.work, "ms", note="the same"),
        Figure("server_rss_mb", max(alone.memory, known.memory), "MB", note="behind these"),
        Figure("read_p99_ms", late(full.reads), "ms", 50, note=beside),
    ]


@attrs.define
class _Seen:
    """What the clients have seen: seconds of each answer."""

    submitting: list[float] = attrs.field(factory=list)
    reads: list[float] = attrs.field(factory=list)

    @property
    def submits(self) -> int:
        """How many runs were accepted."""
        return len(self.submitting)


@attrs.frozen
class _Server:
    """A server in a process of its own."""

    port: int
    process: psutil.Process

    def worked(self) -> float:
        """Seconds of processor time that it has had."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@attrs.frozen
class _Submitted:
    """What a server has accepted, the milliseconds that each cost it, and its memory in MB."""

    accepted: Accepted
    work: float
    memory: float

    @property
    def rate(self) -> float:
        """Runs in a second."""
        return len(self.accepted.runs) / self.accepted.lasted


def late(seconds: list[float]) -> float:
    """The 99th percentile, in milliseconds."""
    return sorted(seconds)[int(len(seconds) * 0.99)] * 1000


def _submitting(home: Path, server: _Server, headers: list[bytes]) -> _Submitted:
    """Submit for a while, and make sure that what was accepted is there."""
    submit(server.port, WARM_SECONDS, headers)
    before = server.worked()
    accepted = submit(server.port, SECONDS, headers)
    work = (server.worked() - before) * 1000 / len(accepted.runs)
    memory = server.process.memory_info().rss / 1e6
    with Platform(load({}, home, home)).client() as client:
        for each in accepted.runs:
            client.metadata.status(each)  # raises for one that is not
    if len(set(accepted.runs)) < len(accepted.runs):
        raise RuntimeError("two submits were answered with one run")
    return _Submitted(accepted, work, memory)


def _tokens(home: Path, count: int) -> list[bytes]:
    """As many people who may submit, so that each has a limit of their own."""
    with open_office(load({}, home, home)) as office:
        admin = office.administration(LOCAL)
        return [
            admin.new_token(f"user-{each}", Role.OPERATOR).secret.encode() for each in range(count)
        ]


def _furnish(home: Path, runs: int) -> None:
    """Publish a pipeline of a task that nobody runs, and record runs of it that have ended."""
    with Platform(load({}, home, home)).client() as client:
        file = StoredFile("x", digest_of(b""), 0)
        release = Release(
            "taskmgr-noop", "1.0", file, file, file, (), "3.11", "linux-x86_64",
            "2026-11-26T10:00:00+00:00",
        )  # fmt: skip
        field = {"type": "integer"}
        task = TaskSpec("noop", (FieldSpec("number", field),), (FieldSpec("result", field),))
        client.metadata.add_versions([TaskVersion(task, release)])
        step = StepSpec("001", "noop", {"input_001_number": "number"})
        client.metadata.put_pipeline(PipelineSpec("nothing", {"number": "integer"}, (step,)))
        _record(client, runs)


def _record(client: Client, runs: int) -> None:
    from concurrent.futures import ThreadPoolExecutor

    graph = client.graph("nothing")

    def record(number: int) -> None:
        now = time.time()
        run_id = str(uuid_utils.uuid7())
        run = Run(run_id, "nothing", "pipeline", graph, "running", now)
        steps = [attrs.evolve(each, status="succeeded") for each in first_steps(run, now)]
        values = [
            recorded("number", number, "integer", ""),
            recorded("output_001_result", number, "integer", "001"),
        ]
        ended = attrs.evolve(run, status="succeeded")
        client.metadata.create_run(ended, steps, values)

    with ThreadPoolExecutor(64) as threads:
        for _ in threads.map(record, range(runs)):
            pass


@contextlib.contextmanager
def _served(home: Path, *options: str) -> Iterator[_Server]:
    """A server in a process of its own."""
    log = home / "served.txt"
    asked = " ".join(("api", "serve", "--port", "0", *options))
    command = ["sh", "-c", f'exec "{TASKMGR}" {asked} > "{log}"']
    with running([command], {"TASKMGR_HOME": str(home)}) as (process,):
        deadline = time.monotonic() + 20
        while not (log.exists() and "/v1" in log.read_text()):
            if time.monotonic() > deadline:
                raise TimeoutError("the server does not answer")
            time.sleep(0.02)
        port = int(log.read_text().partition("127.0.0.1:")[2].partition("/")[0])
        yield _Server(port, psutil.Process(process.pid))
        log.unlink()


async def _load(port: int, seconds: float) -> _Seen:
    seen = _Seen()
    ends = time.monotonic() + seconds
    pause = STEADY_CONNECTIONS / STEADY_PER_S
    clients = [_submit(port, ends, seen, pause) for _ in range(STEADY_CONNECTIONS)]
    clients += [_read(port, ends, seen) for _ in range(2)]
    await asyncio.gather(*clients)
    return seen


async def _submit(port: int, ends: float, seen: _Seen, pause: float) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"name": "nothing", "inputs": {"number": 1}}).encode()
    request = (
        b"POST /v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    while time.monotonic() < ends:
        begun = time.perf_counter()
        writer.write(request)
        status, _ = await _answer(reader)
        if status != 201:
            raise RuntimeError(f"a submit was answered with {status}")
        seen.submitting.append(time.perf_counter() - begun)
        await asyncio.sleep(pause)
    writer.close()


async def _read(port: int, ends: float, seen: _Seen) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    paths = [b"/v1/runs?limit=50", b"/v1/runs?status=running&limit=20", b"", b"/v1/queues"]
    last, turn = b"", 0
    while time.monotonic() < ends:
        path = paths[turn % len(paths)] or b"/v1/runs/" + last
        turn += 1
        begun = time.perf_counter()
        writer.write(b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path)
        status, body = await _answer(reader)
        if status != 200:
            raise RuntimeError(f"{path!r} was answered with {status}: {body!r}")
        seen.reads.append(time.perf_counter() - begun)
        if path.endswith(b"limit=50"):
            last = json.loads(body)["runs"][0]["run_id"].encode()
        await asyncio.sleep(READ_PAUSE_SECONDS)
    writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return int(head[9:12]), await reader.readexactly(length)
