"""Loops in MongoDB, where an outcome and what follows from it are two documents."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from samples import NOW, claimed, status_of
from test_metadata_loops import looping, said

from servers import Share
from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.specs import Run
from taskmgr_core.stores.mongodb import MongoMetadata


@pytest.fixture
def store(mongodb_server: Share) -> Iterator[MongoMetadata]:
    """An empty store."""
    opened = MongoMetadata(mongodb_server.url)
    opened.initialize()
    yield opened
    opened.close()


def crashed(store: MongoMetadata) -> Run:
    """A run whose worker has recorded that another iteration follows, and then died."""
    run, _ = looping(store)
    claim = claimed(store)
    state = {"status": "succeeded", "failure": None, "look_at": None}
    assert store._runs.elements.finish(claim, said(claim), state) is not None
    assert store.claim("w2", (), NOW) is None
    return run


def test_iteration_that_is_owed_is_made_by_whoever_comes(store: MongoMetadata) -> None:
    """It is made once, however many come, and the step is not taken to have ended before."""
    run = crashed(store)
    assert [each.id for each in store.reconcile(run.id, decide, NOW).ready] == ["001[1]"]
    assert store.reconcile(run.id, decide, NOW).ready == ()
    assert store.steps(run.id)[0].elements == 2
    assert claimed(store).element == 1


def test_worker_finds_a_loop_that_stands_still(store: MongoMetadata) -> None:
    """Whoever looks for lost workers carries it on."""
    run = crashed(store)
    store.release_lost({}, 3, decide, NOW + 60)
    assert store.steps(run.id)[0].elements == 2


def test_cancelled_run_is_forgiven_its_debt(store: MongoMetadata) -> None:
    """No iteration is made any more, and the run ends."""
    run = crashed(store)
    store.request_cancel(run.id, decide, NOW)
    store.reconcile(run.id, decide, NOW)
    assert status_of(store, run) == {"001": "cancelled", "run": "cancelled"}
    assert store.steps(run.id)[0].elements == 1
    assert store.claim("w2", (), NOW + 99) is None
