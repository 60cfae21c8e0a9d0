"""Claiming steps, recording outcomes under the fencing token, taking back what was lost."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import attrs
from pymongo import ReturnDocument

from taskmgr_core import documents
from taskmgr_core.errors import DamagedRecordError
from taskmgr_core.orchestrator.engine import Decide, is_fatal, rule_of
from taskmgr_core.specs import (
    SPLIT_STATUSES,
    Claim,
    Failure,
    Hold,
    Outcome,
    ReadyStep,
    Step,
    Waiting,
    is_element,
)
from taskmgr_core.specs.resources import NO_RESOURCES, as_text, fit, from_text
from taskmgr_core.stores.loss import loss_of
from taskmgr_core.stores.metadata import COUNTED, first_look
from taskmgr_core.stores.mongodb import records
from taskmgr_core.stores.mongodb.database import Database, Document
from taskmgr_core.stores.mongodb.following import Following, Seen, Update, is_large
from taskmgr_core.stores.mongodb.runs import Runs
from taskmgr_core.stores.progress import Covers, Progress


@attrs.frozen
class Claims:
    """What workers hold.

    Attributes:
        database: where the run documents are.
        runs: carries out what the engine says.
    """

    database: Database
    runs: Runs
    _seen: Seen = attrs.field(factory=Seen, init=False, repr=False)
    _following: Following = attrs.field(
        default=attrs.Factory(lambda self: Following(self.database, self.runs), takes_self=True),
        init=False,
        repr=False,
    )

    def claim_step(
        self,
        run_id: str,
        step_id: str,
        worker: str,
        now: float,
        needs: Mapping[str, int] = NO_RESOURCES,
    ) -> Claim | None:
        """See ``MetadataStore.claim_step``: one conditional update."""
        if is_element(step_id):
            found = self.runs.elements.claim(run_id, step_id, worker, now, as_text(needs))
            return None if found is None else found[0]
        state = f"state.{records.field_of(step_id)}"
        document = self.database.runs.find_one_and_update(
            {
                "_id": run_id,
                f"{state}.status": "ready",
                f"{state}.not_before": {"$lte": now},
                # Runs that were recorded before there were resources have none.
                f"{state}.resources": as_text(needs) or {"$in": ["", None]},
            },
            {
                "$set": {
                    f"{state}.status": "running",
                    f"{state}.worker": worker,
                    f"{state}.started_at": now,
                },
                "$inc": {f"{state}.attempt": 1, "revision": 1},
                "$push": {"running": {"worker": worker, "step": step_id}},
            },
            projection=self._following.selection(run_id, step_id),
            return_document=ReturnDocument.AFTER,
        )
        if document is None:
            return None
        document = self._following.read(document)
        try:
            claim = _claim_from(document, step_id)
        except DamagedRecordError as error:
            self._set_aside(document, step_id, error, now)
            return None
        self._seen.put(step_id, document)
        return claim

    def held(self, run_id: str, step_id: str, worker: str) -> Claim | None:
        """The claim that a worker holds on a step, as it was given; None when it holds none."""
        if is_element(step_id):
            return self.runs.elements.held(run_id, step_id, worker)
        state = f"state.{records.field_of(step_id)}"
        document = self.database.runs.find_one(
            {"_id": run_id, f"{state}.status": "running", f"{state}.worker": worker},
            records.WORKING,
        )
        return None if document is None else _claim_from(document, step_id)

    def claim(
        self,
        worker: str,
        queues: Collection[str],
        now: float,
        runs: Collection[str] | None,
        tasks: Collection[str],
        free: Mapping[str, int],
        covers: Covers,
    ) -> Claim | None:
        """See ``MetadataStore.claim``.

        It looks through all runs with ready steps: for a worker of a few runs of its
        own, and where there is no broker. Workers with one are told of each step.
        """
        due = [
            (ready, version)
            for ready, not_before, version in self._ready(queues, runs)
            if not_before <= now
            and (not tasks or ready.task in tasks)
            and fit(ready.resources, free)
        ]
        due.sort(key=lambda found: (-found[0].priority, found[0].ready_at, found[0].run))
        for each, version in due:
            if not covers(each.task, version):
                continue
            claim = self.claim_step(each.run, each.id, worker, now, each.resources)
            if claim is not None:
                return claim
        return None

    def next_due(self, queues: Collection[str], now: float) -> float | None:
        """See ``MetadataStore.next_due``."""
        waits = [not_before - now for _, not_before, _ in self._ready(queues, None)]
        return min((wait for wait in waits if wait > 0), default=None)

    def waiting(self, now: float) -> tuple[Waiting, ...]:
        """See ``MetadataStore.waiting``."""
        groups: dict[tuple[str, str], list[float]] = {}
        for ready, _, _ in itertools.islice(self._ready((), None), COUNTED):
            key = (ready.queue, as_text(ready.resources))
            groups.setdefault(key, []).append(ready.ready_at)
        return tuple(
            Waiting(
                queue=queue,
                resources=from_text(needs),
                ready=sum(each <= now for each in moments),
                delayed=sum(each > now for each in moments),
                oldest=min((each for each in moments if each <= now), default=None),
            )
            for (queue, needs), moments in sorted(groups.items())
        )

    def finish(self, claim: Claim, outcome: Outcome, decide: Decide, now: float) -> Progress:
        """See ``MetadataStore.finish``.

        Where no other step of the run can change anything meanwhile, the outcome and
        what follows from it are one update on the document that the claim has seen.
        Otherwise the outcome is recorded under its fencing token, the document as it is
        then is decided on, and what follows is a second update.
        """
        step = claim.step
        if claim.element is not None:
            return self._finish_element(claim, outcome, decide, now)
        if outcome.status in SPLIT_STATUSES:
            self.runs.elements.begin(claim, outcome)
        fence = {
            "_id": step.run,
            records.in_state(step.id, "status"): "running",
            records.in_state(step.id, "attempt"): step.attempt,
            records.in_state(step.id, "worker"): step.worker,
        }
        own = _finished_state(step, outcome, now)
        fields = {records.in_state(step.id, name): value for name, value in own.items()}
        fields |= records.value_changes(outcome.values)
        if outcome.status == "cancelled" or is_fatal(rule_of(claim.graph_step), outcome.status):
            fields["whole"] = True
        update: Document = {
            "$set": fields,
            "$inc": {"revision": 1},
            "$pull": {"running": {"step": step.id}},
            "$min": {"look_at": first_look(now, outcome.not_before)},
        }
        additions: dict[str, Document] = {
            "digests": {"$each": sorted(records.digests_of(outcome.values))},
            "edges": {"$each": [[edge.source, edge.target] for edge in outcome.edges]},
        }
        update["$addToSet"] = {name: each for name, each in additions.items() if each["$each"]}
        seen = self._seen.pop(step.run, step.id)
        if seen is not None and is_large(seen):
            if outcome.status == "succeeded":
                changes = Update(fence, update)
                return self._following.finish(seen, step.id, own, changes, decide, now)
        elif seen is not None and outcome.status not in SPLIT_STATUSES:
            foreseen = self._finish_at_once(seen, step.id, own, fence, update, decide, now)
            if foreseen is not None:
                return foreseen
        return self._finish_in_two(fence, update, decide, now)

    def _finish_at_once(
        self,
        seen: Document,
        step_id: str,
        own: Document,
        fence: Document,
        update: Document,
        decide: Decide,
        now: float,
    ) -> Progress | None:
        """The outcome with what follows from it; None when the run may have changed."""
        alone = all(
            state["status"] not in ("ready", "running", *SPLIT_STATUSES)
            for other, state in seen["state"].items()
            if other != records.field_of(step_id)
        )
        records.state_of(seen, step_id).update(own)
        commands = decide(records.engine_state(seen))
        if not alone:
            return None
        changes = self.runs.changes(seen, commands, now)
        whole = {**update, "$set": update["$set"] | changes.fields}
        del whole["$min"]
        look = None if changes.ended else records.earliest_look(seen)
        if look is None:
            whole["$unset"] = {"look_at": "", "deadline": ""} if changes.ended else {"look_at": ""}
        else:
            whole["$set"]["look_at"] = look
        condition = {**fence, "revision": seen["revision"]}
        done = self.database.durable.runs.update_one(condition, whole)
        return changes.progress if done.matched_count else None

    def _finish_element(
        self, claim: Claim, outcome: Outcome, decide: Decide, now: float
    ) -> Progress:
        """The outcome of an element, then the next one; the run is looked at when there is none."""
        own = _finished_state(claim.step, outcome, now)
        document = self.runs.elements.finish(claim, outcome, own)
        if document is None:
            return Progress(recorded=False)
        if outcome.status == "succeeded" and not outcome.more:
            following = self.runs.elements.next_of(document, now)
            if following is not None:
                return Progress(recorded=True, ready=(following,))
        return self.runs.reconcile(claim.step.run, decide, now)

    def _finish_in_two(
        self, fence: Document, update: Document, decide: Decide, now: float
    ) -> Progress:
        document = self.database.durable.runs.find_one_and_update(
            fence, update, projection=records.WORKING, return_document=ReturnDocument.AFTER
        )
        if document is None:
            return Progress(recorded=False)
        return self.runs.advance(document, decide, now)

    def holders(self) -> list[str]:
        """See ``MetadataStore.holders``."""
        held = self.database.runs.find({"running.worker": {"$gt": ""}}, {"running": 1})
        found = {each["worker"] for document in held for each in document["running"]}
        return sorted(found | self.runs.elements.holders())

    def holds(self, worker: str) -> list[Hold]:
        """See ``MetadataStore.holds``."""
        found = self.database.runs.find(
            {"running.worker": worker},
            {"running": 1, "state": 1, "cancel_requested": 1, "expired_at": 1, "rules": 1},
        )
        return [
            Hold(
                document["_id"],
                each["step"],
                records.state_of(document, each["step"])["attempt"],
                document["cancel_requested"]
                or (
                    "expired_at" in document
                    and not records.rule_in(document, each["step"]).handles_failure
                ),
            )
            for document in found
            for each in document["running"]
            if each["worker"] == worker
        ] + self.runs.elements.holds(worker)

    def release_lost(
        self, silent: Mapping[str, float], attempts: int, decide: Decide, now: float
    ) -> list[Step]:
        """See ``MetadataStore.release_lost``."""
        released = []
        for worker, beat in silent.items():
            known = self.database.workers.find_one({"_id": worker}, {"heartbeat": 1})
            if known is not None and known["heartbeat"] != beat:
                continue
            for document in self.database.runs.find({"running.worker": worker}, records.WORKING):
                released += self._release_of(document, worker, attempts, decide, now)
            elements = [
                self.runs.elements.release(each, attempts, now)
                for each in self.runs.elements.held_by(worker)
            ]
            released += [each for each in elements if each is not None]
            for run_id in {each.run for each in elements if each is not None}:
                self.runs.reconcile(run_id, decide, now)
        self._carry_on(decide, now)
        return released

    def take_unclaimed(
        self,
        now: float,
        next_look: Callable[[ReadyStep], float],
        limit: int,
    ) -> list[ReadyStep]:
        """See ``MetadataStore.take_unclaimed``."""
        found = self.database.runs.find({"look_at": {"$lte": now}}, records.LISTED)
        told: list[ReadyStep] = []
        for document in found.sort("look_at", 1).limit(limit):
            told += self._taken(document, now, next_look, limit - len(told))
            if len(told) >= limit:
                break
        for key, ready in self.runs.elements.unclaimed(now, limit - len(told)):
            self.runs.elements.look_again(key, next_look(ready))
            told.append(ready)
        return told

    def _taken(
        self,
        document: Document,
        now: float,
        next_look: Callable[[ReadyStep], float],
        limit: int,
    ) -> list[ReadyStep]:
        due = [
            step for step in records.ready_steps(document)
            if records.state_of(document, step)["look_at"] <= now
        ][:limit]  # fmt: skip
        ready = [records.ready_step(document, step) for step in due]
        fields = {records.in_state(each.id, "look_at"): next_look(each) for each in ready}
        for each in ready:
            records.state_of(document, each.id)["look_at"] = fields[
                records.in_state(each.id, "look_at")
            ]
        look = records.earliest_look(document)
        update: Document = {"$inc": {"revision": 1}, "$set": fields}
        if look is None:
            if not document.get("running"):
                return []  # it stands still; whoever looks for lost workers carries it on
            update["$unset"] = {"look_at": ""}
        else:
            fields["look_at"] = look
        if not fields:
            del update["$set"]
        condition = {"_id": document["_id"], "revision": document["revision"]}
        done = self.database.runs.update_one(condition, update)
        return ready if done.matched_count else []

    def _carry_on(self, decide: Decide, now: float) -> None:
        """Runs that somebody left between two updates: nothing of them is ready or runs."""
        left = self.database.runs.find({"look_at": {"$lte": now}}, records.WORKING)
        for document in left.sort("look_at", 1).limit(100):
            states = {state["status"] for state in document["state"].values()}
            overdue = any(
                state["status"] in SPLIT_STATUSES and (state["look_at"] or 0.0) <= now
                for state in document["state"].values()
            )
            # In a large run nobody else looks beyond what is beside a step.
            if overdue or is_large(document) or not states & {"ready", "running"}:
                self.runs.advance(document, decide, now)

    def _release_of(
        self, document: Document, worker: str, attempts: int, decide: Decide, now: float
    ) -> list[Step]:
        released = []
        for step_id in [each["step"] for each in document["running"] if each["worker"] == worker]:
            try:
                step = records.step_from(document, step_id)
            except DamagedRecordError as error:
                self._set_aside(document, step_id, error, now)
                continue
            if self._release(step, attempts, now):
                released.append(step)
        self.runs.reconcile(document["_id"], decide, now)
        return released

    def _release(self, step: Step, attempts: int, now: float) -> bool:
        loss = loss_of(step, attempts)
        own: dict[str, Any] = {
            "status": "ready" if loss.failure is None else "failed",
            "lost": step.lost + 1,
            "failure": documents.dumps(loss.failure) if loss.failure else None,
            "failures": documents.dumps(loss.failures),
            "ready_at": now,
            "look_at": first_look(now) if loss.failure is None else None,
            "finished_at": None if loss.failure is None else now,
        }
        done = self.database.durable.runs.update_one(
            {
                "_id": step.run,
                records.in_state(step.id, "status"): "running",
                records.in_state(step.id, "attempt"): step.attempt,
            },
            {
                "$set": {records.in_state(step.id, name): value for name, value in own.items()}
                | ({} if loss.failure is None else {"whole": True}),
                "$inc": {"revision": 1},
                "$pull": {"running": {"step": step.id}},
                "$min": {"look_at": first_look(now)},
            },
        )
        return bool(done.matched_count)

    def _set_aside(
        self, document: Document, step_id: str, error: DamagedRecordError, now: float
    ) -> None:
        """A damaged record fails its own step and holds up no other."""
        own = {
            "status": "failed",
            "failure": documents.dumps(records.damaged(error)),
            "failures": "[]",
            "seconds": "{}",
            "finished_at": now,
            "look_at": None,
        }
        self.database.durable.runs.update_one(
            {"_id": document["_id"]},
            {
                "$set": {records.in_state(step_id, name): value for name, value in own.items()}
                | {"whole": True},
                "$inc": {"revision": 1},
                "$pull": {"running": {"step": step_id}},
                "$min": {"look_at": first_look(now)},
            },
        )

    def _ready(
        self, queues: Collection[str], runs: Collection[str] | None
    ) -> Iterator[tuple[ReadyStep, float, str]]:
        """Ready steps, each with the time before which it is not due, and its version."""
        query: Document = {"look_at": {"$gt": 0}}  # no ended run has one
        if runs is not None:
            query = {"_id": {"$in": list(runs)}, "status": "running"}
        for document in self.database.runs.find(query, {"state": 1}):
            for step_id in records.ready_steps(document):
                ready = records.ready_step(document, step_id)
                if not queues or ready.queue in queues:
                    state = records.state_of(document, step_id)
                    yield ready, state["not_before"], state["version"]
        for ready, not_before, version in self.runs.elements.ready(runs):
            if not queues or ready.queue in queues:
                yield ready, not_before, version


def _claim_from(document: Document, step_id: str) -> Claim:
    graph_step = records.graph_step_from(document, step_id)
    values = {value.port: value for value in records.values_from(document, graph_step.sources)}
    return Claim(records.step_from(document, step_id), graph_step, values)


def _finished_state(step: Step, outcome: Outcome, now: float) -> dict[str, Any]:
    again = outcome.status == "ready"
    failures: tuple[Failure, ...] = step.failures
    if again and outcome.failure:
        failures = (*failures, outcome.failure)
    state: dict[str, Any] = {
        "status": outcome.status,
        "seconds": documents.dumps(outcome.seconds),
        "failure": documents.dumps(outcome.failure) if outcome.failure and not again else None,
        "failures": documents.dumps(failures),
        "not_before": outcome.not_before,
        "cached_from": outcome.cached_from,
        "look_at": first_look(now, outcome.not_before) if again else None,
        "finished_at": None if again else now,
    }
    if outcome.status in SPLIT_STATUSES:
        state |= {
            "finished_at": None,
            "look_at": first_look(now),
            "elements": 1 if outcome.status == "looping" else len(outcome.elements),
            "generation": step.attempt,
        }
    if again:
        state["ready_at"] = max(now, outcome.not_before)
    return state
