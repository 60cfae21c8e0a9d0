"""Steps that are run for each element of a list: a document of its own for each element.

A run's document knows of them only that the step is ``mapping``, how many elements there
are, and the ``generation``: the attempt at the step that made them. A late worker, whose
attempt was an earlier one, changes nothing of a later generation::

    _id                     run/step[index], what a message names
    run, step, generation, index, name
    of                      run/step/generation: all that belong together
    status, attempt, worker, ...    as in the state of a step
    element                 the recorded element; nothing for an iteration
    owes                    run/step, where another iteration follows that is not recorded yet
    values, edges, digests  as in a run's document
    expires_at              when the server forgets it

Of a step that is run again and again each iteration has such a document. That another one
follows is recorded with the outcome of the one before, and made good by whoever carries on the
run: a crash in between loses no iteration, and makes none twice.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

import attrs
from pymongo import ASCENDING, DESCENDING, ReplaceOne, ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError

from taskmgr_core import documents
from taskmgr_core.orchestrator.engine import MapState
from taskmgr_core.specs import (
    SPLIT_STATUSES,
    Claim,
    Element,
    FieldValue,
    GraphStep,
    Hold,
    Outcome,
    ReadyStep,
    Step,
    element_port,
    element_step,
    is_element,
    iteration_step,
)
from taskmgr_core.specs.resources import as_text
from taskmgr_core.stores.loss import loss_of
from taskmgr_core.stores.metadata import first_look
from taskmgr_core.stores.mongodb import records
from taskmgr_core.stores.mongodb.database import Database, Document

BATCH = 1000
OPEN = ("ready", "running")
# The generation of elements that come while a step has not been claimed.
GROWING = 1
_DUPLICATE = 11000


@attrs.frozen
class Elements:
    """The documents of elements.

    Attributes:
        database: where they are.
    """

    database: Database

    def begin(self, claim: Claim, outcome: Outcome) -> None:
        """Record the elements that a step is to be run for; none of them is ready yet."""
        looping = outcome.status == "looping"
        elements: tuple[FieldValue | None, ...] = (None,) if looping else outcome.elements
        step = claim.step
        for first in range(0, len(elements), BATCH):
            page = elements[first : first + BATCH]
            new = [_new(step, step.attempt, first + index, each) for index, each in enumerate(page)]
            earlier = {"$lte": claim.step.attempt}
            writes = [
                ReplaceOne({"_id": each["_id"], "generation": earlier}, each, upsert=True)
                for each in new
            ]
            try:
                self.database.durable.elements.bulk_write(writes, ordered=False)
            except BulkWriteError as error:
                # Of a later generation than ours: the outcome will not be recorded either.
                if any(each.get("code") != _DUPLICATE for each in error.details["writeErrors"]):
                    raise

    def extend(
        self, document: Document, steps: Collection[str], first: int, items: Sequence[FieldValue]
    ) -> int | None:
        """Add elements to steps that grow, those that are there left as they are.

        Returns:
            The index of an element that is there with another value; None for none.
        """
        new = {
            made["_id"]: made
            for step in steps
            for index, item in enumerate(items, first)
            for made in [_new(records.step_from(document, step), GROWING, index, item)]
        }
        known = self.database.elements.find({"_id": {"$in": list(new)}}, {"element": 1, "index": 1})
        for each in known:
            if each["element"]["digest"] != new.pop(each["_id"])["element"]["digest"]:
                return int(each["index"])
        if new:
            writes = [
                UpdateOne({"_id": key}, {"$setOnInsert": made}, upsert=True)
                for key, made in new.items()
            ]
            self.database.durable.elements.bulk_write(writes, ordered=False)
        return None

    def waiting(self, document: Document, step: str, most: int) -> int:
        """How many elements of a step have not been let in, counted up to the most."""
        wanted = {**_key(document, step), "status": "pending"}
        return self.database.elements.count_documents(wanted, limit=most)

    def states(self, document: Document) -> dict[str, MapState]:
        """How far each step of a run is that is ``mapping``."""
        return {step: self._state(document, step) for step in _mapping(document)}

    def _state(self, document: Document, step: str) -> MapState:
        key = _key(document, step)

        def has(*statuses: str) -> bool:
            wanted = {**key, "status": {"$in": list(statuses)}}
            return self.database.durable.elements.find_one(wanted, {"_id": 1}) is not None

        owed = self._owing(document, step) is not None
        return MapState(
            waiting=owed or has("pending", "ready"), running=has("running"), failed=has("failed")
        )

    def fill(self, document: Document, now: float) -> list[ReadyStep]:
        """Make as many elements ready as may be at the same time."""
        found: list[ReadyStep] = []
        for step in _mapping(document):
            self._continue(document, step)
            key, most = _key(document, step), records.rule_in(document, step).parallel
            active = self.database.durable.elements.count_documents(
                {**key, "status": {"$in": list(OPEN)}}, limit=most
            )
            while active < most and (more := self._next(key, now)) is not None:
                found.append(more)
                active += 1
        return found

    def _owing(self, document: Document, step: str) -> Document | None:
        """The iteration on which another one follows that is not recorded yet."""
        if records.state_of(document, step)["status"] != "looping":
            return None
        owed = {"owes": _debt(document["_id"], step)}
        return self.database.durable.elements.find_one(owed, _WORKING)

    def _continue(self, document: Document, step: str) -> None:
        """Record the iteration that follows; whatever is done twice changes nothing."""
        owing = self._owing(document, step)
        if owing is None:
            return
        following = _following(owing)
        self.database.durable.elements.update_one(
            {"_id": following["_id"]}, {"$setOnInsert": following}, upsert=True
        )
        count = {records.in_state(step, "elements"): following["index"] + 1}
        self.database.runs.update_one(
            {"_id": document["_id"]}, {"$max": count, "$inc": {"revision": 1}}
        )
        self.database.durable.elements.update_one({"_id": owing["_id"]}, {"$unset": {"owes": ""}})

    def _next(self, key: Document, now: float) -> ReadyStep | None:
        document = self.database.elements.find_one_and_update(
            {**key, "status": "pending"},
            {"$set": {"status": "ready", "ready_at": now, "look_at": first_look(now)}},
            sort=[("index", ASCENDING)],
            projection=_WORKING,
            return_document=ReturnDocument.AFTER,
        )
        return None if document is None else _ready_step(document)

    def drop(self, document: Document, step: str, now: float) -> None:
        """Have what has not begun not begin."""
        key = _key(document, step)
        self.database.durable.elements.update_many(
            {"owes": _debt(document["_id"], step)}, {"$unset": {"owes": ""}}
        )
        self.database.durable.elements.update_many(
            {**key, "status": {"$in": ["pending", "ready"]}},
            {"$set": {"status": "skipped", "finished_at": now}, "$unset": {"look_at": ""}},
        )

    def expire(self, run_id: str, moment: datetime) -> None:
        """Have the server forget the elements of a run at some time."""
        self.database.elements.update_many({"run": run_id}, {"$set": {"expires_at": moment}})

    def claim(
        self, run_id: str, name: str, worker: str, now: float, needs: str
    ) -> tuple[Claim, str] | None:
        """Claim an element: one conditional update, and a look at the run where it is unknown."""
        document = self.database.elements.find_one_and_update(
            {
                "_id": f"{run_id}/{name}",
                "status": "ready",
                "not_before": {"$lte": now},
                "resources": needs,
            },
            {
                "$set": {"status": "running", "worker": worker, "started_at": now},
                "$inc": {"attempt": 1},
                "$unset": {"look_at": ""},
            },
            projection=_WORKING,
            return_document=ReturnDocument.AFTER,
        )
        return None if document is None else self._claim_from(document)

    def held(self, run_id: str, name: str, worker: str) -> Claim | None:
        """The claim that a worker holds on an element; None when it holds none."""
        document = self.database.elements.find_one(
            {"_id": f"{run_id}/{name}", "status": "running", "worker": worker}, _WORKING
        )
        found = None if document is None else self._claim_from(document)
        return None if found is None else found[0]

    def _claim_from(self, document: Document) -> tuple[Claim, str]:
        graph_step, shared = self._shared(document["run"], document["step"], document["generation"])
        if graph_step.repeat is not None:
            return self._iteration(document, graph_step, shared), document["_id"]
        element = records.value_from(document["run"], document["element"])
        index = document["index"]
        claim = Claim(
            _step(document),
            element_step(graph_step, index),
            {**shared, element.port: element},
            element=index,
        )
        return claim, document["_id"]

    def _iteration(
        self, document: Document, step: GraphStep, shared: dict[str, FieldValue]
    ) -> Claim:
        """The claim of an iteration, with what the last one before it gave."""
        index, values = document["index"], dict(shared)
        last = None
        if index and step.repeat and step.repeat.feed:
            earlier = {"of": document["of"], "status": "succeeded", "index": {"$lt": index}}
            last = self.database.elements.find_one(earlier, sort=[("index", DESCENDING)])
        if last is not None:
            found = (records.value_from(last["run"], each) for each in last["values"])
            values |= {each.port: each for each in found}
        again = iteration_step(step, index, None if last is None else last["index"])
        needed = {port: value for port, value in values.items() if port in again.sources}
        return Claim(_step(document), again, needed, element=index)

    @functools.lru_cache(256)  # noqa: B019 - a store lives as long as its process
    def _shared(
        self,
        run_id: str,
        step: str,
        generation: int,  # noqa: ARG002 - part of the key
    ) -> tuple[GraphStep, dict[str, FieldValue]]:
        """What all elements of a step have alike."""
        document = self.database.runs.find_one({"_id": run_id}, records.WORKING)
        if document is None:
            raise KeyError(run_id)
        graph_step = records.graph_step_from(document, step)
        ports = [port for port in graph_step.sources if port != graph_step.map]
        return graph_step, {each.port: each for each in records.values_from(document, ports)}

    def finish(self, claim: Claim, outcome: Outcome, state: Document) -> Document | None:
        """Record what came of an element, if the claim is still held."""
        step = claim.step
        return self.database.durable.elements.find_one_and_update(
            {
                "_id": f"{step.run}/{step.id}",
                "status": "running",
                "attempt": step.attempt,
                "worker": step.worker,
            },
            {
                "$set": {
                    **{name: value for name, value in state.items() if value is not None},
                    "failure": state["failure"],
                    "values": [records.value_record(each) for each in outcome.values],
                    "edges": [[edge.source, edge.target] for edge in outcome.edges],
                    "digests": sorted(records.digests_of(outcome.values)),
                    **({"owes": _debt(step.run, claim.graph_step.id)} if outcome.more else {}),
                },
                **({"$unset": {"look_at": ""}} if state["look_at"] is None else {}),
            },
            projection=_WORKING,
            return_document=ReturnDocument.AFTER,
        )

    def next_of(self, document: Document, now: float) -> ReadyStep | None:
        """The element that may begin now that one has ended."""
        return self._next({"of": document["of"]}, now)

    def held_by(self, worker: str) -> list[Document]:
        """The elements that a worker holds."""
        wanted = {"status": "running", "worker": worker}
        return list(self.database.elements.find(wanted, _WORKING))

    def holds(self, worker: str) -> list[Hold]:
        """The elements that the store says a worker holds."""
        held = self.held_by(worker)
        if not held:
            return []
        runs = sorted({each["run"] for each in held})
        flags = {"cancel_requested": 1, "expired_at": 1}
        stopped = {
            document["_id"]: document["cancel_requested"] or "expired_at" in document
            for document in self.database.runs.find({"_id": {"$in": runs}}, flags)
        }
        return [
            Hold(each["run"], each["name"], each["attempt"], stopped.get(each["run"], True))
            for each in held
        ]

    def holders(self) -> set[str]:
        """The workers that hold elements."""
        return set(self.database.elements.distinct("worker", {"status": "running"}))

    def release(self, document: Document, attempts: int, now: float) -> Step | None:
        """Take an element back from a lost worker."""
        step = _step(document)
        loss = loss_of(step, attempts)
        again = loss.failure is None
        done = self.database.durable.elements.update_one(
            {"_id": document["_id"], "status": "running", "attempt": step.attempt},
            {
                "$set": {
                    "status": "ready" if again else "failed",
                    "lost": step.lost + 1,
                    "failure": documents.dumps(loss.failure) if loss.failure else None,
                    "failures": documents.dumps(loss.failures),
                    "ready_at": now,
                    "finished_at": None if again else now,
                    **({"look_at": first_look(now)} if again else {}),
                },
                **({} if again else {"$unset": {"look_at": ""}}),
            },
        )
        return step if done.matched_count else None

    def ready(self, runs: Collection[str] | None) -> Iterator[tuple[ReadyStep, float, str]]:
        """Ready elements, each with the time before which it is not due, and its version."""
        # None that is not ready has a time to be looked after.
        for document in self.database.elements.find({"look_at": {"$gt": 0}}, _WORKING):
            if runs is not None and document["run"] not in runs:
                continue
            yield _ready_step(document), document["not_before"], document["version"]

    def unclaimed(self, now: float, limit: int) -> list[tuple[str, ReadyStep]]:
        """Elements that nobody has claimed for a while, each with the id of its document."""
        query = {"look_at": {"$lte": now}}
        found = self.database.elements.find(query, _WORKING).sort("look_at", 1).limit(limit)
        return [(document["_id"], _ready_step(document)) for document in found]

    def look_again(self, document_id: str, moment: float) -> None:
        """Have an element be looked after at another time."""
        self.database.elements.update_one({"_id": document_id}, {"$set": {"look_at": moment}})

    def listing(self, document: Document, step: str, first: int, limit: int) -> list[Element]:
        """See ``MetadataStore.elements``."""
        names = [element_port(step, index) for index in range(first, first + limit)]
        ids = [f"{document['_id']}/{name}" for name in names]
        found = self.database.elements.find({"_id": {"$in": ids}})
        return sorted((_element(each) for each in found), key=lambda each: each.index)

    def failed(self, document: Document, step: str, limit: int) -> tuple[int, list[Element]]:
        """How many elements of a step failed, and the first of them."""
        wanted, every = {**_key(document, step), "status": "failed"}, self.database.elements
        first = every.find(wanted).sort("index", ASCENDING).limit(limit)
        return every.count_documents(wanted), [_element(each) for each in first]

    def values(self, document: Document, ports: Collection[str] | None) -> Iterator[FieldValue]:
        """The recorded values of elements of a run (of these ports, when given)."""
        wanted = None if ports is None else {each for each in ports if is_element(each)}
        if wanted == set():
            return
        for each in self._of(document):
            for record in (each["element"], *each["values"]):
                if record is None:
                    continue
                if wanted is None or record["port"] in wanted:
                    yield records.value_from(each["run"], record)

    def edges(self, document: Document) -> Iterator[tuple[str, str]]:
        """The edges of elements of a run: source and target."""
        for each in self._of(document, {"edges": 1}):
            yield from each["edges"]

    def _of(self, document: Document, shown: Document | None = None) -> Iterator[Document]:
        for field, state in document["state"].items():
            if state.get("generation"):
                key = _key(document, records.step_of(field))
                yield from self.database.elements.find(key, shown).sort("index", ASCENDING)


_WORKING = {"values": 0, "edges": 0, "digests": 0}


def _key(document: Document, step: str) -> Document:
    generation = records.state_of(document, step).get("generation", 0)
    return {"of": _of(document["_id"], step, generation)}


def _of(run_id: str, step: str, generation: int) -> str:
    """What the elements of a step have alike."""
    return f"{run_id}/{step}/{generation}"


def _debt(run_id: str, step: str) -> str:
    return f"{run_id}/{step}"


def _mapping(document: Document) -> list[str]:
    return records.with_status(document, *SPLIT_STATUSES)


def _new(step: Step, generation: int, index: int, element: FieldValue | None) -> Document:
    return {
        "of": _of(step.run, step.id, generation),
        "run": step.run,
        "step": step.id,
        "generation": generation,
        "task": step.task,
        "version": step.version,
        "queue": step.queue,
        "priority": step.priority,
        "resources": as_text(step.resources),
        "element": None if element is None else records.value_record(element),
        "digests": [] if element is None else sorted(records.digests_of([element])),
        **_unbegun(step.run, step.id, index),
    }


def _following(document: Document) -> Document:
    """The document of the iteration that follows on another one."""
    same = {name: document[name] for name in _OF_ALL}
    new = _unbegun(document["run"], document["step"], document["index"] + 1)
    return {**same, "element": None, "digests": [], **new}


_OF_ALL = (
    "of", "run", "step", "generation", "task", "version", "queue", "priority", "resources"
)  # fmt: skip


def _unbegun(run_id: str, step: str, index: int) -> Document:
    """What a document has of its own, and what nothing has happened to yet."""
    name = element_port(step, index)
    return {
        "_id": f"{run_id}/{name}",
        "index": index,
        "name": name,
        "status": "pending",
        "attempt": 0,
        "lost": 0,
        "worker": "",
        "not_before": 0.0,
        "ready_at": None,
        "started_at": None,
        "finished_at": None,
        "seconds": "{}",
        "failure": None,
        "failures": "[]",
        "values": [],
        "edges": [],
    }


def _as_run(document: Document) -> Document:
    """An element as the functions that read the steps of a run's document take it."""
    return {"_id": document["run"], "state": {records.field_of(document["name"]): document}}


def _step(document: Document) -> Step:
    return records.step_from(_as_run(document), document["name"])


def _ready_step(document: Document) -> ReadyStep:
    return records.ready_step(_as_run(document), document["name"])


def _element(document: Document) -> Element:
    what = f"the stored element {document['name']} of run {document['run']}"
    values = [records.value_from(document["run"], each) for each in document["values"]]
    return Element(
        index=document["index"],
        status=document["status"],
        failure=records.failure_from(document["failure"], what),
        outputs={each.port: each for each in values},
    )
