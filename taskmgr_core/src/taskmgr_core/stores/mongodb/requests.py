"""Requests that must not be answered twice."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from pymongo.errors import BulkWriteError, DuplicateKeyError

from taskmgr_core.stores.mongodb.database import DUPLICATE_KEY, Database, Document
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
        """Record a request, unless it is there."""
        with self.database.translated():
            self._forget_old(request.at - keep)
            return self._begin(request)

    def begin_all(self, requests: Sequence[Answered], keep: float) -> list[Answered]:
        """Record requests, each unless it is there; two at once differ by the id."""
        collection = self.database.durable.requests
        with self.database.translated():
            self._forget_old(max(each.at for each in requests) - keep)
            try:
                collection.insert_many([_document(each) for each in requests])
            except BulkWriteError as error:
                # The first that is there ends it; what it says of others nobody needs.
                if any(each["code"] != DUPLICATE_KEY for each in error.details["writeErrors"]):
                    raise
                return [self._begin(each) for each in requests]
        return list(requests)

    def _forget_old(self, before: float) -> None:
        self.database.durable.requests.delete_many({"at": {"$lte": before}})

    def _begin(self, request: Answered) -> Answered:
        collection = self.database.durable.requests
        try:
            collection.insert_one(_document(request))
        except DuplicateKeyError:
            found = collection.find_one({"_id": request.key})
            if found is not None:
                return Answered(request.key, *(found[name] for name in _FIELDS))
            # It was forgotten in between.
            said = {name: getattr(request, name) for name in _FIELDS}
            collection.update_one({"_id": request.key}, {"$set": said}, upsert=True)
        return request

    def forget(self, key: str) -> None:
        """Forget a request."""
        with self.database.translated():
            self.database.durable.requests.delete_one({"_id": key})


def _document(request: Answered) -> Document:
    return {"_id": request.key, **{name: getattr(request, name) for name in _FIELDS}}
