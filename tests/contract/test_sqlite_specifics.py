"""What only the SQLite store can get wrong: its file, its schema, its connections."""

import contextlib
import functools
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import attrs
import pytest
from samples import (
    NOW,
    beaten,
    claimed,
    created,
    digest,
    finished,
    graph_step,
    pipeline_spec,
    silent,
    status_of,
    success,
    task_version,
    value,
)

from taskmgr_core.errors import StoreError, StoreGoneError
from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.specs import LogLine
from taskmgr_core.stores.metadata import Role
from taskmgr_core.stores.sqlite import SqliteMetadata, claims, schema


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


# the file


@pytest.mark.parametrize(
    "content", [b"no database" * 100, b"\x00" * 5000, b"SQLite format 3\x00" * 300]
)
def test_file_that_is_no_database_is_named(
    path: Path, metadata: SqliteMetadata, content: bytes
) -> None:
    """A file of another kind is refused with its path and what to do, and left as it is."""
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreError, match=rf"{path}: .*restore it.*TASKMGR_HOME"):
        metadata.initialize()
    assert path.read_bytes() == content


def test_damaged_page_is_named(path: Path, metadata: SqliteMetadata) -> None:
    """A database with an overwritten middle is refused with its path and what to do."""
    metadata.initialize()
    created(metadata, *(graph_step(f"{number:03}") for number in range(300)))
    metadata.close()
    size = path.stat().st_size
    with path.open("r+b") as opened:
        opened.seek(4096)
        opened.write(b"\xff" * (size - 4096))
    with (
        contextlib.closing(SqliteMetadata(path)) as opened_again,
        pytest.raises(StoreError, match=rf"{path}: .*damaged: restore it"),
    ):
        claimed(opened_again)


@pytest.mark.parametrize("number", [0, 1, 99])
def test_database_of_another_program_is_refused(
    path: Path, metadata: SqliteMetadata, number: int
) -> None:
    """A file with tables that are not ours is named as such, and not a byte of it is changed."""
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE songs (title)")
        connection.execute(f"PRAGMA user_version = {number}")
    content = path.read_bytes()
    with pytest.raises(StoreError, match=rf"{path} is the database of another program.*songs"):
        metadata.initialize()
    assert path.read_bytes() == content
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_database_of_another_program_with_a_name_of_ours_is_refused(
    path: Path, metadata: SqliteMetadata
) -> None:
    """A table that happens to be called as one of ours makes a strange file none of ours."""
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE runs (distance)")
    with pytest.raises(StoreError, match="another program"):
        metadata.initialize()


def test_faults_of_the_file_are_told(path: Path, metadata: SqliteMetadata) -> None:
    """An intact file has no faults; one whose pages do not add up has, and is told so."""
    metadata.initialize()
    created(metadata, *(graph_step(f"{number:03}") for number in range(300)))
    assert metadata.faults() == []
    metadata.close()
    with path.open("r+b") as opened:
        opened.seek(36)
        opened.write(b"\x00\x00\x00\x05")  # so many pages are said to be free
    with contextlib.closing(SqliteMetadata(path)) as opened_again:
        assert any("reelist" in fault for fault in opened_again.faults())


def test_newer_schema_is_refused(path: Path, metadata: SqliteMetadata) -> None:
    """A file that a newer taskmgr made is refused, unchanged, with both numbers."""
    metadata.initialize()
    metadata.close()
    newer = schema.VERSION + 1
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {newer}")
    with pytest.raises(StoreError, match=f"schema {newer}.*knows {schema.VERSION}: upgrade taskm"):
        metadata.initialize()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (newer,)


# What takes a file of today back to the schema before the last one, and to the one before that.
TO_SCHEMA_2 = """
    DROP INDEX steps_due; DROP INDEX steps_due_in_queue; DROP INDEX runs_by_end;
    ALTER TABLE steps DROP COLUMN resources;
    ALTER TABLE workers DROP COLUMN leave; ALTER TABLE workers DROP COLUMN ping;
    CREATE INDEX steps_due ON steps (priority DESC, ready_at) WHERE status = 'ready';
    CREATE INDEX steps_due_in_queue ON steps (queue, priority DESC, ready_at)
        WHERE status = 'ready';
    PRAGMA user_version = 2;
"""
TO_SCHEMA_1 = f"""
    {TO_SCHEMA_2}
    DROP INDEX steps_unclaimed; ALTER TABLE steps DROP COLUMN look_at; DROP TABLE digest_runs;
    CREATE TABLE value_digests (digest, run, port);
    PRAGMA user_version = 1;
"""


def test_older_schema_is_brought_up_to_date(path: Path, metadata: SqliteMetadata) -> None:
    """What schema 1 recorded is found by its digest as if it had been recorded today."""
    metadata.initialize()
    file = attrs.evolve(value("picture", "p"), digest=digest("file"), artifacts=(digest("file"),))
    run = created(metadata, values=[file, value("text", "a", artifacts=(digest("inside"),))])
    finished(metadata, claimed(metadata))
    sought = [digest("file"), digest("inside"), value("text", "a").digest, value("", "done").digest]

    def found() -> list[dict[str, str]]:
        roles = get_args(Role)
        return [metadata.next_runs(sought, [role], None, older=True) for role in roles]

    expected = found()
    assert set().union(*expected) == {*sought}
    metadata.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(TO_SCHEMA_1)
    metadata.initialize()
    assert found() == expected
    waiting = created(metadata, number=2)
    assert [each.run for each in metadata.take_unclaimed(NOW + 60, lambda _: NOW + 99)] == [
        waiting.id
    ]
    assert metadata.run(run.id) == metadata.run(run.id[-8:])
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)


@pytest.mark.parametrize("in_the_way", ["folder", "parent"])
def test_path_in_the_way_is_named(path: Path, metadata: SqliteMetadata, in_the_way: str) -> None:
    """A folder where the file should be, or a file where its folder should be, is named."""
    if in_the_way == "folder":
        path.mkdir(parents=True)
    else:
        path.parent.write_text("a file")
    with pytest.raises(StoreError, match=str(path)):
        metadata.initialize()


def test_locked_file_is_waited_for(path: Path, metadata: SqliteMetadata) -> None:
    """While another process writes, an operation waits and then is carried out."""
    metadata.initialize()
    script = """
        import sqlite3, sys, time
        connection = sqlite3.connect(sys.argv[1], isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        print("held", flush=True)
        sys.stdin.readline()
        connection.execute("COMMIT")
    """
    holder = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        assert metadata.claim("w1", (), NOW) is None  # looking takes no lock
        # The holder lets go after the store has begun to wait, or before: either way it succeeds.
        holder.stdin.close()
        run = created(metadata)
    assert metadata.run(run.id) == run


OPENER = """
    import sys
    from pathlib import Path
    from taskmgr_core.errors import StoreError
    from taskmgr_core.stores.sqlite import SqliteMetadata
    for line in sys.stdin:
        store = SqliteMetadata(Path(line.strip()))
        try:
            store.initialize()
            print(store.latest_versions(), flush=True)
        except StoreError as error:
            print(error, flush=True)
        store.close()
"""


def test_processes_create_the_file_together(tmp_path: Path) -> None:
    """Processes that open a new file at once all find an initialized store, none of them a lock."""
    with contextlib.ExitStack() as stack:
        openers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", textwrap.dedent(OPENER)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(5)
        ]
        for number in range(30):
            for each in openers:
                assert each.stdin is not None
                each.stdin.write(f"{tmp_path / str(number)}\n")
                each.stdin.flush()
            said = [each.stdout.readline() for each in openers if each.stdout is not None]
            assert said == ["[]\n"] * len(openers)


# connections


@pytest.fixture
def commits(metadata: SqliteMetadata, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Of each commit from now on: its connection's journal mode and synchronisation."""
    found: list[tuple[str, str]] = []

    class Watched(sqlite3.Connection):
        def execute(self, statement: str, *parameters: object) -> sqlite3.Cursor:
            cursor = super().execute(statement, *parameters)  # type: ignore[arg-type]
            if statement == "COMMIT":
                found.append((self.pragma("journal_mode"), self.pragma("synchronous")))
            return cursor

        def pragma(self, name: str) -> str:
            return str(super().execute(f"PRAGMA {name}").fetchone()[0])

    metadata.initialize()
    metadata.close()
    monkeypatch.setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=Watched))
    metadata.initialize()
    return found


FULL, NORMAL = ("wal", "2"), ("wal", "1")


def test_durable_operations_are_synced(
    metadata: SqliteMetadata, commits: list[tuple[str, str]]
) -> None:
    """What promises to be durable is committed on a connection that syncs each commit."""
    run = created(metadata)
    metadata.add_versions([task_version()])
    metadata.put_pipeline(pipeline_spec())
    metadata.request_cancel(created(metadata, number=2).id, decide, NOW)
    claim = claimed(metadata)
    before = len(commits)
    finished(metadata, claim)
    metadata.reconcile(run.id, decide, NOW)
    metadata.request_cancel(run.id, decide, NOW)
    assert commits[: before - 1] == [FULL] * 5
    assert commits[before:] == [FULL] * 3


def test_step_in_the_middle_of_a_run_waits_for_no_disk(
    metadata: SqliteMetadata, commits: list[tuple[str, str]]
) -> None:
    """Its result is synced with the next one that ends a run; or at once when it took long."""
    for number, seconds, wanted in ((1, 0.01, NORMAL), (2, 10.0, FULL)):
        created(metadata, graph_step(), graph_step("002", after=("001",)), number=number)
        first = claimed(metadata)
        commits.clear()
        finished(metadata, first, attrs.evolve(success(first), seconds={"total": seconds}))
        assert commits == [wanted]
        last = claimed(metadata)
        commits.clear()
        finished(metadata, last, attrs.evolve(success(last), seconds={"total": 0.01}))
        assert commits == [FULL]


def test_run_that_two_steps_end_at_once_is_synced(
    metadata: SqliteMetadata, commits: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that turns out to be the last, though another ran when it was looked, is synced."""
    created(metadata)
    claim = claimed(metadata)
    monkeypatch.setattr(claims, "others_left", lambda *_: True)
    commits.clear()
    finished(metadata, claim, attrs.evolve(success(claim), seconds={"total": 0.01}))
    assert commits == [NORMAL, FULL]


def together(metadata: SqliteMetadata, actions: Sequence[Callable[[], object]]) -> list[object]:
    """What came of actions of as many threads, all of which wait when the first is let go on."""
    held, go = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        held.set()
        go.wait(10)

    with ThreadPoolExecutor(len(actions) + 1) as pool:
        first = pool.submit(metadata._database.quick, hold)
        held.wait(10)
        others = [pool.submit(each) for each in actions]
        deadline = time.monotonic() + 10
        while len(metadata._database._writes._waiting) < len(actions):
            assert time.monotonic() < deadline
            time.sleep(0.001)
        go.set()
        first.result(10)
        return [each.exception(10) or each.result(10) for each in others]


def test_writes_that_wait_together_are_synced_once(
    metadata: SqliteMetadata, commits: list[tuple[str, str]]
) -> None:
    """As many runs as are submitted at a time cost one commit, and each is recorded."""
    commits.clear()
    made = together(metadata, [functools.partial(created, metadata, number=n) for n in range(5)])
    assert commits == [NORMAL, FULL]
    assert [metadata.run(run.id) for run in made] == made


def test_write_that_fails_undoes_no_other(
    metadata: SqliteMetadata, commits: list[tuple[str, str]]
) -> None:
    """Of what is written together the faulty is refused, for its own reason; the rest is done."""
    first = created(metadata, number=1)
    failed, made = together(
        metadata,
        [
            functools.partial(created, metadata, number=1),
            functools.partial(created, metadata, number=2),
        ],
    )
    assert isinstance(failed, StoreError)
    assert "UNIQUE" in str(failed)
    assert metadata.run(made.id) == made
    assert metadata.run(first.id) == first


def test_lost_steps_are_taken_back_durably(
    metadata: SqliteMetadata, commits: list[tuple[str, str]]
) -> None:
    """Taking a step back is synced; finding that there is none to take back writes nothing."""
    created(metadata)
    claimed(metadata)
    commits.clear()
    for _ in range(2):
        metadata.release_lost(silent(metadata, NOW), 3, decide, NOW)
    assert commits == [FULL]


def test_quick_operations_are_not_synced(
    metadata: SqliteMetadata, commits: list[tuple[str, str]]
) -> None:
    """Claims, beats and log lines cost no sync; reading, and looking in vain, writes nothing."""
    run = created(metadata)
    commits.clear()
    metadata.claim("w1", ["none"], NOW)
    metadata.run(run.id)
    assert commits == []
    claimed(metadata)
    beaten(metadata, "w1")
    metadata.append_log([LogLine(0, run.id, "001", 1, NOW, "stdout", "text")])
    metadata.remove_worker("w1")
    assert commits == [NORMAL] * 4


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


@pytest.mark.parametrize("script", [TO_SCHEMA_1, TO_SCHEMA_2], ids=["1", "2"])
def test_file_of_an_earlier_schema_is_brought_up(tmp_path: Path, script: str) -> None:
    """A store that was made before a column was added goes on with all that it holds."""
    path = tmp_path / "metadata.sqlite3"
    store = SqliteMetadata(path)
    store.initialize()
    run = created(store)
    store.close()
    with sqlite3.connect(path) as connection:
        connection.executescript(script)
    connection.close()
    store = SqliteMetadata(path)
    store.initialize()
    beaten(store, "w1")
    assert finished(store, claimed(store)).run_status == "succeeded"
    assert store.run(run.id).status == "succeeded"


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
