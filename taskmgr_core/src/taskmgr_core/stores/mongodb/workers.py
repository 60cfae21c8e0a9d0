"""Workers and log lines."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby

import attrs
from pymongo import DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from taskmgr_core import documents
from taskmgr_core.specs import LogLine, Orders, Worker
from taskmgr_core.stores.mongodb.database import Database, Document
from taskmgr_core.stores.records import intact, stored_by_any

FORGET_SECONDS = 3600.0
# A line's number is its batch's place in the log times this, and its place in the batch.
BATCH_LINES = 10_000
REMEMBERED = 1000
_ORDERS = {"leave": 1, "ping": 1}


@attrs.frozen
class Workers:
    """Who lives.

    Attributes:
        database: where the beats are.
    """

    database: Database

    def beat(self, worker: Worker) -> Orders:
        """See ``MetadataStore.beat``; the server forgets who was silent for an hour."""
        fields = {
            "heartbeat": worker.heartbeat,
            "seen_at": datetime.fromtimestamp(worker.heartbeat, UTC),
            "document": documents.dumps(worker),
        }
        return _orders(
            self.database.workers.find_one_and_update(
                {"_id": worker.id},
                {"$set": fields},
                projection=_ORDERS,
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        )

    def order(self, worker_id: str, orders: Orders) -> bool:
        """See ``MetadataStore.order``."""
        fields = {"ping": orders.ping} if orders.ping else {}
        if orders.leave == "now":
            fields["leave"] = "now"
        if fields:
            done = self.database.workers.update_one({"_id": worker_id}, {"$set": fields})
            if not done.matched_count:
                return False
        if orders.leave == "drain":
            # A later word to leave now stands above an earlier one to take the time.
            self.database.workers.update_one(
                {"_id": worker_id, "leave": {"$ne": "now"}}, {"$set": {"leave": "drain"}}
            )
        return self.database.workers.find_one({"_id": worker_id}, {"_id": 1}) is not None

    def orders(self, worker_id: str) -> Orders:
        """See ``MetadataStore.orders``."""
        return _orders(self.database.workers.find_one({"_id": worker_id}, _ORDERS))

    def remove(self, worker_id: str) -> None:
        """See ``MetadataStore.remove_worker``."""
        self.database.workers.delete_one({"_id": worker_id})

    def listing(self) -> list[Worker]:
        """See ``MetadataStore.workers``; the server removes the forgotten ones when it likes."""
        found = list(self.database.workers.find({}).sort("_id", 1))
        latest = max((each["heartbeat"] for each in found), default=0.0)
        return intact(
            [each for each in found if each["heartbeat"] >= latest - FORGET_SECONDS],
            lambda each: stored_by_any(
                each["document"], Worker, f"the stored worker {each['_id']}", ""
            ),
        )


def _orders(found: Document | None) -> Orders:
    return Orders() if found is None else Orders(found.get("leave", ""), found.get("ping", ""))


@attrs.define
class Log:
    """What tasks wrote: batches of lines, numbered without a gap within each run.

    A batch takes the number after the last one; of two writers that take the same one
    the index refuses the second, which takes the next. So a reader who has seen one
    number has seen all before it.

    Attributes:
        database: where the batches are.
        history_seconds: how long they are kept; 0 for ever.
    """

    database: Database
    history_seconds: float = 0.0
    _last: OrderedDict[str, int] = attrs.field(factory=OrderedDict, init=False, repr=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def append(self, lines: Sequence[LogLine]) -> None:
        """See ``MetadataStore.append_log``."""
        for run_id, of_run in groupby(lines, key=lambda line: line.run):
            batch = list(of_run)
            for begin in range(0, len(batch), BATCH_LINES):
                self._append(run_id, batch[begin : begin + BATCH_LINES])

    def read(self, run_id: str, after: int, limit: int) -> list[LogLine]:
        """See ``MetadataStore.log``."""
        found = self.database.log.find(
            {"run": run_id, "sequence": {"$gte": after // BATCH_LINES}}
        ).sort("sequence", 1)
        lines: list[LogLine] = []
        for document in found:
            lines += [line for line in _lines(document) if line.number > after]
            if len(lines) >= limit:
                break
        return lines[:limit]

    def _append(self, run_id: str, lines: Sequence[LogLine]) -> None:
        document: Document = {
            "run": run_id,
            "lines": [
                [line.step, line.attempt, line.time, line.stream, line.text] for line in lines
            ],
        }
        if self.history_seconds:
            until = lines[-1].time + self.history_seconds
            document["expires_at"] = datetime.fromtimestamp(until, UTC)
        while True:
            document["sequence"] = self._next(run_id)
            document.pop("_id", None)
            try:
                self.database.log.insert_one(document)
            except DuplicateKeyError:
                self._forget(run_id)
                continue
            return

    def _next(self, run_id: str) -> int:
        with self._lock:
            if run_id in self._last:
                self._last.move_to_end(run_id)
                self._last[run_id] += 1
                return self._last[run_id]
        newest = self.database.log.find_one(
            {"run": run_id}, {"sequence": 1}, sort=[("sequence", DESCENDING)]
        )
        with self._lock:
            self._last[run_id] = max(
                self._last.get(run_id, 0), (newest["sequence"] if newest else 0) + 1
            )
            while len(self._last) > REMEMBERED:
                self._last.popitem(last=False)
            return self._last[run_id]

    def _forget(self, run_id: str) -> None:
        with self._lock:
            self._last.pop(run_id, None)


def _lines(document: Document) -> Iterator[LogLine]:
    first = document["sequence"] * BATCH_LINES
    for place, (step, attempt, time, stream, text) in enumerate(document["lines"]):
        yield LogLine(first + place, document["run"], step, attempt, time, stream, text)
