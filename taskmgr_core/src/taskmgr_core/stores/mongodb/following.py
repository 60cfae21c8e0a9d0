"""What follows on a step that succeeded, found beside it.

A run is one document. Of a large one each claim and each decision would be sent all, and a run of
a thousand steps would be sent a thousand times. What does not change of it is therefore read once
in a process; with that it is known what has to be read beside a step: what takes its outputs, and
what that waits for. Whatever else may follow, or is not known, is decided on the whole document.

A process that is killed between its two writes leaves steps that nobody decides on any more. They
are found by whoever next looks at the whole run: that is done after some steps in any case, and
when nothing is left that could run.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping

import attrs
from pymongo import ReturnDocument

from taskmgr_core.errors import DamagedRecordError
from taskmgr_core.orchestrator.engine import Decide, MoveStep, RunState
from taskmgr_core.specs import FINAL_STEP_STATUSES, SPLIT_STATUSES
from taskmgr_core.stores.metadata import first_look
from taskmgr_core.stores.mongodb import records
from taskmgr_core.stores.mongodb.database import Database, Document
from taskmgr_core.stores.mongodb.runs import Runs, unknown
from taskmgr_core.stores.progress import Progress

REMEMBERED = 1000
KNOWN_RUNS = 16
# A run of fewer steps is read as a whole: what would be left out is less than what is asked.
LARGE = 32
# Of a step that waits for more than so many others one of them is read, that has not ended.
FEW = 16
# So many that take a step's outputs are read beside it; with more the whole run is.
MANY = 200
# After so many steps a process looks at the whole run in any case.
WHOLE_EVERY = 64

_ALL_OTHERS = ""  # stands for the steps that are not looked at, as long as one of them is left
_NEAR = "near"  # marks a document that was read in part
_STATIC = ("order", "after", "plan", "rules")
_FLAGS = ("status", "cancel_requested", "expired_at", "revision", "running", "whole")
_ACTIVE = ("ready", "running", *SPLIT_STATUSES)


@attrs.define
class Seen:
    """Run documents as they were when a step of them was claimed, the newest at the end."""

    documents: OrderedDict[tuple[str, str], Document] = attrs.field(factory=OrderedDict)
    lock: threading.Lock = attrs.field(factory=threading.Lock)

    def put(self, step_id: str, document: Document) -> None:
        """Keep a document."""
        with self.lock:
            self.documents[document["_id"], step_id] = document
            while len(self.documents) > REMEMBERED:
                self.documents.popitem(last=False)

    def pop(self, run_id: str, step_id: str) -> Document | None:
        """The document of a claim; None where it is not known any more."""
        with self.lock:
            return self.documents.pop((run_id, step_id), None)


@attrs.define
class _Known:
    """What does not change of a large run, and what was last seen of the rest.

    Attributes:
        static: the fields of its document that stay.
        takers: step -> those that take its outputs.
        waiting: step that waits for many -> the last of them that had not ended.
        since_whole: how many steps were decided on since all of it was seen.
    """

    static: Document
    takers: Mapping[str, tuple[str, ...]]
    waiting: dict[str, str] = attrs.field(factory=dict)
    since_whole: int = 0

    def after(self, step_id: str) -> tuple[str, ...]:
        """What a step waits for."""
        return tuple(self.static["after"][records.field_of(step_id)])

    def looked_at(self, step_id: str) -> Collection[str]:
        """What is read of what a step waits for."""
        after = self.after(step_id)
        return after if len(after) <= FEW else (self.waiting.get(step_id, after[-1]),)


@attrs.define
class Following:
    """Reads large runs in part.

    Attributes:
        database: where the run documents are.
        runs: carries out what the engine says.
    """

    database: Database
    runs: Runs
    _runs: OrderedDict[str, _Known] = attrs.field(factory=OrderedDict, init=False, repr=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def selection(self, run_id: str, step_id: str) -> Document:
        """What to ask of a run's document to claim a step, or to decide what follows on it."""
        with self._lock:
            known = self._runs.get(run_id)
        if known is None or step_id not in known.takers:
            return dict(records.WORKING)
        takers = known.takers[step_id]
        if len(takers) > MANY:
            return dict(records.WORKING)
        near = {step_id, *takers}
        earlier = {each for taker in takers for each in known.looked_at(taker)} - near
        return {
            **dict.fromkeys(_FLAGS, 1),
            **{f"state.{records.field_of(each)}": 1 for each in near},
            **{records.in_state(each, "status"): 1 for each in earlier},
            **records.value_projection(self._sources(known, run_id, step_id)),
        }

    def read(self, document: Document) -> Document:
        """A document as it was asked for by ``selection``, with what is known of it."""
        with self._lock:
            known = self._runs.get(document["_id"])
            if "order" not in document:
                if known is not None:
                    self._runs.move_to_end(document["_id"])
                    return {"values": {}, "running": [], **document, **known.static, _NEAR: True}
                document = self._whole(document["_id"])  # forgotten since it was asked for
            if is_large(document):
                self._learn(document, known)
            return document

    def _learn(self, document: Document, known: _Known | None) -> None:
        if known is None:
            static = {name: document[name] for name in _STATIC if name in document}
            takers: dict[str, list[str]] = {each: [] for each in document["order"]}
            for step in document["order"]:
                for each in document["after"][records.field_of(step)]:
                    takers[each].append(step)
            known = _Known(static, {step: tuple(found) for step, found in takers.items()})
            self._runs[document["_id"]] = known
            while len(self._runs) > KNOWN_RUNS:
                self._runs.popitem(last=False)
        known.since_whole = 0
        left = set(records.with_status(document, "pending", *_ACTIVE))
        for step in known.takers:
            if len(after := known.after(step)) > FEW:
                known.waiting[step] = next((each for each in reversed(after) if each in left), "")

    def _whole(self, run_id: str) -> Document:
        document = self.database.durable.runs.find_one({"_id": run_id}, records.WORKING)
        if document is None:
            raise unknown(run_id)
        return document

    def _sources(self, known: _Known, run_id: str, step_id: str) -> Collection[str]:
        try:
            return records.graph_step_from({"_id": run_id, **known.static}, step_id).sources
        except DamagedRecordError:
            return ()  # whoever claims it finds the same

    def moves(
        self, document: Document, step_id: str, decide: Decide
    ) -> tuple[MoveStep, ...] | None:
        """What becomes ready now that a step has succeeded.

        Arguments:
            document: of the run, as ``read`` gave it, the step's success in it.
            step_id: the step.
            decide: the engine.

        Returns:
            The moves; None where all of the run has to be looked at.
        """
        with self._lock:
            known = self._runs.get(document["_id"])
            if known is None or not is_near(document):
                return None
            known.since_whole += 1
            if known.since_whole >= WHOLE_EVERY:
                return None
        if document["status"] != "running" or document["cancel_requested"]:
            return None
        if "expired_at" in document or "whole" in document:
            return None
        found: list[MoveStep] = []
        for move in self._moves(document, known, step_id, decide):
            if move is None:
                return None
            found.append(move)
        return tuple(found)

    def _moves(
        self, document: Document, known: _Known, step_id: str, decide: Decide
    ) -> Iterator[MoveStep | None]:
        """What becomes ready; None where something else may become of a step."""
        for taker in known.takers[step_id]:
            status = records.state_of(document, taker)["status"]
            if status in SPLIT_STATUSES:  # it may have waited for this to end
                yield None
            if status != "pending":
                continue
            looked_at = known.looked_at(taker)
            states = {each: document["state"].get(records.field_of(each)) for each in looked_at}
            if None in states.values():  # others were read of it than are known now
                yield None
                return
            statuses = {each: state["status"] for each, state in states.items() if state}
            if any(each not in FINAL_STEP_STATUSES for each in statuses.values()):
                continue
            if len(statuses) < len(known.after(taker)):
                yield None
                return
            state = RunState(
                after={taker: known.after(taker)},
                steps={**statuses, taker: "pending", _ALL_OTHERS: "running"},
                rules={each: records.rule_in(document, each) for each in (*statuses, taker)},
            )
            for command in decide(state):
                ready = isinstance(command, MoveStep) and command.status == "ready"
                yield command if ready and isinstance(command, MoveStep) else None

    def finish(
        self,
        seen: Document,
        step_id: str,
        own: Document,
        update: Update,
        decide: Decide,
        now: float,
    ) -> Progress:
        """Record a success with what follows from it.

        Arguments:
            seen: the run's document as it was when the step was claimed.
            step_id: the step.
            own: the fields of its state.
            update: that records it.
            decide: the engine.
            now: UTC seconds.
        """
        if is_near(seen) and len(seen["running"]) == 1:
            # Nobody else runs a step, so it is likely that nothing has changed since.
            records.state_of(seen, step_id).update(own)
            if moves := self.moves(seen, step_id, decide):
                changes = self.runs.changes(seen, moves, now)
                both = {**update.changes, "$set": update.changes["$set"] | changes.fields}
                condition = {**update.fence, "revision": seen["revision"]}
                if self.database.durable.runs.update_one(condition, both).matched_count:
                    return changes.progress
        document = self.database.durable.runs.find_one_and_update(
            update.fence,
            update.changes,
            projection=self.selection(seen["_id"], step_id),
            return_document=ReturnDocument.AFTER,
        )
        if document is None:
            return Progress(recorded=False)
        document = self.read(document)
        moves = self.moves(document, step_id, decide)
        if moves and (progress := self._carried_out(document, moves, now)):
            return progress
        if moves == () and self._goes_on(document):
            return Progress(recorded=True, run_status=document["status"])
        if is_near(document):
            document = self.read(self._whole(document["_id"]))
        return self.runs.advance(document, decide, now)

    def _carried_out(
        self, document: Document, moves: tuple[MoveStep, ...], now: float
    ) -> Progress | None:
        """What came of moves; None where a step is not any more what it was."""
        changes = self.runs.changes(document, moves, now)
        update = {
            "$set": changes.fields,
            "$inc": {"revision": 1},
            "$min": {"look_at": first_look(now)},
        }
        condition = {"_id": document["_id"], **changes.conditions}
        done = self.database.durable.runs.update_one(condition, update)
        return changes.progress if done.matched_count else None

    def _goes_on(self, document: Document) -> bool:
        """Whether something of a run is ready or runs, told by the server."""
        if document["running"]:
            return True
        active = {"$in": ["$$each.v.status", list(_ACTIVE)]}
        states = {"$map": {"input": {"$objectToArray": "$state"}, "as": "each", "in": active}}
        found = self.database.runs.aggregate(
            [
                {"$match": {"_id": document["_id"]}},
                {"$project": {"active": {"$anyElementTrue": [states]}}},
            ]
        )
        return any(each["active"] for each in found)


@attrs.frozen
class Update:
    """What records an outcome.

    Attributes:
        fence: what must be so.
        changes: what becomes of the document.
    """

    fence: Document
    changes: Document


def is_large(document: Document) -> bool:
    """Whether a run has so many steps that it is read in part."""
    return len(document["order"]) > LARGE


def is_near(document: Document) -> bool:
    """Whether a document was read in part."""
    return _NEAR in document
