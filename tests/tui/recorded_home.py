"""A home with recorded runs, made by hand at fixed times: what the dashboard is shown on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from recorded_tasks import publish

from taskmgr_core.client import Client
from taskmgr_core.documents import canonical, digest_of
from taskmgr_core.health import ServiceHealth
from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.specs import (
    Claim,
    Edge,
    Failure,
    FieldValue,
    Graph,
    GraphStep,
    LogLine,
    Outcome,
    Run,
    Source,
    Step,
    Worker,
    WorkerLoad,
    input_port,
    output_port,
)
from taskmgr_core.watching import LocalWatcher, Watcher
from taskmgr_core.wiring import connect
from taskmgr_plugins import File
from taskmgr_plugins.schemas import schema_of

NOW = 1_800_000_000.0
SERVICES = [
    ServiceHealth("metadata", "SQLite", "metadata.sqlite3", "ok", "3.45", 0.1, "", ""),
    ServiceHealth("artifacts", "folder", "artifacts", "ok", "", 0.1, "", ""),
    ServiceHealth("broker", "embedded", "bells", "ok", "", None, "no server is needed", ""),
    ServiceHealth("workers", "taskmgr", "", "warn", "", 0.2, "2 alive, 6 slots; 1 lost", ""),
]
TRACEBACK = """Traceback (most recent call last):
  File ".../taskmgr_weather/tasks.py", line 31, in mean
    return sum(found) / len(found)
           ~~~~~~~~~~~^~~~~~~~~~~~
ZeroDivisionError: division by zero"""


def run_id(number: int) -> str:
    """The id of a run: in the order of the numbers, and told by its last eight characters."""
    return f"01a3185c-{number:04x}-7000-8000-0000{number:08x}"


def value(port: str, document: Any, producer: str = "") -> FieldValue:
    """A recorded value."""
    if isinstance(document, Mapping) and "$artifact" in document:
        digest, size = str(document["$artifact"]), int(document["size"])
        return FieldValue(port, digest, size, "File", producer, document, "", (digest,))
    content = canonical(document)
    kind = "string" if isinstance(document, str) else "array"
    return FieldValue(port, digest_of(content), len(content), kind, producer, document)


def step(
    number: str,
    task: str,
    inputs: Mapping[str, Source],
    outputs: Sequence[str],
    after: Sequence[str] = (),
    queue: str = "default",
) -> GraphStep:
    """A step of a compiled pipeline."""
    return GraphStep(
        number, task, "1.2.0", queue, 5, 60.0, 512, 1, inputs, tuple(outputs), tuple(after)
    )


READ = step("001", "read_table", {"table": Source("table")}, ["numbers"])
CLEAN = step(
    "002", "clean", {"numbers": Source("output_001_numbers"), "lowest": Source(constant=0)},
    ["kept"], ["001"], "numbers",
)  # fmt: skip
MEAN = step("003", "mean", {"numbers": Source("output_002_kept")}, ["mean"], ["002"], "numbers")
PLOT = step("004", "plot", {"numbers": Source("output_002_kept")}, ["picture"], ["002"], "vision")
STEPS = (READ, CLEAN, MEAN, PLOT)


def weather() -> Graph:
    """A pipeline that reads a table, keeps some of its numbers and makes two things of them."""
    table, numbers = schema_of(File), {"type": "array", "items": {"type": "number"}}
    schemas: dict[str, Mapping[str, Any]] = {"table": table}
    for each in STEPS:
        schemas |= {input_port(each.id, field): numbers for field in each.inputs}
        schemas |= {output_port(each.id, field): numbers for field in each.outputs}
    return Graph("weather", {"table": table}, (), schemas, STEPS, {"mean": "output_003_mean"})


class Home:
    """A home, filled through the store's own interface.

    Arguments:
        folder: where it is.
        client: of a home on servers; one on SQLite is made when None.
    """

    def __init__(self, folder: Path, client: Client | None = None) -> None:
        self.client: Client = client or connect(folder)
        self.client.reader = attrs.evolve(self.client.reader, working=Path("/home/ada"))
        self.folder = folder
        self.table = self.file("table.csv", b"day,degrees\nmonday,-3\ntuesday,-1\n")

    def watcher(self) -> Watcher:
        """Looks at it, always at the same moment."""
        return LocalWatcher(self.client, lambda: SERVICES, lambda: NOW)

    def file(self, name: str, content: bytes) -> dict[str, Any]:
        """Store a file; the document that stands for it."""
        path = self.folder / name
        path.write_bytes(content)
        stored = self.client.artifacts.put_file(path)
        return {"$artifact": stored.digest, "media_type": "text/csv", "size": len(content),
                "name": name}  # fmt: skip

    def begin(self, number: int, at: float, table: Any = None) -> str:
        """Record a run of ``weather``."""
        run = Run(run_id(number), "weather", "pipeline", weather(), "running", at)
        steps = [
            Step(run.id, each.id, each.task, each.version, each.queue, 5,
                 "pending" if each.after else "ready", ready_at=None if each.after else at)
            for each in STEPS
        ]  # fmt: skip
        self.client.metadata.create_run(run, steps, [value("table", table or self.table)])
        return run.id

    def claim(self, run: str, number: str, at: float, worker: str = "worker-1") -> Claim:
        """A worker takes a step."""
        found = self.client.metadata.claim_step(run, number, worker, at)
        assert found is not None, f"{number} is not due"
        return found

    def end(self, claim: Claim, at: float, *outputs: Any, **failed: Any) -> None:
        """A step ends: with the values of its outputs, or failed."""
        graph_step = claim.graph_step
        given = [
            FieldValue(input_port(graph_step.id, field), each.digest, each.size, each.type,
                       each.producer, None, each.port)
            for field, source in graph_step.inputs.items()
            if (each := claim.values.get(source.port)) is not None
        ]  # fmt: skip
        made = [
            value(output_port(graph_step.id, field), output, graph_step.id)
            for field, output in zip(graph_step.outputs, outputs, strict=False)
        ]
        edges = [Edge(each.source, each.port) for each in given]
        edges += [Edge(source.port, target.port) for source in given for target in made]
        seconds = {"queue": 0.5, "environment": 0.5, "load": 1.0, "compute": 2.0}
        outcome = Outcome("succeeded", (*given, *made), tuple(edges), seconds)
        if failed:
            outcome = Outcome(failed.pop("status", "failed"), tuple(given), (), seconds, **failed)
        self.client.metadata.finish(claim, outcome, decide, at)

    def say(self, run: str, number: str, at: float, *texts: str, stream: str = "stdout") -> None:
        """A step writes lines."""
        self.client.metadata.append_log(
            [LogLine(0, run, number, 1, at + place, stream, text)
             for place, text in enumerate(texts)]
        )  # fmt: skip

    def whole(self, number: int, at: float, numbers: Sequence[float] = (4.5, 1.0)) -> str:
        """A run from its beginning to its end; its plot is a file."""
        run = self.begin(number, at)
        self.end(self.claim(run, "001", at + 0.5), at + 3, [*numbers, -3.0])
        self.say(run, "001", at + 1, "3 rows")
        self.end(self.claim(run, "002", at + 3.5), at + 5, [*numbers])
        self.end(self.claim(run, "003", at + 5.5), at + 8, sum(numbers) / len(numbers))
        plot = self.file(f"plot-{number}.csv", f"plot of {numbers}".encode())
        self.end(self.claim(run, "004", at + 5.5, "worker-2"), at + 9, plot)
        return run

    def failed(self, number: int, at: float) -> str:
        """A run that fails, the second time that it is tried, because nothing was kept."""
        run = self.begin(number, at)
        self.end(self.claim(run, "001", at + 0.5), at + 3, [-3, -1])
        self.say(run, "001", at + 1, "2 rows")
        self.end(self.claim(run, "002", at + 3.5), at + 5, [])
        self.say(run, "002", at + 4, "kept 0 of 2 numbers", stream="stderr")
        plot = self.file(f"plot-{number}.csv", b"plot of nothing")
        self.end(self.claim(run, "004", at + 5.5, "worker-2"), at + 9, plot)
        lost = Failure("timeout", "took longer than 60 s")
        self.end(self.claim(run, "003", at + 5.5), at + 7, status="ready", failure=lost)
        error = Failure("task-error", "division by zero", TRACEBACK)
        self.end(self.claim(run, "003", at + 8), at + 10, failure=error)
        self.say(run, "003", at + 10, "attempt 2 task-error: division by zero", stream="taskmgr")
        return run

    def beat(self, worker: str, slots: int, at: float, *running: str, **more: Any) -> None:
        """A worker lives."""
        self.client.metadata.beat(
            Worker(worker, "host", 1, slots, (), NOW - 900, at, tuple(running), **more)
        )


def filled(folder: Path) -> Home:
    """A home with ten runs: ended well, failed, cancelled, running, waiting; three workers."""
    home = Home(folder)
    first = home.whole(1, NOW - 800)
    for number in range(2, 6):
        home.whole(number, NOW - 700 + 110 * number, (4.5, float(number)))
    home.failed(6, NOW - 50)
    plot = home.client.metadata.values(first, ["output_004_picture"])[0].document
    led = home.begin(7, NOW - 40, plot)
    home.end(home.claim(led, "001", NOW - 39), NOW - 30, [1.0])
    home.client.metadata.request_cancel(led, decide, NOW - 25)
    going = home.begin(8, NOW - 12)
    home.end(home.claim(going, "001", NOW - 11), NOW - 8, [7.0, 8.0])
    home.claim(going, "002", NOW - 6)
    home.say(going, "002", NOW - 5, "keeping what is above 0")
    home.begin(9, NOW - 4)
    home.begin(10, NOW - 3)
    publish(home)
    home.beat("worker-1", 4, NOW - 1, f"{going}/002",
              load=WorkerLoad(412_000_000, 1.4, 8_000_000_000, 4), log="/srv/logs/worker.log",
              built=("taskmgr-clean 1.2.0", "taskmgr-read-table 1.2.0"))  # fmt: skip
    home.beat("worker-2", 2, NOW - 1, draining=True, refused=("label_picture 0.3.0",),
              load=WorkerLoad(7_400_000_000, 0.1, 8_000_000_000, 4),
              resources={"gpu": 1})  # fmt: skip
    home.beat("worker-3", 2, NOW - 300)
    return home
