"""Runs: recording, reading, carrying out what the engine says."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any

import attrs
from pymongo import DESCENDING, ReturnDocument

from taskmgr_core.errors import DamagedRecordError, NotFoundError
from taskmgr_core.orchestrator.engine import Command, Decide, DropElements, EndRun, MoveStep
from taskmgr_core.specs import (
    FINAL_RUN_STATUSES,
    SPLIT_STATUSES,
    Overview,
    ReadyStep,
    Run,
    RunStatus,
    RunSummary,
    Step,
    StepTimes,
)
from taskmgr_core.stores.metadata import COUNTED, RunFilter, first_look
from taskmgr_core.stores.mongodb import records
from taskmgr_core.stores.mongodb.database import Database, Document
from taskmgr_core.stores.mongodb.elements import Elements
from taskmgr_core.stores.progress import Progress


@attrs.frozen
class Runs:
    """The run documents.

    Attributes:
        database: where they are.
        history_seconds: how long a run is kept after its end; 0 for ever.
    """

    database: Database
    history_seconds: float = 0.0
    elements: Elements = attrs.field(
        default=attrs.Factory(lambda self: Elements(self.database), takes_self=True), init=False
    )

    def get(self, run_id: str) -> Run:
        """See ``MetadataStore.run``."""
        return records.run_from(self.find(run_id, {"plan": 0, "state": 0, "values": 0}))

    def summary(self, run_id: str) -> RunSummary:
        """See ``MetadataStore.summary``."""
        return records.summary_from(self.find(run_id, records.LISTED))

    def listing(self, wanted: RunFilter) -> list[RunSummary]:
        """See ``MetadataStore.runs``."""
        found = self.database.runs.find(wanted_documents(wanted), records.LISTED)
        page = found.sort("_id", DESCENDING).limit(wanted.limit)
        return [records.summary_from(document) for document in page]

    def status(self, run_id: str) -> RunStatus:
        """See ``MetadataStore.status``."""
        found = self.database.runs.find_one({"_id": run_id}, {"status": 1})
        if found is None:
            raise unknown(run_id)
        status: RunStatus = found["status"]
        return status

    def steps(self, run_id: str) -> list[Step]:
        """See ``MetadataStore.steps``."""
        found = self.database.runs.find_one({"_id": run_id}, {"state": 1, "order": 1})
        if found is None:
            return []
        return [records.step_from(found, step) for step in found["order"]]

    def request_cancel(self, run_id: str, decide: Decide, now: float) -> Progress:
        """See ``MetadataStore.request_cancel``."""
        document = self.database.durable.runs.find_one_and_update(
            {"_id": run_id, "status": "running"},
            {
                "$set": {"cancel_requested": True},
                "$inc": {"revision": 1},
                "$min": {"look_at": first_look(now)},
            },
            projection=records.WORKING,
            return_document=ReturnDocument.AFTER,
        )
        if document is None:
            return Progress(recorded=True, run_status=self.status(run_id))
        return self.advance(document, decide, now)

    def expire(self, decide: Decide, now: float) -> dict[str, Progress]:
        """See ``MetadataStore.expire``."""
        found: dict[str, Progress] = {}
        overdue = self.database.runs.find({"deadline": {"$lte": now}}, {"_id": 1})
        for each in [document["_id"] for document in overdue]:
            document = self.database.durable.runs.find_one_and_update(
                {"_id": each, "status": "running", "expired_at": {"$exists": False}},
                {
                    "$set": {"expired_at": now},
                    "$unset": {"deadline": ""},
                    "$inc": {"revision": 1},
                    "$min": {"look_at": first_look(now)},
                },
                projection=records.WORKING,
                return_document=ReturnDocument.AFTER,
            )
            if document is not None:
                found[each] = self.advance(document, decide, now)
        return found

    def reconcile(self, run_id: str, decide: Decide, now: float) -> Progress:
        """See ``MetadataStore.reconcile``."""
        document = self.database.durable.runs.find_one({"_id": run_id}, records.WORKING)
        if document is None:
            raise unknown(run_id)
        return self.advance(document, decide, now)

    def advance(self, document: Document, decide: Decide, now: float) -> Progress:
        """Carry out what the engine says of a run as it was just read.

        Whoever else has changed the run meanwhile makes the conditions fail; then it is
        read and decided again, so that two who finish at once lead to one result.
        """
        while True:
            commands = decide(records.engine_state(document, self.elements.states(document)))
            for command in commands:
                if isinstance(command, DropElements):
                    self.elements.drop(document, command.step, now)
            commands = tuple(each for each in commands if not isinstance(each, DropElements))
            if not commands:
                return self._filled(
                    document, Progress(recorded=True, run_status=document["status"]), now
                )
            changes = self.changes(document, commands, now)
            update: Document = {"$set": changes.fields, "$inc": {"revision": 1}}
            if changes.ended:
                update["$unset"] = {"look_at": "", "deadline": ""}
            elif changes.ready:
                update["$min"] = {"look_at": first_look(now)}
            outcome = self.database.durable.runs.update_one(
                {"_id": document["_id"], **changes.conditions}, update
            )
            if outcome.matched_count:
                if "expires_at" in changes.fields and self._has_elements(document):
                    self.elements.expire(document["_id"], changes.fields["expires_at"])
                return self._filled(document, changes.progress, now)
            again = self.database.durable.runs.find_one({"_id": document["_id"]}, records.WORKING)
            if again is None:
                raise unknown(document["_id"])
            document = again

    def _filled(self, document: Document, progress: Progress, now: float) -> Progress:
        """What is to be announced, with the elements that may begin now."""
        split = records.with_status(document, *SPLIT_STATUSES)
        if not split:
            return progress
        ready = self.elements.fill(document, now)
        looks = {records.in_state(step, "look_at"): first_look(now) for step in split}
        self.database.runs.update_one(
            {"_id": document["_id"], "status": "running"},
            {"$set": looks, "$inc": {"revision": 1}, "$min": {"look_at": first_look(now)}},
        )
        return attrs.evolve(progress, ready=(*progress.ready, *ready))

    def _has_elements(self, document: Document) -> bool:
        return any("generation" in state for state in document["state"].values())

    def overview(self, since: float) -> Overview:
        """See ``MetadataStore.overview``."""
        ended = {
            status: self._count({"status": status, "finished_at": {"$gte": since}})
            for status in sorted(FINAL_RUN_STATUSES)
        }
        return Overview(self._count({"status": "running"}), ended)

    def latest_times(self, runs: int, known: Collection[str]) -> list[StepTimes]:
        """See ``MetadataStore.latest_times``; of the states the server sends the times alone."""
        newest = self.database.runs.find({}, {"_id": 1}).sort("_id", DESCENDING).limit(runs)
        wanted = [each["_id"] for each in newest if each["_id"] not in known]
        if not wanted:
            return []
        found = self.database.runs.aggregate(
            [{"$match": {"_id": {"$in": wanted}}}, {"$project": records.TIMES}]
        )
        return [
            times
            for document in sorted(found, key=lambda each: str(each["_id"]), reverse=True)
            for times in records.times_from(document)
        ]

    def _count(self, query: Document) -> int:
        return self.database.runs.count_documents(query, limit=COUNTED)

    def damaged(self) -> Iterator[DamagedRecordError]:
        """What cannot be read of the runs, one document in memory at a time."""
        for document in self.database.runs.find({}):
            yield from records.check(document)

    def changes(self, document: Document, commands: tuple[Command, ...], now: float) -> Changes:
        """What commands change, and what has to be so that they may."""
        return changes_of(document, commands, now, self.history_seconds)

    def find(self, run_id: str, projection: Document) -> Document:
        """The run of that id, of an unambiguous beginning of it, or of its last characters.

        Raises:
            NotFoundError: no such run, or several.
        """
        text = run_id.lower()
        queries: list[Document] = [{"_id": run_id}]
        if run_id:
            queries += [{"short": text}, {"_id": {"$gte": text, "$lt": text + "~"}}]
        for query in queries:
            found = list(self.database.runs.find(query, projection).sort("_id", 1).limit(2))
            if len(found) > 1:
                raise NotFoundError(
                    f"several runs begin or end with {run_id!r}; give more of the id"
                )
            if found:
                return found[0]
        raise unknown(run_id)


def wanted_documents(wanted: RunFilter) -> Document:
    """The query of a filter."""
    query: Document = {"_id": {"$lt": wanted.before or "~"}}
    if wanted.status is not None:
        query["status"] = wanted.status
    if wanted.name is not None:
        query["name"] = wanted.name
    return query


@attrs.frozen
class Changes:
    """One update of a run document.

    Attributes:
        conditions: what must still be so.
        fields: what is set.
        ready: the steps that become ready by it.
        status: the run's status after it.
    """

    conditions: Document
    fields: Document
    ready: tuple[ReadyStep, ...]
    status: RunStatus

    @property
    def ended(self) -> bool:
        """Whether it ends the run."""
        return self.status != "running"

    @property
    def progress(self) -> Progress:
        """What it comes to, once it is carried out."""
        return Progress(recorded=True, ready=self.ready, run_status=self.status, ended=self.ended)


def changes_of(
    document: Document, commands: tuple[Command, ...], now: float, history_seconds: float
) -> Changes:
    """The update that carries out commands, and the state of the steps after it.

    Arguments:
        document: the run; the moved steps' states in it are changed as the update does.
        commands: what the engine said.
        now: UTC seconds.
        history_seconds: how long an ended run is kept; 0 for ever.
    """
    conditions: Document = {}
    fields: Document = {}
    ready = []
    status: RunStatus = document["status"]
    for command in commands:
        if isinstance(command, MoveStep):
            conditions[records.in_state(command.step, "status")] = command.before
            moved = _moved(command, now)
            records.state_of(document, command.step).update(moved)
            fields |= {records.in_state(command.step, name): value for name, value in moved.items()}
            if command.status == "ready":
                ready.append(records.ready_step(document, command.step))
        elif isinstance(command, EndRun):
            conditions["status"] = "running"
            status = command.status
            fields |= _ended(document, command, now, history_seconds)
    return Changes(conditions, fields, tuple(ready), status)


def _moved(command: MoveStep, now: float) -> dict[str, Any]:
    if command.status == "ready":
        return {"status": "ready", "ready_at": now, "look_at": first_look(now)}
    return {"status": command.status, "finished_at": now, "look_at": None}


def _ended(document: Document, command: EndRun, now: float, history_seconds: float) -> Document:
    failure = records.run_failure(document) if command.status == "failed" else None
    fields: Document = {"status": command.status, "finished_at": now, "failure": failure}
    if history_seconds:
        fields["expires_at"] = datetime.fromtimestamp(now + history_seconds, UTC)
    return fields


def unknown(run_id: str) -> NotFoundError:
    """There is no such run."""
    return NotFoundError(
        f"no run {run_id!r}; `taskmgr runs` lists them, newest first (a run is named by its "
        f"id, the beginning of it, or its last {records.SHORT} characters)"
    )
