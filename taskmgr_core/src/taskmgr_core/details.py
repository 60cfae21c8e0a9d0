"""A run with all that is recorded of it, its result put together."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from taskmgr_core.errors import ArtifactError, InvalidValueError, NotFoundError
from taskmgr_core.lineage import whole_edges, whole_values
from taskmgr_core.results import absent, assemble
from taskmgr_core.specs import FINAL_RUN_STATUSES, SUMMARY_ENTRY, RunDetail, Step
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.summary import processing_summary
from taskmgr_core.values import fetched

# Of the elements that failed as many are told one by one; the others are counted.
FIRST_FAILED = 5


def recorded_detail(metadata: MetadataStore, artifacts: ArtifactStore, run_id: str) -> RunDetail:
    """Everything that is recorded of a run.

    Arguments:
        metadata: where it is recorded.
        artifacts: where large values lie.
        run_id: the run.

    Raises:
        NotFoundError: no such run.
    """
    run = metadata.run(run_id)
    steps = with_failed(metadata, metadata.steps(run.id))
    values = tuple(whole_values(metadata.values(run.id)))
    edges = tuple(whole_edges(metadata.edges(run.id)))
    detail = RunDetail(run, steps, values, edges, None)
    return detail if run.status != "succeeded" else _with_result(detail, artifacts)


def with_failed(metadata: MetadataStore, steps: Iterable[Step]) -> tuple[Step, ...]:
    """The steps of a run, each with those of its elements or iterations that failed.

    What bears the failures of its elements ends well: nothing else tells of them.
    """
    return tuple(
        attrs.evolve(each, failed=metadata.failed_elements(each.run, each.id, FIRST_FAILED))
        if each.elements
        else each
        for each in steps
    )


def has_ended(metadata: MetadataStore, run_id: str) -> bool:
    """Whether a run has ended, or is not recorded any more."""
    try:
        return metadata.status(run_id) in FINAL_RUN_STATUSES
    except NotFoundError:
        return True


def _with_result(detail: RunDetail, artifacts: ArtifactStore) -> RunDetail:
    run = detail.run
    try:
        documents = {
            value.port: fetched(value.document, artifacts)
            for value in detail.values
            if not value.source
        }
        result = assemble(run.graph, documents, absent(run.graph, detail.steps))
    except (InvalidValueError, ArtifactError) as error:
        return attrs.evolve(detail, problem=f"the result cannot be put together: {error}")
    if run.kind == "pipeline":
        result[SUMMARY_ENTRY] = processing_summary(run, detail.steps, detail.edges)
    return attrs.evolve(detail, result=result)
