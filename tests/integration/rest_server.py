"""A server of the REST API in a process of its own, on a home with a few recorded runs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import httpx

from servers.child import GUARD
from taskmgr_core.client import Client
from taskmgr_core.documents import digest_of
from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.settings import load
from taskmgr_core.specs import (
    Edge,
    Failure,
    FieldSpec,
    LogLine,
    Outcome,
    PipelineSpec,
    Release,
    Schedule,
    StepSpec,
    StoredFile,
    TaskSpec,
    TaskVersion,
    Worker,
)
from taskmgr_core.values import recorded, reference
from taskmgr_core.wiring import Platform
from taskmgr_plugins import File, Image
from taskmgr_plugins.schemas import schema_of

TASKMGR = Path(sys.executable).with_name("taskmgr")
SECONDS = 20.0
INTEGER = {"type": "integer"}
CONTENT = b"0123456789" * 1000


@attrs.frozen
class Served:
    """A server that answers.

    Attributes:
        url: of the API, with its version.
        home: what it serves.
        http: asks it; no redirection is followed.
        process: the server's.
    """

    url: str
    home: Path
    http: httpx.Client
    process: subprocess.Popen[str]

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        parts = httpx.URL(self.url)
        return parts.host, parts.port or 80

    def client(self) -> Client:
        """A client of the same home in this process."""
        return Platform(load({}, self.home, self.home)).client()

    def submit(self, number: int = 1, **headers: str) -> httpx.Response:
        """Submit the pipeline that does nothing."""
        asked = {"name": "nothing", "inputs": {"number": number}}
        return self.http.post("/runs", json=asked, headers=headers)


@contextlib.contextmanager
def served(
    home: Path, *options: str, settings: Mapping[str, str] | None = None
) -> Iterator[Served]:
    """A server on a home; it ends with the tests, however these end."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-I", "-S", str(GUARD), str(os.getpid())),
            *(str(TASKMGR), "api", "serve", "--port=0", *options),
        ],
        env={**os.environ, "TASKMGR_HOME": str(home), **(settings or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = next(word for word in line.split() if word.startswith("http")).rstrip(",")
        with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as http:
            yield Served(url, home, http, process)
    finally:
        process.terminate()
        process.communicate(timeout=SECONDS)


def furnish(home: Path) -> dict[str, str]:
    """Record tasks, a pipeline, a schedule, a worker, and a run of each kind: name -> its id."""
    platform = Platform(load({}, home, home))
    with platform.client() as client:
        _publish(client)
        runs = {
            "succeeded": client.submit("write", {"number": 3}),
            "failed": client.submit("noop", {"number": 5}),
            "waiting": "",
        }
        _work(client)
        runs["waiting"] = client.submit("nothing", {"number": 1})
        schedule = Schedule("nightly", "nothing", "0 3 * * *", "UTC", {"number": 1}, "latest", 1.0)
        client.metadata.schedules.add(schedule)
        now = time.time()
        beats_on = now + 3600.0  # so that nobody finds it lost, however long the tests take
        client.metadata.beat(Worker("w1", "host", 1, 2, ("default",), now, beats_on))
        lines = [
            LogLine(0, runs["succeeded"], "001", 1, now, "stdout", f"line {each} \u2713")
            for each in range(30)
        ]
        client.metadata.append_log(lines)
    return runs


def _publish(client: Client) -> None:
    file = StoredFile("x", digest_of(b""), 0)
    release = Release(
        "taskmgr-made-up", "1.0", file, file, file, (), "3.11", "linux-x86_64",
        "2026-11-26T10:00:00+00:00",
    )  # fmt: skip
    number, picture = FieldSpec("number", INTEGER), FieldSpec("image", schema_of(Image))
    result = FieldSpec("result", INTEGER)
    tasks = (
        TaskSpec("noop", (number,), (result,)),
        TaskSpec("look", (picture,), (result,)),
        TaskSpec("write", (number,), (FieldSpec("file", schema_of(File)),)),
    )
    client.metadata.add_versions([TaskVersion(each, release) for each in tasks])
    step = StepSpec("001", "noop", {"input_001_number": "number"})
    client.metadata.put_pipeline(
        PipelineSpec("nothing", {"number": "integer"}, (step,), description="Do nothing.")
    )


def _work(client: Client) -> None:
    """Do what is ready, as a worker would."""
    now = time.time()
    while claim := client.metadata.claim("w1", (), now):
        step = claim.step
        if step.task == "noop":
            outcome = Outcome("failed", failure=Failure("task-error", "it failed", "Traceback"))
        else:
            stored = client.artifacts.put_bytes(CONTENT, "digits.txt")
            port = f"output_{step.id}_file"
            value = recorded(port, reference(stored, "text/plain"), "File", step.id)
            outcome = Outcome(
                "succeeded", (value,), (Edge("number", port),), {"total": 0.5, "compute": 0.4}
            )
        client.metadata.finish(claim, outcome, decide, now + 1)


def problem_of(answer: httpx.Response) -> dict[str, Any]:
    """The problem details of an answer, whole."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    found: dict[str, Any] = answer.json()
    assert found["status"] == answer.status_code
    assert found["type"].startswith("urn:taskmgr:problem:")
    return found
