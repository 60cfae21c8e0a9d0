"""What the step that handles the failure of a run is told of it."""

from __future__ import annotations

from typing import Any

import attrs

from taskmgr_core.orchestrator.engine import is_fatal, rule_of
from taskmgr_core.specs import FAILURE_PORT, Claim, Failure, FieldValue, Run, Step
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.stores.records import expiry
from taskmgr_core.values import recorded

REPORT_TYPE = "object"


def with_report(claim: Claim, metadata: MetadataStore) -> Claim:
    """The claim of a failure handler, with the report among its values.

    Arguments:
        claim: as the store gave it.
        metadata: where the run and its steps are looked up.
    """
    run = metadata.run(claim.step.run)
    report = failure_report(run, metadata.steps(run.id))
    value = recorded(FAILURE_PORT, report, REPORT_TYPE, "")
    return attrs.evolve(claim, values={**claim.values, FAILURE_PORT: value})


def given_report(claim: Claim) -> tuple[FieldValue, ...]:
    """The report that a claim was given, to be recorded; none for other steps."""
    found = claim.values.get(FAILURE_PORT) if claim.graph_step.handles_failure else None
    return () if found is None else (found,)


def failure_report(run: Run, steps: list[Step]) -> dict[str, Any]:
    """The report on a run that failed.

    Returns:
        ``run_id``, ``name``, ``code``, ``message``, ``traceback``, ``step`` (the id of the
        step that failed it first, or empty) and ``steps`` (step id -> its status).
    """
    rules = {each.id: rule_of(each) for each in run.graph.steps}
    failed = [each for each in steps if is_fatal(rules[each.id], each.status)]
    first = min(failed, key=lambda each: each.finished_at or 0.0, default=None)
    failure = first.failure if first is not None else None
    if failure is None and run.graph.timeout is not None:
        failure = expiry(run.graph.timeout)
    told = failure or Failure("internal", "why it failed is not recorded")
    return {
        "run_id": run.id,
        "name": run.name,
        "code": told.code,
        "message": told.message,
        "traceback": told.traceback,
        "step": "" if first is None else first.id,
        "steps": {each.id: each.status for each in steps if not rules[each.id].handles_failure},
    }
