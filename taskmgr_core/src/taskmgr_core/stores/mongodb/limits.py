"""How many steps run at once and begin in a time: a document for each limit that is in use.

What runs lies in the documents of runs, and no update reaches into two documents. So a limit
has one of its own, in which those stand that hold a place; whoever wants one reads it and
changes it if nobody else has. A place whose step does not run any more, because its worker
was lost or died between two updates, is found out when the last place is wanted::

    _id             the label of the limit
    holders         {run, step, worker} of the steps that hold a place
    tokens, at, wake_at     of a rate, see ``specs.Bucket``
    revision        grows with each change
    seen_at         when it was changed; the server forgets it a week later

A step that is held back stands in its run's document, or its element's own, as a text that
sorts by priority and time: ``held_back``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs
from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from taskmgr_core.orchestrator.limiting import is_others_turn, let_in, look_again, taken
from taskmgr_core.specs import (
    Admission,
    Bucket,
    Claim,
    Demand,
    Limit,
    LimitUse,
    ReadyStep,
    Step,
    is_element,
)
from taskmgr_core.stores.mongodb.database import Database, Document
from taskmgr_core.stores.mongodb.waiting import WaitingSteps

# So often another one may come in between two operations on one limit.
TRIES = 200


@attrs.frozen
class MongoLimits:
    """Implements ``LimitStore``; what each method promises stands there.

    Attributes:
        database: where they are.
    """

    database: Database

    @property
    def _waiting(self) -> WaitingSteps:
        return WaitingSteps(self.database)

    def rules(self) -> list[Limit]:
        """What operators say."""
        with self.database.translated():
            found = self.database.durable.limit_rules.find({}).sort("_id", ASCENDING)
            return [Limit(each["_id"], each["most"], each["rate"]) for each in found]

    def put(self, limit: Limit, now: float) -> None:
        """Record a limit."""
        document = {"_id": limit.name, "most": limit.max, "rate": limit.rate}
        with self.database.translated():
            self.database.durable.limit_rules.replace_one(
                {"_id": limit.name}, document, upsert=True
            )
            self._try_again(limit.name, now)

    def remove(self, name: str, now: float) -> bool:
        """Remove a limit."""
        with self.database.translated():
            done = self.database.durable.limit_rules.delete_one({"_id": name}).deleted_count == 1
            self._try_again(name, now)
        return done

    def admit(self, claim: Claim, demands: Sequence[Demand], now: float) -> Admission:
        """Let a claimed step run, or hold it back."""
        with self.database.translated():
            return self._admit(claim, demands, now)

    def given_back(self, claim: Claim, now: float) -> list[ReadyStep]:
        """Give the places of a step back, and have those try that wait for them."""
        return self._let_go(claim.limits, claim.step, now)

    def lost(self, steps: Sequence[Step], now: float) -> None:
        """Give the places of steps back that were taken from their workers."""
        for step in steps:
            held = {"holders": {"$elemMatch": {"run": step.run, "step": step.id}}}
            labels = [each["_id"] for each in self.database.limits.find(held, {"_id": 1})]
            self._let_go(labels, step, now, unheard=True)

    def uses(self, limit: int) -> list[LimitUse]:
        """What runs and waits."""
        with self.database.translated():
            found = self.database.limits.find({"holders.0": {"$exists": True}})
            running = {
                each["_id"]: len(each["holders"]) - len(self._gone(each["holders"]))
                for each in found.limit(limit)
            }
            waiting = Counter(self._waiting.labels(limit))
        labels = sorted({each for each, count in running.items() if count} | waiting.keys())
        return [LimitUse(each, running.get(each, 0), waiting[each]) for each in labels]

    def _try_again(self, name: str, now: float) -> None:
        self.database.limits.delete_one({"_id": f"rate:{name}"})
        for label in (name, f"rate:{name}"):
            while self._waiting.wake(label, now, unheard=True) is not None:
                pass

    def _let_go(
        self, labels: Sequence[str], step: Step, now: float, *, unheard: bool = False
    ) -> list[ReadyStep]:
        found = []
        for label in labels:
            self.database.limits.update_one(
                {"_id": label},
                {
                    "$pull": {"holders": {"run": step.run, "step": step.id, "worker": step.worker}},
                    "$inc": {"revision": 1},
                },
            )
            found.append(self._waiting.wake(label, now, unheard=unheard))
        return [each for each in found if each is not None]

    def _admit(self, claim: Claim, demands: Sequence[Demand], now: float) -> Admission:
        held: list[Demand] = []
        ready: list[ReadyStep] = []
        for demand in demands:
            due, told = self._wanted(claim, demand, now)
            if due is not None:
                self._undo(held, claim.step, now)
                found = self._hold_back(claim, demand, now, due)
                return attrs.evolve(found, ready=(*found.ready, *ready))
            held.append(demand)
            ready += told
        if claim.step.waits_for and not self._waiting.admitted(claim.step):
            self._undo(held, claim.step, now)
            return Admission(None)
        labels = tuple(each.label for each in demands if each.rate is None)
        return Admission(let_in(claim, labels), tuple(ready))

    def _wanted(
        self, claim: Claim, demand: Demand, now: float
    ) -> tuple[float | None, list[ReadyStep]]:
        """Get a place or a token.

        Returns:
            None and who is to be told; where there is none, when the step is due that
            wants it (0 for when it is woken).
        """
        step = claim.step
        if demand.rate is None:
            return (None if self._place(demand, step) else 0.0), []
        rate = demand.rate

        def take(document: Document) -> Document | float:
            bucket, seconds = taken(_bucket_of(document), rate, now)
            woken = _is_woken(step, bucket)
            if seconds > 0 and is_others_turn(bucket, now, woken=woken):
                return 0.0
            wake_at = now + seconds if seconds > 0 else bucket.wake_at
            return {"tokens": bucket.tokens, "at": bucket.at, "wake_at": wake_at, "due": seconds}

        found = self._changed(demand.label, take)
        if not isinstance(found, dict):
            return found, []
        if found["due"] > 0:
            return now + found["due"], []
        return None, self._next_token(demand, found, now)

    def _next_token(self, demand: Demand, found: Document, now: float) -> list[ReadyStep]:
        """Have the next one try when there is a token again: one at a time, by its priority."""
        if found["wake_at"] > now or demand.rate is None:
            return []
        _, seconds = taken(_bucket_of(found), demand.rate, now)
        step = self._waiting.wake(demand.label, now, now + seconds if seconds > 0 else 0.0)
        if step is None:
            return []
        self.database.limits.update_one(
            {"_id": demand.label}, {"$set": {"wake_at": now + seconds}, "$inc": {"revision": 1}}
        )
        return [step]

    def _place(self, demand: Demand, step: Step) -> bool:
        """Hold one of the places of a limit; whether there was one."""
        mine = {"run": step.run, "step": step.id, "worker": step.worker}

        def hold(document: Document) -> Document | float:
            others = [each for each in document.get("holders", []) if each != mine]
            if len(others) >= demand.max:
                gone = self._gone(others)
                others = [each for each in others if each not in gone]
            return 0.0 if len(others) >= demand.max else {"holders": [*others, mine]}

        return isinstance(self._changed(demand.label, hold), dict)

    def _changed(
        self, label: str, change: Callable[[Document], Document | float]
    ) -> Document | float:
        """Change the document of a limit; what ``change`` gave of it as it then was.

        Where it gives a number nothing is changed.
        """
        for _ in range(TRIES):
            document = self.database.limits.find_one({"_id": label}) or {}
            wanted = change(document)
            if not isinstance(wanted, dict):
                return wanted
            fields = {name: each for name, each in wanted.items() if name != "due"}
            fields["seen_at"] = datetime.now(UTC)
            if not document:
                try:
                    self.database.limits.insert_one({"_id": label, "revision": 0, **fields})
                except DuplicateKeyError:
                    continue
                return wanted
            done = self.database.limits.update_one(
                {"_id": label, "revision": document["revision"]},
                {"$set": fields, "$inc": {"revision": 1}},
            )
            if done.matched_count:
                return wanted
        return 0.0  # looked at again soon

    def _gone(self, holders: Sequence[Document]) -> list[Document]:
        """Those of some holders of places whose steps do not run any more."""
        elements = [each for each in holders if is_element(each["step"])]
        ids = [f"{each['run']}/{each['step']}" for each in elements]
        runs = sorted({each["run"] for each in holders if not is_element(each["step"])})
        held: set[tuple[str, str, str]] = set()
        if runs:
            for run in self.database.runs.find({"_id": {"$in": runs}}, {"running": 1}):
                held |= {
                    (run["_id"], each["step"], each["worker"]) for each in run.get("running", [])
                }
        if ids:
            wanted = {"_id": {"$in": ids}, "status": "running"}
            for each in self.database.elements.find(wanted, {"run": 1, "name": 1, "worker": 1}):
                held.add((each["run"], each["name"], each["worker"]))
        return [each for each in holders if (each["run"], each["step"], each["worker"]) not in held]

    def _undo(self, held: Sequence[Demand], step: Step, now: float) -> None:
        """Give back what a step got that is held back after all."""
        labels = [each.label for each in held if each.rate is None]
        self._let_go(labels, step, now, unheard=True)
        for label in (each.label for each in held if each.rate is not None):
            self.database.limits.update_one({"_id": label}, {"$inc": {"tokens": 1, "revision": 1}})

    def _hold_back(self, claim: Claim, demand: Demand, now: float, due: float) -> Admission:
        step = claim.step
        since = step.ready_at if step.waits_since is None else step.waits_since
        since = now if since is None else since
        until = due or look_again(since, now)
        state: dict[str, Any] = {
            "status": "ready",
            "attempt": step.attempt - 1,
            "worker": "",
            "started_at": None,
            "not_before": until,
            "ready_at": until,
            "look_at": until,
            "waits_for": demand.reason,
            "waits_since": since,
            "woken": bool(due),
        }
        label = "" if due else demand.label
        ready = self._waiting.hold_back(claim, state, label, since)
        if ready is None and self._waiting.is_held(step):
            return Admission(let_in(claim, ()))
        if ready is None or due:
            return Admission(None, () if ready is None else (ready,))
        return Admission(None, tuple(self._missed(demand, now)))

    def _missed(self, demand: Demand, now: float) -> list[ReadyStep]:
        """Who is to be told of what was given back before the step stood among those who wait."""
        document = self.database.limits.find_one({"_id": demand.label}) or {}
        if demand.rate is not None:
            return self._next_token(demand, {"wake_at": 0.0, **document}, now)
        if len(document.get("holders", [])) >= demand.max:
            return []
        step = self._waiting.wake(demand.label, now)
        return [] if step is None else [step]


def _bucket_of(document: Document) -> Bucket | None:
    if "tokens" not in document:
        return None
    return Bucket(document["tokens"], document["at"], document["wake_at"])


def _is_woken(step: Step, bucket: Bucket) -> bool:
    """Whether a step tries because it was told to."""
    return bool(step.waits_for) and step.not_before in (0.0, bucket.wake_at)
