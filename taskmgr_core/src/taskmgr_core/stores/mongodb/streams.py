"""What a step yields while it runs: documents for the elements of the steps that it feeds."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from pymongo import ReturnDocument

from taskmgr_core.specs import Claim, FieldValue
from taskmgr_core.stores.metadata import GATHERING, Fed, first_look
from taskmgr_core.stores.mongodb import records
from taskmgr_core.stores.mongodb.database import Database, Document
from taskmgr_core.stores.mongodb.elements import GROWING, Elements


@attrs.frozen
class Streams:
    """Steps that grow.

    Attributes:
        database: where the run documents are.
        elements: the documents of their elements.
    """

    database: Database
    elements: Elements

    def extend(self, claim: Claim, first: int, items: Sequence[FieldValue], now: float) -> Fed:
        """See ``MetadataStore.extend``: the elements first, then how many there are.

        Between the two nobody takes them; after a crash there they are found, and stay.
        """
        step = claim.step
        fence: Document = {
            "_id": step.run,
            records.in_state(step.id, "status"): "running",
            records.in_state(step.id, "attempt"): step.attempt,
            records.in_state(step.id, "worker"): step.worker,
        }
        document = self.database.runs.find_one(fence, records.WORKING)
        if document is None:
            return Fed(recorded=False)
        # Of a run that begins nothing more nobody takes anything, whatever still runs.
        stopped = document["cancel_requested"] or "expired_at" in document
        wanted = () if stopped else ("pending", "mapping")
        feeds = [
            each
            for each in claim.graph_step.feeds
            if records.state_of(document, each.step)["status"] in wanted
        ]
        gathers = not stopped and any(
            records.state_of(document, each.step)["status"] in GATHERING
            for each in claim.graph_step.feeds
        )
        if items and feeds:
            steps = [each.step for each in feeds]
            differs = self.elements.extend(document, steps, first, items)
            if differs is not None:
                return Fed(recorded=True, wanted=True, differs=differs)
            for each in feeds:
                document = self._grown(fence, document, each.step, first + len(items), now)
                if document is None:
                    return Fed(recorded=False)
        ready = tuple(self.elements.fill(document, now)) if items and feeds else ()
        growing = [
            each for each in feeds
            if records.state_of(document, each.step)["status"] == "mapping"
        ]  # fmt: skip
        return Fed(
            recorded=True,
            wanted=bool(feeds) or gathers,
            full=gathers
            or any(
                self.elements.waiting(document, each.step, each.most) >= each.most
                for each in growing
            ),
            ready=ready,
        )

    def _grown(
        self, fence: Document, document: Document, step_id: str, count: int, now: float
    ) -> Document | None:
        """The run with so many elements of a step, if it still takes any."""
        begins = records.state_of(document, step_id)["status"] == "pending"
        fields: Document = {records.in_state(step_id, "look_at"): first_look(now)}
        if begins:
            fields |= {
                records.in_state(step_id, "status"): "mapping",
                records.in_state(step_id, "generation"): GROWING,
                records.in_state(step_id, "started_at"): now,
            }
        return self.database.runs.find_one_and_update(
            {**fence, records.in_state(step_id, "status"): "pending" if begins else "mapping"},
            {
                "$set": fields,
                "$max": {records.in_state(step_id, "elements"): count},
                "$inc": {"revision": 1},
                "$min": {"look_at": first_look(now)},
            },
            projection=records.WORKING,
            return_document=ReturnDocument.AFTER,
        ) or self.database.runs.find_one(fence, records.WORKING)
