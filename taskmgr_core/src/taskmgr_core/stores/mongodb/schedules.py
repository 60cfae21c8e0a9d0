"""Schedules and what they have fired."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
from pymongo import DESCENDING
from pymongo.errors import DuplicateKeyError

from taskmgr_core import documents
from taskmgr_core.errors import DamagedRecordError
from taskmgr_core.specs import Firing, Schedule
from taskmgr_core.stores.mongodb.database import Database, Document
from taskmgr_core.stores.records import intact
from taskmgr_core.stores.schedules import schedule_from

_LEASE = "scheduler"


@attrs.frozen
class MongoSchedules:
    """Implements ``ScheduleStore``; what each method promises stands there.

    Attributes:
        database: where they are.
    """

    database: Database

    def damaged(self) -> Iterator[DamagedRecordError]:
        """What cannot be read of the schedules."""
        for document in self.database.durable.schedules.find({}):
            try:
                from_document(document)
            except DamagedRecordError as error:
                yield error

    def add(self, schedule: Schedule) -> bool:
        """Record a new schedule."""
        with self.database.translated():
            try:
                self.database.durable.schedules.insert_one(
                    {"_id": schedule.name, **_fields(schedule)}
                )
            except DuplicateKeyError:
                return False
        return True

    def put(self, schedule: Schedule) -> bool:
        """Record what has changed of a schedule."""
        after = attrs.evolve(schedule, revision=schedule.revision + 1)
        wanted = {"_id": schedule.name, "revision": schedule.revision}
        with self.database.translated():
            done = self.database.durable.schedules.update_one(wanted, {"$set": _fields(after)})
        return done.matched_count == 1

    def remove(self, name: str) -> bool:
        """Remove a schedule and what it has fired."""
        with self.database.translated():
            done = self.database.durable.schedules.delete_one({"_id": name})
            self.database.durable.firings.delete_many({"schedule": name})
        return done.deleted_count == 1

    def listing(self) -> list[Schedule]:
        """Every schedule."""
        with self.database.translated():
            found = list(self.database.durable.schedules.find({}).sort("_id", 1))
        return intact(found, from_document)

    def fire(self, firing: Firing) -> Firing:
        """Record a firing, unless it is there; the index refuses a second one."""
        firings = self.database.durable.firings
        with self.database.translated():
            try:
                firings.insert_one(attrs.asdict(firing))
            except DuplicateKeyError:
                found = firings.find_one({"schedule": firing.schedule, "at": firing.at})
                # It is gone where the schedule was removed in between: nothing is to be run.
                return _firing(found) if found else attrs.evolve(firing, submitted=True)
        return firing

    def submitted(self, firing: Firing) -> None:
        """Record that its run is recorded."""
        with self.database.translated():
            self.database.durable.firings.update_one(
                {"schedule": firing.schedule, "at": firing.at},
                {"$set": {"submitted": True, "problem": firing.problem}},
            )

    def firings(self, name: str, limit: int) -> list[Firing]:
        """What a schedule has fired."""
        with self.database.translated():
            found = self.database.durable.firings.find({"schedule": name})
            return [_firing(each) for each in found.sort("at", DESCENDING).limit(limit)]

    def lead(self, who: str, now: float, seconds: float) -> bool:
        """Be the one that fires; where somebody else is, there is nothing to update or to add."""
        wanted = {"_id": _LEASE, "$or": [{"holder": who}, {"until": {"$lte": now}}]}
        said = {"$set": {"holder": who, "until": now + seconds}}
        with self.database.translated():
            try:
                self.database.durable.leases.update_one(wanted, said, upsert=True)
            except DuplicateKeyError:
                return False
        return True

    def let_go(self, who: str) -> None:
        """Be no longer the one that fires."""
        with self.database.translated():
            self.database.durable.leases.delete_one({"_id": _LEASE, "holder": who})


def from_document(document: Document) -> Schedule:
    """A schedule as it is recorded."""
    return schedule_from(document["_id"], document["document"])


def _fields(schedule: Schedule) -> Document:
    return {"revision": schedule.revision, "document": documents.dumps(schedule)}


def _firing(document: Document) -> Firing:
    return Firing(**{name: document[name] for name in attrs.fields_dict(Firing)})
