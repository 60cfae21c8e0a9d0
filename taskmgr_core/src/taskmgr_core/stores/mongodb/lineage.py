"""Recorded field values and the edges between them, read from the run documents."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from operator import itemgetter
from typing import Any

import attrs
from pymongo import DESCENDING

from taskmgr_core.errors import NotFoundError
from taskmgr_core.specs import Edge, FieldValue
from taskmgr_core.stores.metadata import ValueUse
from taskmgr_core.stores.mongodb import records
from taskmgr_core.stores.mongodb.database import Database, Document
from taskmgr_core.stores.records import intact


@attrs.frozen
class Lineage:
    """What was made from what.

    Attributes:
        database: where the run documents are.
    """

    database: Database

    def values(self, run_id: str, ports: Collection[str] | None) -> list[FieldValue]:
        """See ``MetadataStore.values``."""
        wanted = {"values": 1} if ports is None else records.value_projection(ports)
        found = self.database.runs.find_one({"_id": run_id}, wanted)
        if found is None:
            return []
        return records.values_from({"values": {}, **found}, ports)

    def edges(self, run_id: str) -> list[Edge]:
        """See ``MetadataStore.edges``."""
        found = self.database.runs.find_one({"_id": run_id}, {"edges": 1})
        return [] if found is None else records.edges_from(found)

    def digest(self, beginning: str) -> str:
        """See ``MetadataStore.digest``.

        Three looks into the index, however many runs have what is found.
        """
        end = beginning + "~"
        first = self._one_between({"$gte": beginning, "$lt": end})
        if first is None:
            raise NotFoundError(f"no recorded value or file has a digest that begins {beginning!r}")
        others = ({"$gte": beginning, "$lt": first}, {"$gt": first, "$lt": end})
        if any(self._one_between(each) for each in others):
            raise NotFoundError(f"several digests begin with {beginning!r}; give more of it")
        return first

    def uses(self, digest: str, limit: int) -> list[ValueUse]:
        """See ``MetadataStore.uses``."""
        found = self.database.runs.find({"digests": digest}, {"values": 1})
        uses: list[ValueUse] = []
        for document in found.sort("_id", DESCENDING).limit(limit):
            having = [
                each
                for each in document["values"].values()
                if digest in (each["digest"], *each["artifacts"])
            ]
            read = partial(_use_from, document["_id"])
            uses += intact(sorted(having, key=itemgetter("port")), read)
            if len(uses) >= limit:
                break
        return uses[:limit]

    def _one_between(self, bounds: Document) -> str | None:
        """A recorded digest within bounds."""
        found = self.database.runs.find_one(
            {"digests": {"$elemMatch": bounds}}, {"digests": {"$elemMatch": bounds}}
        )
        return None if found is None else str(found["digests"][0])


def _use_from(run_id: str, record: Mapping[str, Any]) -> ValueUse:
    return ValueUse(run_id, records.value_from(run_id, record))
