"""How the SQLite store commits: what is synced, together or alone, and in which process."""

import errno
import functools
import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import pytest
from samples import (
    NOW,
    beaten,
    claimed,
    created,
    finished,
    first_step,
    graph,
    graph_step,
    pipeline_spec,
    run_id,
    silent,
    status_of,
    success,
    task_version,
    value,
)

from taskmgr_core.errors import StoreError, StoreGoneError
from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.specs import Claim, LogLine, NewRun, Run
from taskmgr_core.stores.progress import Taking
from taskmgr_core.stores.sqlite import SqliteMetadata, syncing, workers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store's file is."""
    return tmp_path / "home" / "metadata.sqlite3"


@pytest.fixture
def metadata(path: Path) -> Iterator[SqliteMetadata]:
    """A store that is not initialized yet."""
    store = SqliteMetadata(path)
    yield store
    store.close()


@pytest.fixture
def done(metadata: SqliteMetadata, path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done from now on: each commit, and each sync of the log with all before it."""
    found: list[str] = []

    class Watched(sqlite3.Connection):
        def execute(self, statement: str, *parameters: object) -> sqlite3.Cursor:
            cursor = super().execute(statement, *parameters)  # type: ignore[arg-type]
            if statement == "COMMIT":
                assert self.pragma("journal_mode") == "wal"
                found.append("commit")
            return cursor

        def pragma(self, name: str) -> str:
            return str(super().execute(f"PRAGMA {name}").fetchone()[0])

    def watched(descriptor: int) -> None:
        log = path.with_name(f"{path.name}-wal").stat()
        assert os.path.samestat(os.fstat(descriptor), log)
        os.fdatasync(descriptor)
        found.append("sync")

    metadata.initialize()
    metadata.close()
    monkeypatch.setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=Watched))
    monkeypatch.setattr(syncing, "_sync", watched)
    metadata.initialize()
    found.clear()
    return found


LINE = LogLine(0, run_id(1), "001", 1, NOW, "stdout", "written by the first")
DURABLE, QUICK = ["commit", "sync"], ["commit"]


def test_durable_operations_are_synced(metadata: SqliteMetadata, done: list[str]) -> None:
    """What promises to be durable is on the disk when it returns, all of it."""
    run = created(metadata)
    metadata.add_versions([task_version()])
    metadata.put_pipeline(pipeline_spec())
    metadata.request_cancel(created(metadata, number=2).id, decide, NOW)
    assert done == DURABLE * 5
    claim = claimed(metadata)
    done.clear()
    finished(metadata, claim)
    metadata.reconcile(run.id, decide, NOW)
    metadata.request_cancel(run.id, decide, NOW)
    assert done == DURABLE * 3


def test_run_is_seen_before_it_is_synced(metadata: SqliteMetadata, done: list[str]) -> None:
    """Who records a run can tell others while the disk is waited for, and they find it."""
    found: list[Claim | None] = []
    run = created(metadata)
    claimed(metadata)
    done.clear()
    step = attrs.evolve(metadata.steps(run.id)[0], run=run_id(2), status="ready", attempt=0)
    metadata.create_runs(
        [NewRun(attrs.evolve(run, id=run_id(2)), [step], [])],
        seen=lambda _: found.append(metadata.claim("w1", [], NOW)),
    )
    assert found[0] is not None
    assert done == ["commit", "commit", "sync"]


def test_sync_that_fails_is_told(
    metadata: SqliteMetadata, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails when it is synced is told as such, and the next operation works."""

    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(syncing, "_sync", broken)
        with pytest.raises(StoreError, match="Input/output error"):
            metadata.put_pipeline(pipeline_spec())
    done.clear()
    metadata.put_pipeline(pipeline_spec())
    assert done == DURABLE


def test_runs_recorded_together_are_synced_once(metadata: SqliteMetadata, done: list[str]) -> None:
    """However many they are: what was accepted is on the disk by one commit."""
    shared = graph(graph_step())
    runs = [Run(run_id(each), "sample", "pipeline", shared, "running", NOW) for each in range(20)]
    new = [NewRun(run, [first_step(run, graph_step(), NOW)], [value("text", "a")]) for run in runs]
    assert metadata.create_runs(new) == [None] * 20
    assert done == DURABLE


def test_outcome_outlives_a_sync_that_fails(
    metadata: SqliteMetadata, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is recorded is not refused for the disk: who recorded it has the step that follows."""

    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    created(metadata, graph_step(), graph_step("002", after=("001",)))
    claim = claimed(metadata)
    long = attrs.evolve(success(claim), seconds={"total": 10.0})
    monkeypatch.setattr(syncing, "_sync", broken)
    progress = metadata.finish(claim, long, decide, NOW, Taking("w1"))
    assert progress.claim is not None
    assert progress.claim.step.id == "002"
    assert finished(metadata, progress.claim).ended


def test_step_in_the_middle_of_a_run_waits_for_no_disk(
    metadata: SqliteMetadata, done: list[str]
) -> None:
    """Its result is synced with the next one that ends a run; or at once when it took long."""
    for number, seconds, wanted in ((1, 0.01, QUICK), (2, 10.0, DURABLE)):
        created(metadata, graph_step(), graph_step("002", after=("001",)), number=number)
        first = claimed(metadata)
        done.clear()
        finished(metadata, first, attrs.evolve(success(first), seconds={"total": seconds}))
        assert done == wanted
        last = claimed(metadata)
        done.clear()
        finished(metadata, last, attrs.evolve(success(last), seconds={"total": 0.01}))
        assert done == DURABLE


def together(
    metadata: SqliteMetadata,
    actions: Sequence[Callable[[], Any]],
    first_writes: Callable[[sqlite3.Connection], None] = lambda _: None,
    *,
    durable: bool = False,
) -> list[Any]:
    """What came of actions of as many threads, all of which wait while a first one writes."""
    held, go = threading.Event(), threading.Event()

    def hold(connection: sqlite3.Connection) -> None:
        first_writes(connection)
        held.set()
        go.wait(10)

    with ThreadPoolExecutor(len(actions) + 1) as pool:
        database = metadata._database
        first = pool.submit(database.durable if durable else database.quick, hold)
        held.wait(10)
        others = [pool.submit(each) for each in actions]
        deadline = time.monotonic() + 10
        while len(metadata._database._writes._waiting) < len(actions):
            assert time.monotonic() < deadline
            time.sleep(0.001)
        go.set()
        first.result(10)
        return [each.exception(10) or each.result(10) for each in others]


def test_writes_that_wait_together_are_synced_together(
    metadata: SqliteMetadata, done: list[str]
) -> None:
    """As many runs as are submitted while something is written share its commit."""
    made = together(metadata, [functools.partial(created, metadata, number=n) for n in range(5)])
    assert done.count("commit") == 1
    assert 1 <= done.count("sync") <= 3
    assert done[-1] == "sync"
    assert [metadata.run(run.id) for run in made] == made


def test_outcomes_that_wait_together_share_one_sync(
    metadata: SqliteMetadata, done: list[str]
) -> None:
    """Runs that end at a time cost one commit and one sync, and none is told of before that."""
    for number in range(5):
        created(metadata, number=number)
    claims = [claimed(metadata) for _ in range(5)]
    done.clear()
    ending = [functools.partial(finished, metadata, each) for each in claims]
    assert all(each.ended for each in together(metadata, ending, durable=True))
    assert done == DURABLE


def test_quick_write_does_not_wait_for_the_disk_that_others_need(
    metadata: SqliteMetadata, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shares a commit with what is to last, and goes on while that is synced."""
    returned = threading.Event()
    sync = syncing._sync

    def after_the_first(descriptor: int) -> None:
        assert returned.wait(10)
        sync(descriptor)

    lasting = metadata._database.lasting

    def quick(action: Callable[[sqlite3.Connection], None]) -> None:
        lasting(action, lambda _: False)
        returned.set()

    monkeypatch.setattr(syncing, "_sync", after_the_first)
    monkeypatch.setattr(metadata._database, "quick", quick)
    new = [functools.partial(created, metadata, number=number) for number in range(2)]
    assert len(together(metadata, new)) == 2
    assert done.count("commit") == 1


def test_write_that_fails_undoes_no_other(metadata: SqliteMetadata, done: list[str]) -> None:
    """Of what is written together the faulty is refused, for its own reason; the rest is done."""
    first = created(metadata, number=1)
    failed, made = together(
        metadata,
        [
            functools.partial(created, metadata, number=1),
            functools.partial(created, metadata, number=2),
        ],
        lambda connection: workers.append_log(connection, [LINE]),
    )
    assert [line.text for line in metadata.log(first.id)] == [LINE.text]
    assert isinstance(failed, StoreError)
    assert "UNIQUE" in str(failed)
    assert metadata.run(made.id) == made
    assert metadata.run(first.id) == first


def test_lost_steps_are_taken_back_durably(metadata: SqliteMetadata, done: list[str]) -> None:
    """Taking a step back is synced; finding that there is none to take back writes nothing."""
    created(metadata)
    claimed(metadata)
    done.clear()
    for _ in range(2):
        metadata.release_lost(silent(metadata, NOW), 3, decide, NOW)
    assert done == DURABLE


def test_quick_operations_are_not_synced(metadata: SqliteMetadata, done: list[str]) -> None:
    """Claims, beats and log lines cost no sync; reading, and looking in vain, writes nothing."""
    run = created(metadata)
    done.clear()
    metadata.claim("w1", ["none"], NOW)
    metadata.run(run.id)
    assert done == []
    claimed(metadata)
    beaten(metadata, "w1")
    metadata.append_log([LogLine(0, run.id, "001", 1, NOW, "stdout", "text")])
    metadata.remove_worker("w1")
    assert done == QUICK * 4


def test_operation_after_close_is_refused(metadata: SqliteMetadata) -> None:
    """A closed store opens nothing by itself; initialized again it works."""
    metadata.initialize()
    run = created(metadata)
    metadata.close()
    metadata.close()
    for operation in (lambda: metadata.run(run.id), lambda: claimed(metadata)):
        with pytest.raises(StoreError, match="the store is closed"):
            operation()
    metadata.initialize()
    assert metadata.run(run.id) == run
    claim = claimed(metadata)
    assert finished(metadata, claim, success(claim)).recorded


FORKED = """
    import os, sys, threading
    from pathlib import Path
    from taskmgr_core.errors import StoreError
    from taskmgr_core.stores.sqlite import SqliteMetadata
    store = SqliteMetadata(Path(sys.argv[1]))
    if sys.argv[2] == "opened":
        store.initialize()
    writing, forked = threading.Event(), threading.Event()

    def write():
        store._database.durable(lambda connection: (writing.set(), forked.wait()))

    if sys.argv[2] == "opened":
        thread = threading.Thread(target=write)
        thread.start()
        writing.wait()
    child = os.fork()
    if child == 0:
        try:
            store.initialize()
            store.remove_worker("w1")
            print("worked", flush=True)
        except StoreError as error:
            print(error, flush=True)
        store.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    forked.set()
    store.initialize()
    print(store.faults(), flush=True)
    store.close()
"""


@pytest.mark.parametrize(
    ("parent", "said"), [("opened", "cannot be used in its forked child"), ("not yet", "worked")]
)
def test_forked_child_does_not_use_its_parents_connections(
    path: Path, parent: str, said: str
) -> None:
    """In a child of a process that has opened the store it is refused at once, else it works."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(FORKED), path, parent],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    by_child, by_parent = done.stdout.splitlines()
    assert said in by_child
    assert by_parent == "[]"


def test_failed_operation_leaves_the_connection_usable(metadata: SqliteMetadata) -> None:
    """After an error in the middle of a transaction the next operation works."""
    metadata.initialize()
    run = created(metadata, values=[value("text", "a")])
    with pytest.raises(StoreError, match="nothing was recorded"):
        created(metadata, graph_step("001"), graph_step("002"))
    finished(metadata, claimed(metadata))
    assert status_of(metadata, run) == {"001": "succeeded", "run": "succeeded"}


@pytest.mark.parametrize("replaced", [False, True], ids=["removed", "replaced"])
def test_store_without_its_file_is_refused(tmp_path: Path, replaced: bool) -> None:
    """Once its file is gone or another, nothing is read nor written, until it is opened anew."""
    home = tmp_path / "home"
    store = SqliteMetadata(home / "metadata.sqlite3")
    store.initialize()
    beaten(store, "w1")
    home.rename(tmp_path / "aside")
    if replaced:
        other = SqliteMetadata(home / "metadata.sqlite3")
        other.initialize()
        beaten(other, "w2")
        other.close()
    for action in (store.workers, lambda: beaten(store, "w1"), lambda: created(store)):
        with pytest.raises(StoreGoneError, match="removed, moved or replaced by another one"):
            action()
    assert home.exists() == replaced
    store.close()
    store.initialize()
    assert [each.id for each in store.workers()] == (["w2"] if replaced else [])
    store.close()


def test_writer_waits_while_another_process_writes(metadata: SqliteMetadata, path: Path) -> None:
    """What another connection holds for a moment delays a write and fails none."""
    metadata.initialize()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    held = time.monotonic()
    release = threading.Timer(0.3, other.execute, ("COMMIT",))
    release.start()
    metadata.add_versions([task_version("first")])
    waited = time.monotonic() - held
    release.join()
    other.close()
    assert metadata.version("first").name == "first"
    assert waited >= 0.3
