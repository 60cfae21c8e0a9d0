"""The hook plugin ``openlineage``: tells a receiver of runs and steps as they happen.

It is called in a thread of its own with a bounded queue: a receiver that is away or slow
holds up no run, and what it is not told is counted.
"""

from __future__ import annotations

from collections.abc import Collection

from openlineage.client.client import OpenLineageClient
from openlineage.client.event_v2 import RunEvent

from taskmgr_core.lineage import whole_edges, whole_values
from taskmgr_core.lineage_events.datasets import Datasets
from taskmgr_core.lineage_events.events import Events, producer
from taskmgr_core.specs import Failure, GraphStep, Run, Step
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_plugins import hookimpl
from taskmgr_plugins.events import RunEnded, RunStarted, StepEnded, StepStarted


class LineageTeller:
    """Tells a receiver.

    Arguments:
        metadata: where the rest of what is told is read.
        namespace: of jobs and datasets.
        client: the official client; None for one that is configured as it says itself.

    Raises:
        Exception: what the client raises of its configuration.
    """

    def __init__(
        self, metadata: MetadataStore, namespace: str, client: OpenLineageClient | None = None
    ) -> None:
        self._metadata = metadata
        self._namespace = namespace
        self._client = client or OpenLineageClient()

    @hookimpl
    def taskmgr_run_started(self, event: RunStarted) -> None:
        """The run begins."""
        run = self._metadata.run(event.run)
        self._tell(self._events(run, run.graph.inputs).of_run("running", event.time))

    @hookimpl
    def taskmgr_run_ended(self, event: RunEnded) -> None:
        """The run has ended, and with it what it had begun and nobody was at."""
        run = self._metadata.run(event.run)
        events = self._events(run)
        for each in self._metadata.steps(run.id) if event.status != "succeeded" else ():
            if _ended_with_its_run(each) and each.finished_at and each.started_at:
                step = run.graph.step(each.id)
                self._tell(
                    events.of_step(step, each.status, each.finished_at, each.started_at, None)
                )
        self._tell(events.of_run(event.status, event.time, _failure(event)))

    @hookimpl
    def taskmgr_step_started(self, event: StepStarted) -> None:
        """A step begins; an attempt after the first goes on with it."""
        run = self._metadata.run(event.run)
        step = _step(run, event.step)
        # A step that is run for each element is claimed again to put its elements together.
        if step is None or event.attempt > 1:
            return
        events = self._events(run, step.sources)
        self._tell(events.of_step(step, "running", event.time, event.time, None))

    @hookimpl
    def taskmgr_step_ended(self, event: StepEnded) -> None:
        """A step, or an attempt at it, has ended."""
        run = self._metadata.run(event.run)
        step = _step(run, event.step)
        if step is None:
            return
        begun = event.time - event.seconds.get("total", 0.0)
        events = self._events(run)
        self._tell(events.of_step(step, event.status, event.time, begun, _failure(event)))

    @hookimpl
    def taskmgr_close(self, seconds: float) -> None:
        """Let the transport finish what it has begun."""
        self._client.close(seconds)

    def _events(self, run: Run, ports: Collection[str] | None = None) -> Events:
        """The events of a run.

        Arguments:
            run: the run.
            ports: whose values are enough; None for all, with the edges between them.
        """
        values = whole_values(self._metadata.values(run.id, ports))
        edges = () if ports is not None else tuple(whole_edges(self._metadata.edges(run.id)))
        known = {each.port: each for each in values}
        return Events(run, Datasets(self._namespace, producer(), run.graph, known, edges))

    def _tell(self, event: RunEvent) -> None:
        self._client.emit(event)


def _step(run: Run, step_id: str) -> GraphStep | None:
    """A step of the graph; None for an element of a list, which its step stands for."""
    return next((each for each in run.graph.steps if each.id == step_id), None)


def _ended_with_its_run(step: Step) -> bool:
    """Whether a step had begun and no attempt at it was under way when it ended.

    The end of an attempt is told by its worker. There is none between two attempts, and none of
    the step itself while it is run for each element, or again and again.
    """
    if step.status not in ("cancelled", "skipped") or step.started_at is None:
        return False
    waited = step.ready_at is not None and step.ready_at > step.started_at
    return waited or step.elements is not None


def _failure(event: RunEnded | StepEnded) -> Failure | None:
    return Failure(event.failure, event.message) if event.failure else None
