"""A store with a long history, made in bulk: copies of runs that went through the real store.

``python -m benchmarks.history HOME RATE`` is the writer: on a store that has them it runs
steps to their ends, so many a second, through the same code as a worker.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from taskmgr_core.client import Client
from taskmgr_core.documents import canonical, digest_of
from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.run_ids import new_run_id
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
    input_port,
    output_port,
)
from taskmgr_core.wiring import connect

DATABASE = "metadata.sqlite3"
DAYS = 30
FAILS_EACH = 50  # of so many runs one fails
OPEN_RUNS = 40  # so many run at a time
BEAT_SECONDS = 2.0
SLOTS = 8
PIPELINES = ("face_processing", "text_sentiment", "weather")
TASKS = ("read_table", "clean", "mean")
# The history: copies of the runs of ``models``, spread evenly over the days before now.
_COPIES = """
CREATE TEMP TABLE old AS
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {count}),
moments AS (SELECT n, {now} - {span} * (1.0 - n / {count}.0) AS at FROM numbers)
SELECT n, at, printf('%08x-%04x-7000-8%03x-%012x', CAST(at * 1000 AS INTEGER) >> 16,
    CAST(at * 1000 AS INTEGER) & 65535, n & 4095, (n * 2654435761) & 281474976710655) AS id,
    models.run AS run, models.created_at AS created_at
FROM moments JOIN models ON models.number = n % (SELECT count(*) FROM models);
INSERT INTO runs (id, short, name, kind, status, created_at, finished_at, cancel_requested,
    failure, graph)
SELECT old.id, substr(old.id, -8), name, kind, status, at, at + finished_at - runs.created_at,
    cancel_requested, failure, graph FROM old JOIN runs ON runs.id = old.run;
INSERT INTO steps (run, id, position, after, graph_step, task, version, queue, priority, status,
    attempt, worker, ready_at, started_at, finished_at, seconds, failure, failures)
SELECT old.id, steps.id, position, after, graph_step, task, version, queue, priority, status,
    attempt, worker, at + ready_at - created_at, at + started_at - created_at,
    at + finished_at - created_at, seconds, failure, failures
FROM old JOIN steps ON steps.run = old.run;
INSERT INTO field_values (run, port, digest, size, type, producer, source, document, artifacts)
SELECT old.id, port, substr(digest, 1, 52) || substr(old.id, -12), size, type, producer, source,
    document, artifacts FROM old JOIN field_values ON field_values.run = old.run;
INSERT INTO digest_runs SELECT substr(digest, 1, 52) || substr(old.id, -12), role, old.id
FROM old JOIN digest_runs ON digest_runs.run = old.run;
INSERT INTO edges SELECT old.id, target, source FROM old JOIN edges ON edges.run = old.run;
INSERT INTO log (run, step, attempt, time, stream, text)
SELECT old.id, step, attempt, at + time - created_at, stream, text
FROM old JOIN log ON log.run = old.run;
DROP TABLE old;
DROP TABLE models;
"""


def filled(home: Path, count: int) -> None:
    """Make a home with so many runs that have ended, most of them well.

    Arguments:
        home: the folder; it is made.
        count: how many runs.
    """
    with connect(home) as client:
        models = [_ended(client, number) for number in range(min(FAILS_EACH, count))]
    connection = sqlite3.connect(home / DATABASE, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("CREATE TEMP TABLE models (number, run, created_at)")
    connection.executemany(
        "INSERT INTO models SELECT ?, id, created_at FROM runs WHERE id = ?", enumerate(models)
    )
    parts = _COPIES.format(count=count - len(models), now=time.time() - 60, span=DAYS * 86_400)
    connection.executescript(f"BEGIN; {parts} COMMIT; PRAGMA wal_checkpoint(TRUNCATE);")
    connection.close()


def write_on(home: Path, rate: float) -> None:
    """End so many steps a second, until the process is ended.

    Arguments:
        home: the store's folder.
        rate: steps that end in a second.
    """
    with connect(home) as client:
        steps, done, begun, beaten = _endless(client), 0, time.monotonic(), 0.0
        while True:
            now = time.monotonic()
            if now - beaten >= BEAT_SECONDS:
                beaten = now
                for number in range(1, 5):
                    _beat(client, f"worker-{number}")
            while done < (now - begun) * rate:
                next(steps)
                done += 1
            print(done, flush=True)
            time.sleep(1 / rate)


def _endless(client: Client) -> Iterator[None]:
    """Steps that end, one for each value, of many runs at a time."""
    going: list[Iterator[None]] = []
    number = 0
    chosen = random.Random(1)  # noqa: S311 - the same ones each time
    while True:
        while len(going) < OPEN_RUNS:
            number += 1
            going.append(_steps(client, number))
        run = chosen.choice(going)
        try:
            next(run)
        except StopIteration:
            going.remove(run)
            continue
        yield


def _ended(client: Client, number: int) -> str:
    run = _begun(client, number)
    for _ in _steps(client, number, run):
        pass
    return run.id


def _steps(client: Client, number: int, run: Run | None = None) -> Iterator[None]:
    """A run's steps, one after the other; some runs fail in the middle."""
    run = run or _begun(client, number)
    for position, step in enumerate(run.graph.steps):
        worker = f"worker-{number % 4 + 1}"
        claim = client.metadata.claim_step(run.id, step.id, worker, time.time())
        if claim is None:
            return  # the run has ended before
        yield  # others go on meanwhile
        line = LogLine(0, run.id, step.id, 1, time.time(), "stdout", f"{step.task} of {number}")
        client.metadata.append_log([line])
        outcome = _outcome(claim, number, fails=position == 1 and number % FAILS_EACH == 0)
        progress = client.metadata.finish(claim, outcome, decide, time.time())
        client.queue.announce(run.id, progress.ready)


def _begun(client: Client, number: int) -> Run:
    graph = _graph(PIPELINES[number % len(PIPELINES)])
    run = Run(new_run_id(), graph.name, "pipeline", graph, "running", time.time())
    steps = [
        Step(run.id, each.id, each.task, each.version, each.queue, 5,
             "pending" if each.after else "ready", ready_at=None if each.after else run.created_at)
        for each in graph.steps
    ]  # fmt: skip
    client.metadata.create_run(run, steps, [_value("table", [float(number), 2.0, 3.0])])
    client.queue.announce(run.id, ())
    return run


def _outcome(claim: Claim, number: int, *, fails: bool) -> Outcome:
    step = claim.graph_step
    seconds = {"queue": 0.01, "load": 0.01, "compute": 0.05, "total": 0.07}
    given = [
        FieldValue(input_port(step.id, field), each.digest, each.size, each.type, each.producer,
                   None, each.port)
        for field, source in step.inputs.items()
        if (each := claim.values.get(source.port)) is not None
    ]  # fmt: skip
    if fails:
        failure = Failure("task-error", "division by zero", "Traceback ...\nZeroDivisionError")
        return Outcome("failed", tuple(given), (), seconds, failure=failure)
    made = _value(output_port(step.id, "kept"), [number / 7, step.id], step.id)
    edges = [Edge(each.source, each.port) for each in given]
    edges += [Edge(each.port, made.port) for each in given]
    return Outcome("succeeded", (*given, made), tuple(edges), seconds)


def _value(port: str, document: Any, producer: str = "") -> FieldValue:
    content = canonical(document)
    return FieldValue(port, digest_of(content), len(content), "array", producer, document)


def _graph(name: str) -> Graph:
    numbers = {"type": "array"}
    schemas: dict[str, Mapping[str, Any]] = {"table": numbers}
    steps = []
    for place, task in enumerate(TASKS, start=1):
        before = f"{place - 1:03}"
        source = Source(output_port(before, "kept") if place > 1 else "table")
        after = (before,) if place > 1 else ()
        queue = "vision" if place == 2 else "default"
        each = GraphStep(
            f"{place:03}", task, "1.2.0", queue, 5, 60.0, 512, 1, {"numbers": source}, ("kept",),
            after,
        )  # fmt: skip
        schemas[input_port(each.id, "numbers")] = numbers
        schemas[output_port(each.id, "kept")] = numbers
        steps.append(each)
    return Graph(name, {"table": numbers}, (), schemas, tuple(steps), {"kept": "output_003_kept"})


def _beat(client: Client, worker: str) -> None:
    held = [f"{each.run}/{each.step}" for each in client.metadata.holds(worker)]
    now = time.time()
    client.metadata.beat(Worker(worker, "host", 1, SLOTS, (), now - 900, now, tuple(held)))


if __name__ == "__main__":
    write_on(Path(sys.argv[1]), float(json.loads(sys.argv[2])))
