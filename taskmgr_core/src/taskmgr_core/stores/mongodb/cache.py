"""What steps have made of their inputs, kept to be taken again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import attrs

from taskmgr_core import documents
from taskmgr_core.specs import CacheEntry, CacheUse
from taskmgr_core.stores.cache import expiry_of, outputs_from
from taskmgr_core.stores.mongodb.database import Database, Document


@attrs.frozen
class MongoCache:
    """Implements ``CacheStore``; what each method promises stands there.

    The server forgets what nobody has taken for long.

    Attributes:
        database: where they are.
    """

    database: Database

    def take(self, key: str, now: float, keep: float) -> CacheEntry | None:
        """The entry of a key: one conditional update."""
        until = _moment(expiry_of(now, keep))
        with self.database.translated():
            found = self.database.cache.find_one_and_update(
                {"_id": key, **_live(now)},
                {"$inc": {"hits": 1}, "$set": {"expires_at": until}},
            )
        return None if found is None else _entry_from(found, expiry_of(now, keep))

    def put(self, entry: CacheEntry) -> None:
        """Record an entry in place of an earlier one."""
        document = {
            "_id": entry.key,
            "task": entry.task,
            "version": entry.version,
            "source": entry.source,
            "outputs": documents.dumps(entry.outputs),
            "size": entry.size,
            "seconds": entry.seconds,
            "hits": 0,
            "expires_at": _moment(entry.expires_at),
        }
        with self.database.translated():
            self.database.cache.replace_one({"_id": entry.key}, document, upsert=True)

    def drop(self, key: str) -> None:
        """Remove the entry of a key."""
        with self.database.translated():
            self.database.cache.delete_one({"_id": key})

    def uses(self, now: float) -> list[CacheUse]:
        """What is kept of each task."""
        with self.database.translated():
            return self._uses(_live(now))

    def clear(self, task: str | None, now: float) -> list[CacheUse]:
        """Remove what is kept of a task, or of all."""
        wanted: Document = {} if task is None else {"task": task}
        with self.database.translated():
            found = self._uses({**wanted, **_live(now)})
            self.database.cache.delete_many(wanted)
        return found

    def _uses(self, wanted: Document) -> list[CacheUse]:
        found = self.database.cache.aggregate(
            [
                {"$match": wanted},
                {
                    "$group": {
                        "_id": "$task",
                        "entries": {"$sum": 1},
                        "size": {"$sum": "$size"},
                        "hits": {"$sum": "$hits"},
                        "saved": {"$sum": {"$multiply": ["$hits", "$seconds"]}},
                    }
                },
                {"$sort": {"_id": 1}},
            ]
        )
        return [
            CacheUse(each["_id"], each["entries"], each["size"], each["hits"], each["saved"])
            for each in found
        ]


def _live(now: float) -> Document:
    """What has not expired; the server looks for what has only once a minute."""
    return {"$or": [{"expires_at": None}, {"expires_at": {"$gt": _moment(now)}}]}


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _entry_from(document: dict[str, Any], expires_at: float | None) -> CacheEntry:
    return CacheEntry(
        key=document["_id"],
        task=document["task"],
        version=document["version"],
        source=document["source"],
        outputs=outputs_from(document["_id"], document["outputs"]),
        seconds=document["seconds"],
        expires_at=expires_at,
    )
