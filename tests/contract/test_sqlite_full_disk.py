"""A full disk under the SQLite store: nothing is half recorded, and with room it goes on."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from samples import NOW, claimed, created, finished, graph_step, status_of, success, value
from small_disk import on_a_small_disk

from taskmgr_core.errors import StoreError
from taskmgr_core.specs import Run
from taskmgr_core.stores.sqlite import SqliteMetadata

LARGE = "x" * 200_000


@pytest.fixture
def metadata(tmp_path: Path) -> Iterator[SqliteMetadata]:
    """An empty store."""
    store = SqliteMetadata(tmp_path / "metadata.sqlite3")
    store.initialize()
    yield store
    store.close()


class Room:
    """Lets SQLite's files grow to a size and no further, as a disk does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._connections: list[sqlite3.Connection] = []
        connect = sqlite3.connect

        def remembered(*arguments: object, **options: object) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*arguments, **options)  # type: ignore[call-overload]
            self._connections.append(connection)
            return connection

        monkeypatch.setattr(sqlite3, "connect", remembered)

    def leave(self, pages: int) -> None:
        """Leave room for so many further pages; SQLite itself answers SQLITE_FULL beyond them."""
        for connection in self._connections:
            (used,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {used + pages}")


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    """The room that the store's connections have."""
    return Room(monkeypatch)


def test_full_database_keeps_the_claim(room: Room, metadata: SqliteMetadata) -> None:
    """An outcome without room is refused whole, says why, and is recorded once there is room."""
    run = created(metadata, graph_step("001"), graph_step("002", ["001"]))
    claim = claimed(metadata)
    outcome = success(claim, LARGE)
    room.leave(2)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"metadata\.sqlite3: .*disk is full.*make room"):
            finished(metadata, claim, outcome)
        assert status_of(metadata, run) == {"001": "running", "002": "pending", "run": "running"}
        assert metadata.values(run.id) == []
    room.leave(10_000)
    assert [each.id for each in finished(metadata, claim, outcome).ready] == ["002"]
    assert metadata.values(run.id)[0].document == LARGE


def test_full_database_takes_no_run(room: Room, metadata: SqliteMetadata) -> None:
    """A run without room is refused whole; reading goes on."""
    kept = created(metadata, number=1)
    claimed(metadata)
    room.leave(2)
    with pytest.raises(StoreError, match="the disk is full: nothing was recorded"):
        created(metadata, number=2, values=[value("text", LARGE)])
    assert metadata.run(kept.id) == kept
    assert metadata.claim("w1", (), NOW) is None
    room.leave(10_000)
    added: Run = created(metadata, number=2, values=[value("text", LARGE)])
    assert claimed(metadata).step.run == added.id


def test_full_disk_keeps_the_claim(tmp_path: Path) -> None:
    """On a disk that is really full an outcome is refused; after making room it is recorded."""
    said = on_a_small_disk(
        tmp_path,
        """
        metadata = SqliteMetadata(home / "metadata.sqlite3")
        metadata.initialize()
        run = created(metadata)
        claim = claimed(metadata)
        outcome = success(claim, "x" * 100_000)
        ballast = fill(leave=40_000)
        for _ in range(3):
            print(refused(lambda: finished(metadata, claim, outcome)))
            assert status_of(metadata, run) == {"001": "running", "run": "running"}
        ballast.unlink()
        assert finished(metadata, claim, outcome).run_status == "succeeded"
        metadata.close()
        """,
    )
    lines = said.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert "metadata.sqlite3" in line
        assert "full" in line
        assert "make room" in line


@pytest.mark.parametrize("leave", [0, 4096, 8192, 16384, 40_000])
def test_full_disk_at_the_start_is_no_trap(tmp_path: Path, leave: int) -> None:
    """A store that cannot be created for want of room says so, and can be once there is some."""
    said = on_a_small_disk(
        tmp_path,
        f"""
        ballast = fill(leave={leave})
        metadata = SqliteMetadata(home / "metadata.sqlite3")
        print(refused(metadata.initialize))
        print(refused(metadata.initialize))
        ballast.unlink()
        metadata.initialize()
        run = created(metadata)
        assert finished(metadata, claimed(metadata)).run_status == "succeeded"
        metadata.close()
        """,
    )
    for line in said.splitlines():
        assert "metadata.sqlite3" in line
        assert "make room" in line
