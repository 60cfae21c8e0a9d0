"""Requests that must not be answered twice."""

from __future__ import annotations

import attrs
from pymongo.errors import DuplicateKeyError

from taskmgr_core.stores.mongodb.database import Database
from taskmgr_core.stores.requests import Answered

_FIELDS = ("fingerprint", "run", "at")


@attrs.frozen
class MongoRequests:
    """Implements ``RequestStore``; what each method promises stands there.

    Attributes:
        database: where they are.
    """

    database: Database

    def begin(self, request: Answered, keep: float) -> Answered:
        """Record a request, unless it is there; two at once differ by the id."""
        requests = self.database.durable.requests
        said = {name: getattr(request, name) for name in _FIELDS}
        with self.database.translated():
            requests.delete_many({"at": {"$lte": request.at - keep}})
            try:
                requests.insert_one({"_id": request.key, **said})
            except DuplicateKeyError:
                found = requests.find_one({"_id": request.key})
                if found is not None:
                    return Answered(request.key, *(found[name] for name in _FIELDS))
                # It was forgotten in between.
                requests.update_one({"_id": request.key}, {"$set": said}, upsert=True)
        return request

    def forget(self, key: str) -> None:
        """Forget a request."""
        with self.database.translated():
            self.database.durable.requests.delete_one({"_id": key})
