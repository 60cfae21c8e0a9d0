"""All events of one run that has been recorded, in the order of their times."""

from __future__ import annotations

from openlineage.client.event_v2 import RunEvent
from openlineage.client.serde import Serde

from taskmgr_core.lineage_events.datasets import Datasets
from taskmgr_core.lineage_events.events import Events, producer
from taskmgr_core.specs import RunDetail


def exported(detail: RunDetail, namespace: str) -> list[RunEvent]:
    """The events of a run and its steps; of what was never begun there are none.

    Arguments:
        detail: the run.
        namespace: of jobs and datasets.
    """
    run = detail.run
    values = {each.port: each for each in detail.values}
    events = Events(run, Datasets(namespace, producer(), run.graph, values, detail.edges))
    found = [(run.created_at, 0, events.of_run("running", run.created_at))]
    for step in detail.steps:
        if step.started_at is None:
            continue
        begun, of_it = step.started_at, run.graph.step(step.id)
        found.append((begun, 1, events.of_step(of_it, "running", begun, begun, None)))
        if step.finished_at is not None:
            ended = step.finished_at
            event = events.of_step(of_it, step.status, ended, begun, step.failure)
            found.append((ended, 2, event))
    if run.finished_at is not None:
        ended = run.finished_at
        found.append((ended, 3, events.of_run(run.status, ended, run.failure)))
    return [event for _, _, event in sorted(found, key=lambda each: each[:2])]


def as_lines(events: list[RunEvent]) -> str:
    """Events as lines of JSON, as the official client writes them."""
    return "".join(Serde.to_json(each) + "\n" for each in events)
