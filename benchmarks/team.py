"""Steps on Celery and Redis beside raw Celery on the same Redis, in one run.

Both get the same backlog of tasks that do nothing and ten slots: Celery's as threads or
as processes, ours in one worker process or in two, of each the better is taken;
what is compared is how fast the backlog is worked off once the worker is warm.
Then one run at a time: a step, two in parallel, and one that takes from both,
beside Celery's canvas of the same shape.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import uuid_utils
from celery import chain, chord
from pymongo import MongoClient, monitoring
from redis import Redis

from benchmarks import rawcelery
from benchmarks.figures import Figure, median
from benchmarks.overhead import NOOP
from benchmarks.processes import running, wait_for
from servers import start_mongodb, start_redis
from taskmgr_core.client import Client
from taskmgr_core.settings import load
from taskmgr_core.specs import PipelineSpec, StepSpec
from taskmgr_core.stores.metadata import RunFilter
from taskmgr_core.wiring import Platform

TASKS = 2000
WARM = 200
SLOTS = 10
CHORDS = 60
COUNTED = 50
HISTORY = 2_000
PAGE = 1_000
STEP_COLLECTIONS = frozenset({"runs", "releases", "log"})

CHORD = PipelineSpec(
    pipeline="bench_chord",
    inputs={"number": "integer"},
    steps=(
        StepSpec("001", "noop", {"input_001_number": "number"}),
        StepSpec("002", "noop", {"input_002_number": "output_001_result"}),
        StepSpec("003", "noop", {"input_003_number": "output_001_result"}),
        StepSpec(
            "004",
            "gather",
            {"input_004_left": "output_002_result", "input_004_right": "output_003_result"},
        ),
    ),
)


def measure() -> list[Figure]:
    """Throughput and latency on both metadata stores, raw Celery beside them."""
    with tempfile.TemporaryDirectory(prefix="taskmgr-bench-") as name:
        folder = Path(name)
        with start_redis(folder / "redis") as redis, start_mongodb(folder / "mongodb") as mongodb:
            raw = _raw(redis.url_for("1"), redis.url_for("2"))
            sqlite = _ours(folder / "sqlite", redis.url_for("3"), "")
            shared = _ours(folder / "shared", redis.url_for("6"), "", workers=2)
            mongo = _ours(folder / "mongo", redis.url_for("4"), mongodb.url_for("bench"))
            trips = count_trips(folder / "counted", redis.url_for("5"), mongodb.url_for("counted"))
            later = count_trips(
                folder / "later", redis.url_for("7"), mongodb.url_for("later"), history=HISTORY
            )
    return [
        *_compared("sqlite", sqlite.or_better(shared), raw, wanted=1.0),
        *_compared("mongodb", mongo, raw, wanted=None),
        Figure("metadata_roundtrips_per_step", trips.metadata, "", 3, note="MongoDB, counted"),
        Figure(
            "metadata_roundtrips_per_step_later",
            later.metadata,
            "",
            3,
            note=f"the same in a history of {HISTORY} runs",
        ),
        Figure("broker_messages_per_step", trips.messages, "", 1, note="counted"),
        Figure("broker_rings_per_run", trips.rings, "", note="counted: a run's end"),
    ]


@attrs.frozen
class Measured:
    """What one system did.

    Attributes:
        per_second: steps or tasks per second.
        chord_ms: the canvas, submitted to ended, median.
    """

    per_second: float
    chord_ms: float

    def or_better(self, other: Measured) -> Measured:
        """The better of two ways to share the slots among processes."""
        return Measured(max(self.per_second, other.per_second), min(self.chord_ms, other.chord_ms))


@attrs.frozen
class Trips:
    """What steps cost.

    Attributes:
        metadata: round trips to the metadata store for each step.
        messages: messages through the broker for each step.
        rings: times that it was rung for each run.
    """

    metadata: float
    messages: float
    rings: float


def _compared(name: str, ours: Measured, raw: Measured, wanted: float | None) -> list[Figure]:
    suffix = "" if wanted is not None else f"_{name}"
    throughput = f"{name}: {ours.per_second:.0f} steps/s, raw Celery {raw.per_second:.0f}/s"
    latency = f"{name}: {ours.chord_ms:.0f} ms, Celery's canvas {raw.chord_ms:.0f} ms"
    return [
        Figure(
            f"celery_throughput_ratio{suffix}",
            ours.per_second / raw.per_second,
            "ratio",
            wanted,
            at_most=False,
            note=throughput,
        ),
        Figure(
            f"celery_chord_ratio{suffix}",
            raw.chord_ms / ours.chord_ms,
            "ratio",
            wanted,
            at_most=False,
            note=latency,
        ),
    ]


# raw Celery


def _raw(broker: str, results: str) -> Measured:
    """The better of Celery's thread and process pools."""
    environment = {rawcelery.BROKER: broker, rawcelery.RESULTS: results}
    application = rawcelery.application
    application.conf.update(broker_url=broker, result_backend=results)
    measured = []
    for pool in ("threads", "prefork"):
        with Redis.from_url(broker) as one, Redis.from_url(results) as other:
            one.flushdb()
            other.flushdb()
        measured.append(_raw_pool(pool, environment, results))
    threads, processes = measured
    return threads.or_better(processes)


def _raw_pool(pool: str, environment: Mapping[str, str], results: str) -> Measured:
    sent = [rawcelery.noop.apply_async((number,)) for number in range(TASKS)]
    command = [
        *(sys.executable, "-m", "celery", "--app", "benchmarks.rawcelery", "worker"),
        *("--pool", pool, "--concurrency", str(SLOTS), "--loglevel", "ERROR"),
        *("--without-gossip", "--without-mingle"),
    ]
    with running([command], environment), Redis.from_url(results) as client:
        wait_for(lambda: client.dbsize() >= WARM)
        begun, first = time.perf_counter(), client.dbsize()
        wait_for(lambda: client.dbsize() >= TASKS)
        per_second = (TASKS - first) / (time.perf_counter() - begun)
        for each in sent:
            each.forget()
        canvas = chain(
            rawcelery.noop.s(1),
            chord([rawcelery.noop.s(), rawcelery.noop.s()], rawcelery.gather.s()),
        )
        samples = []
        for _ in range(CHORDS):
            started = time.perf_counter()
            canvas.apply_async().get(timeout=30)
            samples.append((time.perf_counter() - started) * 1000)
    return Measured(per_second, median(samples))


# ours


def _ours(home: Path, broker: str, metadata: str, workers: int = 1) -> Measured:
    """The slots in one worker process, or shared by several."""
    with _team(home, broker, metadata) as (platform, environment):
        client = platform.client()
        runs = [client.submit("noop", {"number": number}) for number in range(TASKS)]
        command = [
            *(str(Path(sys.executable).with_name("taskmgr")), "worker", "start"),
            *("--slots", str(SLOTS // workers), "--loglevel", "warning"),
        ]
        with running([command] * workers, environment):
            warm = _finished(client, runs)[WARM:]
            per_second = (len(warm) - 1) / (warm[-1] - warm[0])
            samples = []
            for number in range(CHORDS):
                started = time.perf_counter()
                client.wait(client.submit(CHORD, {"number": number}), 30)
                samples.append((time.perf_counter() - started) * 1000)
    return Measured(per_second, median(samples))


def _finished(client: Client, runs: list[str]) -> list[float]:
    """When the runs ended, by their own records, in order."""
    wait_for(lambda: not client.runs(RunFilter(status="running", limit=1)))
    steps = (step for run in runs for step in client.metadata.steps(run))
    return sorted(step.finished_at or 0.0 for step in steps)


@contextlib.contextmanager
def _team(home: Path, broker: str, metadata: str) -> Iterator[tuple[Platform, dict[str, str]]]:
    """A platform with the tasks published, and the environment of its workers."""
    environment = {"TASKMGR_HOME": str(home), "TASKMGR_BROKER_URL": broker}
    environment |= {"TASKMGR_METADATA_URL": metadata} if metadata else {}
    platform = Platform(load(environment, home, home))
    platform.initialize()
    with platform.client() as client:
        client.publish(NOOP)
        yield platform, environment


# counting


class _Commands(monitoring.CommandListener):
    """Counts what a worker's threads send to the store; a beat is the worker's, not a step's."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """One round trip."""
        collection = str(event.command.get(event.command_name, ""))
        waiting = threading.current_thread() is threading.main_thread()
        if not waiting and collection in STEP_COLLECTIONS:
            self.counted[f"{event.command_name} {collection}"] += 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing: it was counted when it began."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing: it was counted when it began."""


def count_trips(
    home: Path, broker: str, metadata: str, runs: int = COUNTED, history: int = 0
) -> Trips:
    """What a worker sends for runs of four steps, by the drivers' own monitoring.

    Arguments:
        home: an empty folder.
        broker: a Redis database of its own.
        metadata: a MongoDB database of its own.
        runs: how many.
        history: how many ended runs are there before.
    """
    listener = _Commands()
    monitoring.register(listener)
    try:
        with _team(home, broker, metadata) as (platform, _), Redis.from_url(broker) as redis:
            _remember(metadata, history)
            client = platform.client()
            before = _sent(redis)
            for number in range(runs):
                client.submit(CHORD, {"number": number})
            worker = platform.worker(SLOTS, ())
            worker.start()
            wait_for(lambda: not client.runs(RunFilter(status="running", limit=1)))
            worker.stop()
            messages, rings = (
                after - then for after, then in zip(_sent(redis), before, strict=True)
            )
    finally:
        monitoring._LISTENERS.command_listeners.remove(listener)
    steps = len(CHORD.steps) * runs
    return Trips(listener.counted.total() / steps, messages / steps, rings / runs)


def _remember(metadata: str, count: int) -> None:
    """Fill the store with runs that have ended, as bare as the store lets them be."""
    with MongoClient[dict[str, Any]](metadata) as server:
        runs = server.get_default_database()["runs"]
        for start in range(0, count, PAGE):
            ids = [str(uuid_utils.uuid7()) for _ in range(start, min(start + PAGE, count))]
            bare = {"name": "bench", "status": "succeeded", "state": {}, "digests": []}
            runs.insert_many(
                [{**bare, "_id": each, "short": each[-8:]} for each in ids], ordered=False
            )


def _sent(redis: Redis) -> tuple[int, int]:
    """How many messages were sent, and how often it was rung, as Redis counts its commands."""
    counts = redis.info("commandstats")
    names = ("cmdstat_lpush", "cmdstat_publish")
    messages, rings = (int(counts.get(name, {"calls": 0})["calls"]) for name in names)
    return messages, rings
