"""What a run keeps for who observes it."""

from __future__ import annotations

import attrs
from samples import created, run_id

from taskmgr_core.stores.metadata import MetadataStore

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_run_keeps_the_span_that_it_was_submitted_in(metadata: MetadataStore) -> None:
    """As it was given; a run that nobody traces has none."""
    plain = created(metadata)
    traced = attrs.evolve(plain, id=run_id(2), traceparent=PARENT)
    metadata.create_run(traced, [], [])
    assert metadata.run(traced.id).traceparent == PARENT
    assert metadata.run(plain.id).traceparent == ""
