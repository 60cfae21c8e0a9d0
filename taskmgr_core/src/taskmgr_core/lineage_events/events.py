"""The events of a run and of its steps."""

from __future__ import annotations

import importlib.metadata
import os
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

import attrs
from openlineage.client.event_v2 import Job, RunEvent, RunState
from openlineage.client.event_v2 import Run as EventRun
from openlineage.client.generated.base import JobFacet, RunFacet
from openlineage.client.generated.documentation_job import DocumentationJobFacet
from openlineage.client.generated.error_message_run import ErrorMessageRunFacet
from openlineage.client.generated.job_type_job import JobTypeJobFacet
from openlineage.client.generated.nominal_time_run import NominalTimeRunFacet
from openlineage.client.generated.parent_run import Job as ParentJob
from openlineage.client.generated.parent_run import ParentRunFacet
from openlineage.client.generated.parent_run import Run as ParentRun
from openlineage.client.generated.processing_engine_run import ProcessingEngineRunFacet

from taskmgr_core.lineage_events.datasets import Datasets, step_dataset
from taskmgr_core.specs import Failure, GraphStep, Run

DEFAULT_NAMESPACE = "taskmgr"
_STATES: Mapping[str, RunState] = MappingProxyType(
    {
        "running": RunState.START,
        "succeeded": RunState.COMPLETE,
        "failed": RunState.FAIL,
        "cancelled": RunState.ABORT,
        "skipped": RunState.ABORT,
        # An attempt has failed and the step goes on.
        "ready": RunState.RUNNING,
    }
)
JobKind = Literal["PIPELINE", "TASK"]


def namespace_of(environ: Mapping[str, str] = os.environ) -> str:
    """The namespace of jobs and datasets, as the official client has it."""
    return environ.get("OPENLINEAGE_NAMESPACE", "") or DEFAULT_NAMESPACE


def producer() -> str:
    """Who tells, as a URI."""
    return f"urn:taskmgr-core:{importlib.metadata.version('taskmgr-core')}"


def step_run_id(run_id: str, step_id: str) -> str:
    """The id of a step's own run: always the same for a step, whoever tells of it."""
    return str(uuid.uuid5(uuid.UUID(run_id), step_id))


@attrs.frozen
class Events:
    """Makes the events of one run.

    Attributes:
        run: the run.
        datasets: its datasets.
    """

    run: Run
    datasets: Datasets

    def of_run(self, status: str, time: float, failure: Failure | None = None) -> RunEvent:
        """The beginning or the end of the run.

        Arguments:
            status: ``running`` for the beginning, else how it ended.
            time: UTC seconds.
            failure: why it failed.
        """
        end = None if status == "running" else time
        kind: JobKind = "PIPELINE" if self.run.kind == "pipeline" else "TASK"
        return RunEvent(
            eventTime=moment(time),
            producer=self.datasets.producer,
            eventType=_STATES[status],
            run=EventRun(self.run.id, facets=self._run_facets(self.run.created_at, end, failure)),
            job=Job(self.datasets.namespace, self.run.name, facets=self._job_facets(kind)),
            inputs=self.datasets.given(),
            outputs=self.datasets.result() if status == "succeeded" else [],
        )

    def of_step(
        self, step: GraphStep, status: str, time: float, begun: float, failure: Failure | None
    ) -> RunEvent:
        """The beginning, a failed attempt or the end of a step; its parent is the run.

        Arguments:
            step: what was run.
            status: ``running`` for the beginning, else as in ``StepEnded``.
            time: UTC seconds.
            begun: UTC seconds at which it began.
            failure: why it, or the attempt, failed.
        """
        ended = status not in ("running", "ready")
        facets = self._run_facets(begun, time if ended else None, failure)
        facets["parent"] = ParentRunFacet(
            ParentRun(self.run.id),
            ParentJob(self.datasets.namespace, self.run.name),
            producer=self.datasets.producer,
        )
        described = DocumentationJobFacet(
            f"Step {step.id} of {self.run.name}: the task {step.task} {step.version}",
            producer=self.datasets.producer,
        )
        name = step_dataset(self.run.graph, step)
        return RunEvent(
            eventTime=moment(time),
            producer=self.datasets.producer,
            eventType=_STATES[status],
            run=EventRun(step_run_id(self.run.id, step.id), facets=facets),
            job=Job(
                self.datasets.namespace,
                name,
                facets={**self._job_facets("TASK"), "documentation": described},
            ),
            inputs=self.datasets.taken(step),
            outputs=self.datasets.made(step) if status == "succeeded" else [],
        )

    def _run_facets(
        self, begun: float, ended: float | None, failure: Failure | None
    ) -> dict[str, RunFacet]:
        told = self.datasets.producer
        facets: dict[str, RunFacet] = {
            "nominalTime": NominalTimeRunFacet(
                moment(begun), None if ended is None else moment(ended), producer=told
            ),
            "processing_engine": ProcessingEngineRunFacet(
                importlib.metadata.version("taskmgr-core"), "taskmgr", producer=told
            ),
        }
        if failure is not None:
            facets["errorMessage"] = ErrorMessageRunFacet(
                f"{failure.code}: {failure.message}",
                "PYTHON",
                failure.traceback or None,
                producer=told,
            )
        return facets

    def _job_facets(self, kind: JobKind) -> dict[str, JobFacet]:
        return {
            "jobType": JobTypeJobFacet("BATCH", "TASKMGR", kind, producer=self.datasets.producer)
        }


def moment(seconds: float) -> str:
    """UTC seconds since 1970 as OpenLineage writes them."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
