"""Every statement of the SQLite store finds its rows through an index, however long the history."""

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import get_args

import attrs
import pytest
from samples import (
    NOW,
    beaten,
    created,
    digest,
    finished,
    graph_step,
    run_id,
    silent,
    success,
    value,
)
from test_metadata_loops import loop
from test_metadata_maps import FAILED, mapping, said

from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.orchestrator.limiting import rate_of
from taskmgr_core.specs import CacheEntry, Demand, LogLine, Orders, Outcome
from taskmgr_core.stores.metadata import Role, RunFilter
from taskmgr_core.stores.sqlite import SqliteMetadata
from taskmgr_core.tracing import trace

GROWING = ("runs", "steps", "field_values", "digest_runs", "edges", "log")
NEWEST = 400

# Copies of the first run, ended long ago.
HISTORY = """
    WITH RECURSIVE
    numbers (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last}),
    old (id, n) AS (
        SELECT printf('0190%04x-0000-7000-8000-%012x', n, n + 65536), n FROM numbers
    )
    {insert}
"""
COPIES = (
    "INSERT INTO runs (id, short, name, kind, status, created_at, finished_at, graph)"
    " SELECT old.id, substr(old.id, -8), iif(n % 2, 'other', name), kind,"
    " iif(n % 2, 'failed', 'succeeded'), 0, 1, graph FROM old, runs WHERE runs.id = '{run}'",
    "INSERT INTO steps (run, id, position, after, graph_step, task, version, queue, priority,"
    " status, worker) SELECT old.id, steps.id, position, after, graph_step, task, version, queue,"
    " priority, 'succeeded', 'w1' FROM old, steps WHERE steps.run = '{run}'",
    "INSERT INTO field_values SELECT old.id, port, digest, size, type, producer, source,"
    " document, artifacts FROM old, field_values WHERE run = '{run}'",
    "INSERT INTO digest_runs SELECT digest, role, old.id FROM old, digest_runs WHERE run = '{run}'",
    "INSERT INTO edges SELECT old.id, 'target', 'source' FROM old",
    "INSERT INTO log (run, step, attempt, time, stream, text)"
    " SELECT old.id, '001', 1, 0, 'stdout', 'text' FROM old",
)


@attrs.define
class Observed:
    """A store, the statements that it ran, and how many instructions they took."""

    metadata: SqliteMetadata
    path: Path
    statements: list[str] = attrs.field(factory=list)
    instructions: int = 0

    def watch(self, connection: sqlite3.Connection) -> None:
        """Follow what a connection does."""
        connection.set_trace_callback(self.statements.append)
        connection.set_progress_handler(self.count, 1)

    def count(self) -> None:
        """One instruction of SQLite's virtual machine."""
        self.instructions += 1

    def grow(self, first: int, last: int) -> None:
        """Add runs that ended long ago."""
        with sqlite3.connect(self.path) as connection:
            for insert in COPIES:
                filled = insert.format(run=run_id(1))
                connection.execute(HISTORY.format(first=first, last=last, insert=filled))
        connection.close()

    def plans(self) -> dict[str, list[str]]:
        """The query plan of each statement that was run."""
        connection = sqlite3.connect(self.path)
        worth = [
            each for each in dict.fromkeys(self.statements) if re.match("SELECT|UPD|DEL", each)
        ]
        plans = {
            each: [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {each}")]
            for each in worth
        }
        connection.close()
        return plans


@pytest.fixture
def observed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Observed]:
    """A watched store with one run of three steps, of which one is ready."""
    path = tmp_path / "metadata.sqlite3"
    watched = Observed(SqliteMetadata(path), path)
    connect = sqlite3.connect

    def observed_connect(*arguments: object, **options: object) -> sqlite3.Connection:
        connection = connect(*arguments, **options)  # type: ignore[call-overload]
        watched.watch(connection)
        return connection  # type: ignore[no-any-return]

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", observed_connect)
        watched.metadata.initialize()
        watched.metadata.pipelines()
        watched.metadata.remove_worker("w1")
    steps = (graph_step("001"), graph_step("002", ["001"]), graph_step("003"))
    created(watched.metadata, *steps, values=[value("text", "a", artifacts=(digest("file"),))])
    yield watched
    watched.metadata.close()


def claim_and_finish(metadata: SqliteMetadata) -> None:
    """One step of a new run, from submitting it to recording its outcome."""
    created(metadata, number=NEWEST, values=[value("text", "b")])
    claim = metadata.claim("w1", ["default"], NOW)
    assert claim is not None
    finished(metadata, claim, success(claim))


def claim_and_retry(metadata: SqliteMetadata) -> None:
    """An attempt that is to be tried again later."""
    created(metadata, number=NEWEST, values=[value("text", "b")])
    claim = metadata.claim("w1", (), NOW)
    assert claim is not None
    finished(metadata, claim, Outcome("ready", not_before=NOW + 60))
    assert metadata.next_due((), NOW) == 60
    assert metadata.next_due(["default"], NOW) == 60


def cancel(metadata: SqliteMetadata) -> None:
    """A run that is cancelled."""
    run = created(metadata, graph_step("001"), graph_step("002", ["001"]), number=NEWEST)
    metadata.request_cancel(run.id, decide, NOW)


def lose(metadata: SqliteMetadata) -> None:
    """A step that is taken back from its worker, and looking for one."""
    metadata.claim("w1", (), NOW)
    metadata.release_lost(silent(metadata, NOW), 3, decide, NOW)
    metadata.release_lost(silent(metadata, NOW), 3, decide, NOW)


def log(metadata: SqliteMetadata) -> None:
    """Lines appended, and a page read."""
    metadata.append_log([LogLine(0, run_id(1), "001", 1, NOW, "stdout", "text")])
    assert metadata.log(run_id(1), 0, 10)


def map_elements(metadata: SqliteMetadata) -> None:
    """A step that is run for each of three elements, from its first to what it gathers."""
    run, _ = mapping(metadata, 3, parallel=1, number=NEWEST)
    for number in range(3):
        claim = metadata.claim_step(run.id, f"001[{number}]", "w1", NOW)
        assert claim is not None
        finished(metadata, claim, said(claim))
    assert len(metadata.elements(run.id, "001", 0, 3)) == 3


def bear_elements(metadata: SqliteMetadata) -> None:
    """Two elements that failed, counted and told."""
    run, _ = mapping(metadata, 2, parallel=1, on_error="continue", number=NEWEST)
    for number in range(2):
        claim = metadata.claim_step(run.id, f"001[{number}]", "w1", NOW)
        assert claim is not None
        finished(metadata, claim, FAILED)
    assert metadata.failed_elements(run.id, "001", 1).count == 2


def limit(metadata: SqliteMetadata) -> None:
    """Two steps that want one place, one of them let in, and the other when that has ended."""
    demands = [Demand("task:echo", 1), Demand("rate:task:echo", rate=rate_of("9/s"))]
    for number in (NEWEST, NEWEST - 1):
        created(metadata, number=number, values=[value("text", "b")])
    claims = [metadata.claim_step(run_id(n), "001", "w1", NOW) for n in (NEWEST, NEWEST - 1)]
    first, second = (metadata.limits.admit(each, demands, NOW).claim for each in claims if each)
    assert first is not None
    assert second is None
    assert [each.waiting for each in metadata.limits.uses(9)] == [1]
    finished(metadata, first)
    metadata.limits.remove("task:echo", NOW)
    metadata.request_cancel(run_id(NEWEST - 1), decide, NOW)


def cache(metadata: SqliteMetadata) -> None:
    """A result that is kept, taken, counted and cleared."""
    created(metadata, number=NEWEST, values=[value("text", "b")])
    claim = metadata.claim_step(run_id(NEWEST), "001", "w1", NOW)
    assert claim is not None
    kept = CacheEntry("k", "echo", "1.0", "r/001", (), 1.0, NOW + 9)
    finished(metadata, claim, attrs.evolve(success(claim), entry=kept))
    assert metadata.cache.take("k", NOW, 9) == kept
    assert len(metadata.cache.clear("echo", NOW)) == 1


OPERATIONS: Mapping[str, Callable[[SqliteMetadata], object]] = {
    "expire": lambda metadata: metadata.expire(decide, NOW),
    "map": map_elements,
    "failed elements": bear_elements,
    "loop": lambda metadata: loop(metadata, NEWEST),
    "claim of nothing": lambda metadata: metadata.claim("w1", ["none"], NOW),
    "claim and finish": claim_and_finish,
    "claim and retry": claim_and_retry,
    "cancel": cancel,
    "lose": lose,
    "holds": lambda metadata: (metadata.claim("w1", (), NOW), metadata.holds("w1")),
    "reconcile": lambda metadata: metadata.reconcile(run_id(1), decide, NOW),
    "run": lambda metadata: metadata.run(run_id(1)),
    "run by beginning": lambda metadata: metadata.run(run_id(1)[:9]),
    "run by end": lambda metadata: metadata.run(run_id(1)[-8:]),
    "runs": lambda metadata: metadata.runs(RunFilter(limit=5)),
    "runs by status": lambda metadata: metadata.runs(RunFilter(status="running", limit=5)),
    "runs by name": lambda metadata: metadata.runs(RunFilter(name="sample", limit=5)),
    "runs by both": lambda metadata: metadata.runs(RunFilter("failed", "sample", limit=5)),
    "next page": lambda metadata: metadata.runs(RunFilter(before=run_id(1), limit=5)),
    "runs with an input": lambda metadata: metadata.runs_with_input(
        RunFilter(name="sample", limit=5), "nowhere", 20
    ),
    "steps": lambda metadata: metadata.steps(run_id(1)),
    "values": lambda metadata: metadata.values(run_id(1)),
    "values of ports": lambda metadata: metadata.values(run_id(1), ["text"]),
    "edges": lambda metadata: metadata.edges(run_id(1)),
    "digest": lambda metadata: metadata.digest(digest("file")[:20]),
    "next newer run": lambda metadata: metadata.next_runs(
        [digest("file")], get_args(Role), run_id(1), older=False
    ),
    "next older run": lambda metadata: metadata.next_runs(
        [digest("file"), digest("none")], get_args(Role), None, older=True
    ),
    "newer runs using": lambda metadata: metadata.runs_using(
        [("echo", "1.0"), ("none", "1.0")], run_id(1), older=False, limit=2
    ),
    "older runs using": lambda metadata: metadata.runs_using(
        [("echo", "1.0"), ("none", "1.0")], None, older=True, limit=2
    ),
    "trace": lambda metadata: trace(metadata, digest("file"), 5),
    "log": log,
    "beat": lambda metadata: beaten(metadata, "w1"),
    "claim with resources": lambda metadata: metadata.claim("w1", (), NOW, free={"gpu": 1}),
    "order": lambda metadata: metadata.order("w1", Orders("drain", "word")),
    "orders": lambda metadata: metadata.orders("w1"),
    "overview": lambda metadata: metadata.overview(NOW - 60),
    "waiting": lambda metadata: metadata.waiting(NOW),
    "latest times": lambda metadata: metadata.latest_times(5),
    "limit": limit,
    "cache": cache,
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_statements_use_an_index(observed: Observed, name: str) -> None:
    """No statement walks a table that grows with the history."""
    observed.grow(1, 200)
    observed.statements.clear()
    OPERATIONS[name](observed.metadata)
    plans = observed.plans()
    assert plans, "nothing was observed"
    # What may be walked are the partial indexes of the steps that are ready or run now.
    active = r"USING (COVERING )?INDEX steps_(due|running|delayed|held_back)"
    walks = [
        f"{statement}\n    {line}"
        for statement, plan in plans.items()
        for line in plan
        if re.match(rf"SCAN ({'|'.join(GROWING)})\b", line) and not re.search(active, line)
    ]
    assert not walks, "\n".join(walks)


@pytest.mark.parametrize("name", OPERATIONS)
def test_effort_does_not_grow_with_history(observed: Observed, name: str) -> None:
    """Ten times as many ended runs take an operation no more instructions."""
    observed.grow(1, 100)
    few = effort(observed, name)
    observed.grow(101, 1000)
    many = effort(observed, name)
    assert many <= 1.2 * few + 20


def effort(observed: Observed, name: str) -> int:
    """How many instructions an operation takes on a run of its own."""
    with sqlite3.connect(observed.path) as connection:
        for table in ("runs", "steps"):
            statement = f"DELETE FROM {table} WHERE {'id' if table == 'runs' else 'run'} IN (?, ?)"  # noqa: S608
            connection.execute(statement, (run_id(NEWEST), run_id(NEWEST - 1)))
        for table in ("field_values", "digest_runs", "edges"):
            statement = f"DELETE FROM {table} WHERE run IN (?, ?)"  # noqa: S608 - one of the three
            connection.execute(statement, (run_id(NEWEST), run_id(NEWEST - 1)))
        connection.execute(
            "UPDATE steps SET status = 'ready', attempt = 0, worker = '' WHERE run = ?"
            " AND id <> '002'",
            (run_id(1),),
        )
    connection.close()
    observed.instructions = 0
    OPERATIONS[name](observed.metadata)
    return observed.instructions


def test_backlog_of_other_queues_costs_nothing(observed: Observed) -> None:
    """A worker of one queue does not look through the ready steps of another one."""
    before = looking(observed)
    created(
        observed.metadata, *(graph_step(f"{n:04}", queue="busy") for n in range(1000)), number=2
    )
    assert looking(observed) <= before + 20


def test_backlog_of_delayed_steps_is_found_by_its_time(observed: Observed) -> None:
    """When the next retry is due is told without looking at every step that is ready."""
    before = waiting(observed)
    created(observed.metadata, *(graph_step(f"{n:04}") for n in range(1000)), number=2)
    assert waiting(observed) <= before + 20


def test_backlog_of_needy_steps_costs_nothing(observed: Observed) -> None:
    """Steps that nobody can take now are not looked through for one that can be taken."""
    before = with_a_device(observed)
    steps = (graph_step(f"{n:04}", priority=9, resources={"gpu": 4}) for n in range(1000))
    created(observed.metadata, *steps, number=2)
    assert with_a_device(observed) <= 1.2 * before + 200


def with_a_device(observed: Observed) -> int:
    """How many instructions it takes a worker with one device to claim what needs none."""
    created(observed.metadata, number=3 + len(observed.metadata.runs(RunFilter(limit=100))))
    observed.instructions = 0
    assert observed.metadata.claim("w1", (), NOW, free={"gpu": 1}) is not None
    return observed.instructions


def looking(observed: Observed) -> int:
    """How many instructions it takes an idle worker to look for work."""
    observed.instructions = 0
    assert observed.metadata.claim("w1", ["idle"], NOW) is None
    assert observed.metadata.next_due(["idle"], NOW) is None
    return observed.instructions


def waiting(observed: Observed) -> int:
    """How many instructions it takes to find out when the next retry is due."""
    observed.instructions = 0
    assert observed.metadata.next_due((), NOW) is None
    return observed.instructions
