"""Steps that a limit holds back: where they stand, and how the next of them is found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
from pymongo import ASCENDING, ReturnDocument

from taskmgr_core.specs import Claim, ReadyStep, Step, is_element
from taskmgr_core.stores.metadata import first_look
from taskmgr_core.stores.mongodb import records
from taskmgr_core.stores.mongodb.database import Database, Document

# So many that were cancelled meanwhile are taken out before the rest is left to a later look.
TRIES = 500
_BREAK = "\n"
_LOWEST = 9


@attrs.frozen
class WaitingSteps:
    """Steps that are ready and held back.

    Each is a text in its run's document, or in its element's own: the limit's label, then
    what sorts by priority and time, then the step.

    Attributes:
        database: where they are.
    """

    database: Database

    def hold_back(
        self, claim: Claim, state: Document, label: str, since: float
    ) -> ReadyStep | None:
        """Make a step that was claimed ready again.

        Arguments:
            claim: of the step.
            state: the fields of its state that change.
            label: of the limit that it is to be woken for; empty where it knows when to try.
            since: UTC seconds since when it has been ready.

        Returns:
            The step; None when the claim is not held any more, or is to be stopped.
        """
        step = claim.step
        going_on: Document = {"cancel_requested": False}
        if not claim.graph_step.handles_failure:
            going_on["expired_at"] = {"$exists": False}
        if is_element(step.id):
            if self.database.runs.find_one({"_id": step.run, **going_on}, {"_id": 1}) is None:
                return None
            return self._hold_element_back(step, state, label, since)
        update: Document = {
            "$set": {records.in_state(step.id, name): each for name, each in state.items()},
            "$inc": {"revision": 1},
            "$pull": {"running": {"step": step.id}},
            "$min": {"look_at": state["look_at"]},
        }
        if label:
            update["$addToSet"] = {"held_back": _entry(label, step, since)}
        document = self.database.runs.find_one_and_update(
            {**_fence(step), **going_on},
            update,
            projection=records.LISTED,
            return_document=ReturnDocument.AFTER,
        )
        return None if document is None else records.ready_step(document, step.id)

    def _hold_element_back(
        self, step: Step, state: Document, label: str, since: float
    ) -> ReadyStep | None:
        held = {"held_back": _entry(label, step, since)} if label else {}
        document = self.database.elements.find_one_and_update(
            _element_fence(step), {"$set": {**state, **held}}, return_document=ReturnDocument.AFTER
        )
        return None if document is None else _ready_element(document)

    def is_held(self, step: Step) -> bool:
        """Whether the claim is held still."""
        if is_element(step.id):
            found = self.database.elements.find_one(_element_fence(step), {"_id": 1})
        else:
            found = self.database.runs.find_one(_fence(step), {"_id": 1})
        return found is not None

    def admitted(self, step: Step) -> bool:
        """Record that a step waits no more; False when the claim is not held any more."""
        since = step.ready_at if step.waits_since is None else step.waits_since
        state = {"waits_for": "", "waits_since": None, "ready_at": since}
        if is_element(step.id):
            done = self.database.elements.update_one(
                _element_fence(step), {"$set": state, "$unset": {"held_back": ""}}
            )
            return bool(done.matched_count)
        fields = {records.in_state(step.id, name): each for name, each in state.items()}
        done = self.database.runs.update_one(
            _fence(step), {"$set": fields, "$inc": {"revision": 1}}
        )
        return bool(done.matched_count)

    def wake(
        self, label: str, now: float, due: float = 0.0, *, unheard: bool = False
    ) -> ReadyStep | None:
        """Have the step try that comes next of those that a limit holds back; None for none.

        Arguments:
            label: of the limit.
            now: UTC seconds.
            due: UTC seconds at which it is to try.
            unheard: whether nobody is told of it, so that it is to be looked after at once.
        """
        look_at = now if unheard else first_look(now, due)
        for _ in range(TRIES):
            found = min(self._next(label), default=None)
            if found is None:
                return None
            entry, run_id = found
            told = self._woken(run_id, entry, now, due, look_at)
            if told is not None:
                return told
        return None

    def labels(self, limit: int) -> Iterator[str]:
        """The label of the limit that each step waits for that is held back."""
        held = {"held_back": {"$gt": ""}}
        for document in self.database.runs.find(held, {"held_back": 1, "state": 1}).limit(limit):
            for entry in document["held_back"]:
                label, _, step = entry.split(_BREAK)
                if records.state_of(document, step)["status"] == "ready":
                    yield label
        held_ready = {**held, "status": "ready"}
        for document in self.database.elements.find(held_ready, {"held_back": 1}).limit(limit):
            yield document["held_back"].split(_BREAK)[0]

    def _next(self, label: str) -> Iterator[tuple[str, str]]:
        """The first of the steps, and the first of the elements, each with its run's id."""
        bounds = {"$gte": f"{label}{_BREAK}", "$lt": f"{label}{_BREAK}~"}
        found = self.database.runs.find({"held_back": {"$elemMatch": bounds}}, {"held_back": 1})
        for document in found.sort("held_back", ASCENDING).limit(1):
            own = [each for each in document["held_back"] if each.split(_BREAK)[0] == label]
            yield min(own), document["_id"]
        elements = self.database.elements.find({"held_back": bounds}, {"held_back": 1, "run": 1})
        for document in elements.sort("held_back", ASCENDING).limit(1):
            yield document["held_back"], document["run"]

    def _woken(
        self, run_id: str, entry: str, now: float, due: float, look_at: float
    ) -> ReadyStep | None:
        """Wake a step; None where it is not held back any more, which then is put right."""
        _, order, step = entry.split(_BREAK)
        state: dict[str, Any] = {
            "not_before": due,
            "ready_at": due if due > now else float(order[1:]),
            "look_at": look_at,
        }
        if is_element(step):
            found = self.database.elements.find_one_and_update(
                {"_id": f"{run_id}/{step}", "held_back": entry, "status": "ready"},
                {"$set": state, "$unset": {"held_back": ""}},
                return_document=ReturnDocument.AFTER,
            )
            if found is None:
                self.database.elements.update_one(
                    {"_id": f"{run_id}/{step}"}, {"$unset": {"held_back": ""}}
                )
            return None if found is None else _ready_element(found)
        document = self.database.runs.find_one_and_update(
            {"_id": run_id, "held_back": entry, records.in_state(step, "status"): "ready"},
            {
                "$set": {records.in_state(step, name): each for name, each in state.items()},
                "$pull": {"held_back": entry},
                "$inc": {"revision": 1},
                "$min": {"look_at": state["look_at"]},
            },
            projection=records.LISTED,
            return_document=ReturnDocument.AFTER,
        )
        if document is None:
            self.database.runs.update_one({"_id": run_id}, {"$pull": {"held_back": entry}})
        return None if document is None else records.ready_step(document, step)


def _entry(label: str, step: Step, since: float) -> str:
    return _BREAK.join([label, f"{_LOWEST - step.priority}{since:017.6f}", step.id])


def _fence(step: Step) -> Document:
    return {
        "_id": step.run,
        records.in_state(step.id, "status"): "running",
        records.in_state(step.id, "attempt"): step.attempt,
        records.in_state(step.id, "worker"): step.worker,
    }


def _element_fence(step: Step) -> Document:
    return {
        "_id": f"{step.run}/{step.id}",
        "status": "running",
        "attempt": step.attempt,
        "worker": step.worker,
    }


def _ready_element(document: Document) -> ReadyStep:
    as_run = {"_id": document["run"], "state": {document["name"]: document}}
    return records.ready_step(as_run, document["name"])
