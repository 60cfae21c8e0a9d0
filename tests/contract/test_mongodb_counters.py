"""Counters in MongoDB when a process is killed while it adds up the past."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from samples import NOW

from servers import Share
from taskmgr_core.stores.counters import SILENT_SECONDS
from taskmgr_core.stores.mongodb import MongoMetadata


@pytest.fixture
def store(mongodb_server: Share) -> Iterator[MongoMetadata]:
    """An empty store."""
    opened = MongoMetadata(mongodb_server.url)
    opened.initialize()
    yield opened
    opened.close()


def test_record_that_a_crash_left_behind_counts_once(
    store: MongoMetadata, mongodb_server: Share
) -> None:
    """It is in the past already, as is written there; the next who adds up removes it."""
    store.counters.report("old", {"x": 5}, NOW)
    with MongoClient[dict[str, Any]](mongodb_server.url) as client:
        counters = client[mongodb_server.name]["counters"]
        left = counters.find_one({"_id": "old"})
        assert left is not None
        store.counters.report("new", {"x": 1}, NOW + SILENT_SECONDS + 1)
        assert counters.find_one({"_id": "old"}) is None
        counters.insert_one(left)
        assert store.counters.totals() == {"x": 6}
        store.counters.report("newer", {"x": 1}, NOW + SILENT_SECONDS + 2)
        assert store.counters.totals() == {"x": 7}
        assert counters.find_one({"_id": "old"}) is None
