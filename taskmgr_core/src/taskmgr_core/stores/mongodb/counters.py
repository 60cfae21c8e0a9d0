"""What processes have counted: a document for each, so that none waits for another."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from pymongo.errors import DuplicateKeyError

from taskmgr_core.stores.counters import SILENT_SECONDS, from_texts, to_text
from taskmgr_core.stores.mongodb.database import Database, Document

# The document of those that count no more.
_PAST = ""
# Of so many it is remembered that they are in it: a reader may still see their own documents.
_REMEMBERED = 1000


@attrs.frozen
class MongoCounters:
    """Implements ``CounterStore``; what each method promises stands there.

    Attributes:
        database: where they are.
    """

    database: Database

    def report(
        self,
        owner: str,
        counts: Mapping[str, float],
        now: float,
        *,
        last: bool = False,  # noqa: ARG002 - who has ended is silent, which is all that counts
    ) -> None:
        """Record what an owner has counted in all."""
        fields = {"seen_at": now, "counts": to_text(counts)}
        with self.database.translated():
            done = self.database.counters.update_one({"_id": owner}, {"$set": fields}, upsert=True)
            if done.upserted_id is not None:  # so that it is not looked for with each beat
                self._fold(now)

    def totals(self) -> dict[str, float]:
        """The sums over all owners; the past is read last, so that nobody is in neither."""
        with self.database.translated():
            found = list(self.database.counters.find({"seen_at": {"$gt": 0}}))
            past = self._past()
        texts = [each["counts"] for each in found if each["_id"] not in past["folded"]]
        return from_texts([*texts, past["counts"]])

    def _fold(self, now: float) -> None:
        """Add to the past who was silent for long: one conditional write, of several one wins.

        Who is in it is written down with it, so a crash before the removal counts nobody twice.
        """
        found = list(self.database.counters.find({"seen_at": {"$lt": now - SILENT_SECONDS}}))
        if not found:
            return
        past = self._past()
        texts = [each["counts"] for each in found if each["_id"] not in past["folded"]]
        names = [each["_id"] for each in found]
        kept = [each for each in past["folded"] if each not in names]
        fields = {
            "revision": past["revision"] + 1,
            "counts": to_text(from_texts([*texts, past["counts"]])),
            "folded": [*kept, *names][-max(_REMEMBERED, len(names)) :],
        }
        try:
            done = self.database.counters.update_one(
                {"_id": _PAST, "revision": past["revision"]},
                {"$set": fields},
                upsert=past["revision"] == 0,
            )
        except DuplicateKeyError:  # another was the first
            return
        if done.matched_count or done.upserted_id is not None:
            self.database.counters.delete_many({"_id": {"$in": names}})

    def _past(self) -> Document:
        found = self.database.counters.find_one({"_id": _PAST})
        return found or {"revision": 0, "counts": "{}", "folded": []}
