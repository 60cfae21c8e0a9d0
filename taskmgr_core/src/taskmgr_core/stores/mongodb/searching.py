"""Runs by a text in their inputs."""

from __future__ import annotations

import re
import string

from pymongo import DESCENDING

from taskmgr_core.stores.metadata import RunFilter
from taskmgr_core.stores.mongodb import records
from taskmgr_core.stores.mongodb.database import Database, Document
from taskmgr_core.stores.mongodb.runs import wanted_documents
from taskmgr_core.stores.searching import LOOKED, Found, needle


def with_input(database: Database, wanted: RunFilter, text: str, looked: int = LOOKED) -> Found:
    """See ``MetadataStore.runs_with_input``: the server looks, and gives only what it has found."""
    query = wanted_documents(wanted)
    given = {
        "v.producer": "",
        "v.source": "",
        "v.document": {"$regex": _either_case(needle(text))},
    }
    pipeline: list[Document] = [
        {"$match": query},
        {"$sort": {"_id": DESCENDING}},
        {"$limit": looked},
        {"$project": {"values": {"$objectToArray": "$values"}}},
        {"$match": {"values": {"$elemMatch": given}}},
        {"$limit": wanted.limit},
        {"$project": {"_id": 1}},
    ]
    ids = [each["_id"] for each in database.runs.aggregate(pipeline)]
    listed = database.runs.find({"_id": {"$in": ids}}, records.LISTED).sort("_id", DESCENDING)
    found = [records.summary_from(each) for each in listed]
    if len(ids) == wanted.limit:
        return Found(found, ids[-1])
    last = database.runs.find(query, {"_id": 1}).sort("_id", DESCENDING).skip(looked - 1).limit(1)
    return Found(found, next((each["_id"] for each in last), None))


def _either_case(text: str) -> str:
    """A pattern for a text, in which letters of ASCII stand for themselves in either case."""
    return "".join(
        f"[{each.lower()}{each.upper()}]" if each in string.ascii_letters else re.escape(each)
        for each in text
    )
