"""The audit log as every metadata store keeps it: whole, in order, and watched over."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from implementations import Place
from pymongo import MongoClient
from samples import NOW

from taskmgr_core.accounts.auditing import AuditLog
from taskmgr_core.accounts.verifying import mark_as_text, mark_from, verified
from taskmgr_core.errors import InvalidValueError, StoreAwayError
from taskmgr_core.specs.accounts import AuditEntry, AuditMark
from taskmgr_core.stores.accounts import AccountStore, entry_from
from taskmgr_core.stores.metadata import MetadataStore

Meddle = Callable[[str, int, dict[str, Any] | None], None]
# What a column is called in the model.
NAMES = {"document": "text"}


def entry(number: int, workspace: str = "red", at: float | None = None) -> AuditEntry:
    """What somebody did."""
    moment = NOW + number if at is None else at
    return AuditEntry(moment, "ada", "1", workspace, "run.submit", f"run {number}", "done", "here")


def targets(store: AccountStore) -> list[str]:
    """What the lines are about, the oldest first."""
    return [entry_from(each).target for each in store.audit_after(0, 1000)]


@pytest.fixture
def store(metadata: MetadataStore) -> AccountStore:
    """An audit log with five lines."""
    metadata.accounts.append_audit([entry(number) for number in range(1, 4)])
    metadata.accounts.append_audit([entry(4, "blue"), entry(5)])
    return metadata.accounts


@pytest.fixture
def meddle(metadata_place: Place) -> Iterator[Meddle]:
    """Changes fields of a line, or removes it, past the store: as who can write it might."""
    url = metadata_place.where.partition(" ")[0]
    with contextlib.ExitStack() as stack:
        if metadata_place.kind == "mongodb":
            client: MongoClient[Any] = stack.enter_context(MongoClient(url))
            database = client.get_default_database()

            def change(table: str, number: int, fields: dict[str, Any] | None) -> None:
                key = "number" if table == "audit_marks" else "_id"
                if fields is None:
                    database[table].delete_one({key: number})
                else:
                    database[table].update_one({key: number}, {"$set": fields})

        else:
            path = Path(metadata_place.where) / "metadata.sqlite3"
            connection = stack.enter_context(contextlib.closing(sqlite3.connect(path)))

            def change(table: str, number: int, fields: dict[str, Any] | None) -> None:
                with connection:
                    if fields is None:
                        connection.execute(f"DELETE FROM {table} WHERE number = ?", (number,))  # noqa: S608
                    for name, value in (fields or {}).items():
                        statement = f"UPDATE {table} SET {name} = ? WHERE number = ?"  # noqa: S608
                        connection.execute(statement, (value, number))

        yield change


def test_lines_are_read_in_pages_from_either_end(store: AccountStore) -> None:
    """Each once; those of one workspace alone where that is asked for."""
    first = store.audit_page(None, 3)
    assert [each.number for each in first] == [5, 4, 3]
    assert [each.number for each in store.audit_page(3, 3)] == [2, 1]
    assert [each.number for each in store.audit_page(None, 9, "blue")] == [4]
    assert [each.number for each in store.audit_page(5, 2, "red")] == [3, 2]
    assert [each.number for each in store.audit_after(3, 9)] == [4, 5]
    assert targets(store) == [f"run {number}" for number in range(1, 6)]


def test_log_as_it_was_written_has_no_faults(store: AccountStore) -> None:
    """Nor has an empty one; its end is what is to be noted."""
    found = verified(store)
    assert (found.lines, found.forgotten, found.end.number, found.faults) == (5, 0, 5, ())
    assert mark_from(mark_as_text(found.end)) == found.end
    store.append_audit([entry(6)])
    assert verified(store, found.end).faults == ()


CHANGED: Sequence[tuple[int, dict[str, Any], list[str]]] = (
    (2, {"document": "{}"}, ["line 2 was changed", "line 2 of the audit log is damaged"]),
    (2, {"at": 1.0}, ["line 2 is looked for as what it is not"]),
    (2, {"workspace": "blue"}, ["line 2 is looked for as what it is not"]),
    (2, {"previous": "0"}, ["line 2 does not follow", "line 2 was changed"]),
    (2, {"hash": "0"}, ["line 2 was changed", "line 3 does not follow"]),
    (5, {"hash": "0"}, ["line 5 was changed", "line 5 is another than"]),
)


def test_changed_line_is_noticed(store: AccountStore, meddle: Meddle) -> None:
    """Wherever it stands, and whatever of it was changed; put right again, all is well."""
    for number, fields, said in CHANGED:
        (line,) = store.audit_after(number - 1, 1)
        before = {name: getattr(line, NAMES.get(name, name)) for name in fields}
        meddle("audit", number, fields)
        faults = verified(store).faults
        assert [fault[: len(each)] for fault, each in zip(faults, said, strict=True)] == said
        meddle("audit", number, before)
        assert verified(store).faults == ()


def test_missing_line_is_noticed(store: AccountStore, meddle: Meddle) -> None:
    """At the end, in between, and at the begin."""
    end = "lines 5 to 5 are missing at the end of the log"
    meddle("audit", 5, None)
    assert verified(store).faults == (end,)
    meddle("audit", 3, None)
    assert verified(store).faults == ("lines 3 to 3 are missing", end)
    meddle("audit", 1, None)
    assert verified(store).faults[0] == "lines 1 to 1 are missing"


def test_end_that_was_noted_unmasks_a_log_that_was_written_anew(
    store: AccountStore, meddle: Meddle
) -> None:
    """Its hashes fit one another, and the marks too: only not what somebody has noted."""
    noted = verified(store).end
    for number in range(1, 6):
        meddle("audit", number, None)
    begin = store.audit_marks()[0]
    meddle("audit_marks", 5, None)
    assert begin == AuditMark()
    store.append_audit([entry(10 + number) for number in range(5)])
    assert verified(store).faults == ()
    assert verified(store, noted).faults == ("line 5 is another than the one that was written",)


def test_old_lines_are_forgotten_and_the_chain_holds(store: AccountStore) -> None:
    """Only from the begin, without a gap; the newest stays, and what comes follows on it."""
    noted = verified(store).end
    assert store.forget_audit(NOW + 3) == 2
    assert targets(store) == ["run 3", "run 4", "run 5"]
    assert store.forget_audit(NOW + 3) == 0
    found = verified(store, noted)
    assert (found.lines, found.forgotten, found.faults) == (3, 2, ())
    assert store.forget_audit(NOW + 100) == 2
    store.append_audit([entry(6)])
    assert targets(store) == ["run 5", "run 6"]
    assert verified(store, noted).faults == ()
    (fault,) = verified(store, AuditMark(3, "0" * 64)).faults
    assert "line 3 was removed for its age" in fault


def test_line_of_a_clock_that_was_wrong_makes_no_gap(metadata: MetadataStore) -> None:
    """An old moment among newer ones goes with those before it, not by itself."""
    moments = [NOW, NOW + 9, NOW - 9, NOW + 10]
    metadata.accounts.append_audit([entry(n, at=each) for n, each in enumerate(moments)])
    assert metadata.accounts.forget_audit(NOW + 5) == 1
    assert verified(metadata.accounts).faults == ()
    assert len(metadata.accounts.audit_after(0, 9)) == 3


def test_processes_write_at_the_same_time(open_metadata: Callable[[], MetadataStore]) -> None:
    """Each line of each of them is there once, in one chain."""
    stores = [open_metadata().accounts for _ in range(3)]
    together = threading.Barrier(len(stores))

    def write(place: int) -> None:
        together.wait()
        for round_ in range(6):
            numbers = range(3 * round_, 3 * round_ + 3)
            stores[place].append_audit([entry(100 * place + each) for each in numbers])

    threads = [threading.Thread(target=write, args=[place]) for place in range(len(stores))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found = targets(stores[0])
    for place in range(len(stores)):
        own = [each for each in found if int(each.split()[1]) // 100 == place]
        assert own == [f"run {100 * place + each}" for each in range(18)]
    assert verified(stores[0]).faults == ()


def test_place_in_the_log_is_read_strictly() -> None:
    """What is none is refused with the form that is wanted."""
    for text in ("", "5", "5:abc", f"x:{'0' * 64}", f"5:{'0' * 65}"):
        with pytest.raises(InvalidValueError, match="NUMBER:HASH"):
            mark_from(text)


@attrs.define
class Away:
    """A store that is away for some calls; another one behind it."""

    store: AccountStore
    times: int
    groups: list[int] = attrs.field(factory=list)

    def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Fails, then does it."""
        if self.times:
            self.times -= 1
            raise StoreAwayError("away")
        self.groups.append(len(entries))
        self.store.append_audit(entries)


def test_entries_are_written_together_and_in_order(metadata: MetadataStore) -> None:
    """Hundreds take a few writes, so that submissions are hardly slower for them."""
    away = Away(metadata.accounts, 0)
    log = AuditLog(away)  # type: ignore[arg-type]
    for number in range(300):
        log.note(entry(number))
    log.close()
    assert targets(metadata.accounts) == [f"run {number}" for number in range(300)]
    assert len(away.groups) <= 5


def test_no_entry_is_lost_while_the_store_is_away(
    metadata: MetadataStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait, each is written once, and their order stays."""
    monkeypatch.setattr("taskmgr_core.accounts.auditing.TRY_AGAIN_SECONDS", 0.01)
    log = AuditLog(Away(metadata.accounts, 3))  # type: ignore[arg-type]
    for number in range(10):
        log.note(entry(number))
    assert log.flush()
    log.close()
    assert targets(metadata.accounts) == [f"run {number}" for number in range(10)]


def test_entry_that_is_to_be_there_at_once_is(metadata: MetadataStore) -> None:
    """Without waiting for others, or for the thread that writes them."""
    AuditLog(metadata.accounts).write(entry(1))
    assert targets(metadata.accounts) == ["run 1"]
