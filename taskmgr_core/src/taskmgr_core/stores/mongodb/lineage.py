"""Recorded field values and the edges between them, read from the run documents."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import get_args

import attrs
from pymongo import ASCENDING, DESCENDING

from taskmgr_core.errors import NotFoundError
from taskmgr_core.specs import Edge, FieldValue
from taskmgr_core.stores.digests import digests_in
from taskmgr_core.stores.metadata import Role
from taskmgr_core.stores.mongodb import records
from taskmgr_core.stores.mongodb.database import Database, Document
from taskmgr_core.stores.mongodb.elements import Elements


@attrs.frozen
class Lineage:
    """What was made from what.

    Attributes:
        database: where the run documents are.
    """

    database: Database
    elements: Elements = attrs.field(
        default=attrs.Factory(lambda self: Elements(self.database), takes_self=True), init=False
    )

    def values(self, run_id: str, ports: Collection[str] | None) -> list[FieldValue]:
        """See ``MetadataStore.values``."""
        wanted = {"values": 1} if ports is None else records.value_projection(ports)
        found = self.database.runs.find_one({"_id": run_id}, {**wanted, "state": 1})
        if found is None:
            return []
        values = records.values_from({"values": {}, **found}, ports)
        return [*values, *self.elements.values(found, ports)]

    def edges(self, run_id: str) -> list[Edge]:
        """See ``MetadataStore.edges``."""
        found = self.database.runs.find_one({"_id": run_id}, {"edges": 1, "state": 1})
        if found is None:
            return []
        further = [Edge(*each) for each in self.elements.edges(found)]
        return [*records.edges_from(found), *further]

    def digest(self, beginning: str) -> str:
        """See ``MetadataStore.digest``.

        Some looks into the index, however many runs have what is found.
        """
        found = {digest for role in get_args(Role) for digest in self._beginning(role, beginning)}
        if not found:
            raise NotFoundError(f"no recorded value or file has a digest that begins {beginning!r}")
        if len(found) > 1:
            raise NotFoundError(f"several digests begin with {beginning!r}; give more of it")
        return found.pop()

    def next_runs(
        self,
        digests: Collection[str],
        roles: Collection[Role],
        beyond: str | None,
        *,
        older: bool,
    ) -> dict[str, str]:
        """See ``MetadataStore.next_runs``."""
        nearest, direction = (max, DESCENDING) if older else (min, ASCENDING)
        border = {} if beyond is None else {"_id": {"$lt" if older else "$gt": beyond}}
        found = {}
        for digest in digests:
            keys = [records.role_key(role, digest) for role in roles]
            runs = [
                document["_id"]
                for key in keys
                for document in self.database.runs.find({"digests": key, **border}, {"_id": 1})
                .sort("_id", direction)
                .limit(1)
            ]
            runs += [
                document["run"]
                for key in keys
                for document in self.database.elements.find(
                    {"digests": key, **({"run": border["_id"]} if border else {})}, {"run": 1}
                )
                .sort("run", direction)
                .limit(1)
            ]
            if runs:
                found[digest] = nearest(runs)
        return found

    def runs_using(
        self,
        versions: Collection[tuple[str, str]],
        beyond: str | None,
        *,
        older: bool,
        limit: int,
    ) -> list[str]:
        """See ``MetadataStore.runs_using``."""
        border = {} if beyond is None else {"_id": {"$lt" if older else "$gt": beyond}}
        found = {
            str(document["_id"])
            for use in records.uses_of(versions)
            for document in self.database.runs.find({"uses": use, **border}, {"_id": 1})
            .sort("_id", DESCENDING if older else ASCENDING)
            .limit(limit)
        }
        return sorted(found, reverse=older)[:limit]

    def list_uses(self) -> None:
        """Add what ``runs_using`` goes by to the runs of an earlier taskmgr."""
        for document in self.database.runs.find({"uses": {"$exists": False}}, {"state": 1}):
            states = document["state"].values()
            uses = records.uses_of((each["task"], each["version"]) for each in states)
            self.database.runs.update_one({"_id": document["_id"]}, {"$set": {"uses": uses}})

    def mentioned(self) -> Iterator[str]:
        """See ``MetadataStore.mentioned``."""
        durable = self.database.durable
        for collection in (
            durable.runs,
            durable.elements,
            durable.releases,
            durable.pipelines,
            durable.routes,
            durable.schedules,
            self.database.cache,
        ):
            for document in collection.find({}):
                yield from digests_in(str(document))

    def _beginning(self, role: Role, beginning: str) -> Iterator[str]:
        """Up to two digests in a role that begin so."""
        first = records.role_key(role, beginning)
        last = first + "~"
        found = self._one_between({"$gte": first, "$lt": last})
        if found is not None:
            yield found.removeprefix(records.role_key(role, ""))
            others = ({"$gte": first, "$lt": found}, {"$gt": found, "$lt": last})
            another = (self._one_between(each) for each in others)
            yield from (each.removeprefix(records.role_key(role, "")) for each in another if each)

    def _one_between(self, bounds: Document) -> str | None:
        """A recorded digest with its role, within bounds."""
        found = self.database.runs.find_one(
            {"digests": {"$elemMatch": bounds}}, {"digests": {"$elemMatch": bounds}}
        )
        return None if found is None else str(found["digests"][0])
