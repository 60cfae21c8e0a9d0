"""Whether a step that was claimed is to be run: its condition, asked of the values."""

from __future__ import annotations

import attrs

from taskmgr_core.orchestrator.conditions import holds
from taskmgr_core.specs import Claim, Edge, FieldValue, Source, condition_port
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.values import fetched, recorded


@attrs.frozen
class Decision:
    """What came of a condition.

    Attributes:
        holds: whether the step is to be run.
        values, edges: what is recorded of it: the answer, and what it was found from.
    """

    holds: bool
    values: tuple[FieldValue, ...] = ()
    edges: tuple[Edge, ...] = ()


NO_DECISION = Decision(holds=True)


def decided(claim: Claim, artifacts: ArtifactStore) -> Decision | None:
    """What comes of the condition of a step; None where it has none.

    Raises:
        RunnerError: it cannot be told.
        ArtifactError: a value that it reads is not to be had.
    """
    step = claim.graph_step
    if not step.when:
        return None
    documents = {
        name: fetched(document_of(claim, source), artifacts) for name, source in step.reads.items()
    }
    found = holds(step.when, documents, step.texts)
    port = condition_port(step.id)
    read = [source.port for source in step.reads.values() if source.port in claim.values]
    return Decision(
        found,
        (recorded(port, found, "boolean", step.id),),
        tuple(Edge(each, port) for each in dict.fromkeys(read)),
    )


def document_of(claim: Claim, source: Source) -> object:
    """The JSON value that an expression reads."""
    if source.port in claim.values:
        return claim.values[source.port].document
    return source.fallback[0] if source.fallback else source.constant
