"""What only the SQLite store can get wrong: its file, its schema, its connections."""

import contextlib
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
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
    value,
)

from taskmgr_core.errors import StoreError
from taskmgr_core.stores.metadata import Role
from taskmgr_core.stores.sqlite import SqliteMetadata, schema


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


# What takes a file of today back to earlier schemas, each by way of the later ones.
TO_SCHEMA_7 = """
    DROP INDEX runs_to_cancel; DROP INDEX runs_expired;
    PRAGMA user_version = 7;
"""
TO_SCHEMA_6 = f"""
    {TO_SCHEMA_7}
    DROP INDEX steps_held_back; DROP TABLE cache; DROP TABLE limits; DROP TABLE buckets;
    ALTER TABLE steps DROP COLUMN cached_from; ALTER TABLE steps DROP COLUMN limits;
    ALTER TABLE steps DROP COLUMN waits_for; ALTER TABLE steps DROP COLUMN waits_since;
    DROP INDEX steps_open; ALTER TABLE steps DROP COLUMN takers;
    ALTER TABLE runs DROP COLUMN traceparent; DROP TABLE counters;
    PRAGMA user_version = 6;
"""
TO_SCHEMA_2 = f"""
    {TO_SCHEMA_6}
    DROP INDEX runs_by_deadline; DROP INDEX steps_of_run; DROP INDEX elements_of_step;
    ALTER TABLE steps DROP COLUMN parent; ALTER TABLE steps DROP COLUMN elements;
    ALTER TABLE steps DROP COLUMN rule; ALTER TABLE steps DROP COLUMN origin;
    ALTER TABLE runs DROP COLUMN deadline; ALTER TABLE runs DROP COLUMN expired_at;
    ALTER TABLE runs DROP COLUMN retry_of;
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


@pytest.mark.parametrize("script", [TO_SCHEMA_1, TO_SCHEMA_2, TO_SCHEMA_6, TO_SCHEMA_7], ids="1267")
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
