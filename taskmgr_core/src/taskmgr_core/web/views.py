"""What the pages show, put together from what the client gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from taskmgr_core.client import Client
from taskmgr_core.errors import NotFoundError
from taskmgr_core.orchestrator.compatibility import type_name
from taskmgr_core.report.graph_svg import graph_svg
from taskmgr_core.specs import FieldValue, RunStatus, RunSummary
from taskmgr_core.specs.runs import StepStatus
from taskmgr_core.stores.metadata import RunFilter
from taskmgr_core.tracing import Page, Part
from taskmgr_core.web.forms import FormField, fields_of_graph, fields_of_task

RUNS_A_PAGE = 50
PARTS_A_PAGE = 20
STATUSES: tuple[RunStatus, ...] = ("running", "succeeded", "failed", "cancelled")
_ORDER: tuple[StepStatus, ...] = ("succeeded", "running", "ready", "pending", "failed", "skipped")


@attrs.frozen
class RunRow:
    """A run in the list.

    Attributes:
        run: the run.
        steps: how its steps are, in words.
        seconds: how long it took; None while it goes on.
    """

    run: RunSummary
    steps: str
    seconds: float | None


@attrs.frozen
class RunList:
    """A page of runs.

    Attributes:
        rows: newest first.
        next: the id that the next page begins behind; empty where this is the last.
        names: what runs can be of.
    """

    rows: tuple[RunRow, ...]
    next: str
    names: tuple[str, ...]


@attrs.frozen
class Form:
    """What a run is submitted with.

    Attributes:
        name: the pipeline's or task's.
        kind: ``pipeline`` or ``task``.
        description: what it does.
        version: of a task; empty for a pipeline.
        versions: all of a task's, newest first.
        fields: its inputs.
        outputs: name -> type, of a task.
        graph: a pipeline's graph as SVG.
    """

    name: str
    kind: str
    description: str
    version: str
    versions: tuple[str, ...]
    fields: tuple[FormField, ...]
    outputs: Mapping[str, str] = attrs.field(factory=dict)
    graph: str = ""


@attrs.frozen
class Found:
    """A value on the way of a lineage; equal ones of a run are one.

    Attributes:
        value: as it is recorded.
        ports: those that hold it.
        picture: the digest of what can be shown of it; empty for nothing.
    """

    value: FieldValue
    ports: tuple[str, ...]
    picture: str


@attrs.frozen
class WayPart:
    """The part of a lineage that lies in one run."""

    run: str
    name: str
    status: str
    entered: tuple[Found, ...]
    reached: tuple[Found, ...]


@attrs.frozen
class Way:
    """One direction of a lineage.

    Attributes:
        parts: run by run, nearest first.
        next: the cursor of what follows; empty for nothing.
    """

    parts: tuple[WayPart, ...]
    next: str


def run_list(client: Client, status: RunStatus | None, name: str | None, before: str) -> RunList:
    """A page of runs, newest first."""
    found = client.runs(RunFilter(status, name, before or None, RUNS_A_PAGE + 1))
    shown = found[:RUNS_A_PAGE]
    rows = tuple(RunRow(each, _steps(each.steps), _seconds(each)) for each in shown)
    return RunList(rows, shown[-1].id if len(found) > RUNS_A_PAGE else "", names(client))


def names(client: Client) -> tuple[str, ...]:
    """What runs can be of: pipelines, then tasks."""
    pipelines = [each.pipeline for each in client.pipelines()]
    return (*pipelines, *(each.name for each in client.tasks()))


def form_of_task(client: Client, name: str, version: str | None) -> Form:
    """What a run of one task is submitted with.

    Raises:
        NotFoundError: with the nearest name.
    """
    found = client.metadata.version(name, version)
    task = found.task
    graph = client.graph(name, found.version)
    return Form(
        name,
        "task",
        task.description,
        found.version,
        tuple(each.version for each in reversed(client.metadata.versions(name))),
        fields_of_task(task.inputs),
        {field.name: _type(field.schema) for field in task.outputs},
        graph_svg(graph, (), standalone=False),
    )


def form_of_pipeline(client: Client, name: str) -> Form:
    """What a run of a pipeline is submitted with.

    Raises:
        NotFoundError: with the nearest name.
        InvalidPipelineError: it cannot run as it is published.
    """
    found = {each.pipeline: each for each in client.pipelines()}
    if name not in found:
        raise NotFoundError.named("pipeline", name, found)
    graph = client.graph(found[name])
    drawn = graph_svg(graph, (), standalone=False)
    return Form(
        name, "pipeline", found[name].description, "", (), fields_of_graph(graph), {}, drawn
    )


def ways_of(client: Client, digest: str, cursor: str | None) -> tuple[str, dict[str, Way]]:
    """What a value came from and what came of it: its whole digest, and the ways asked for.

    Arguments:
        client: of the workspace.
        digest: or the beginning of it.
        cursor: of the page of one way; None for the first of both.
    """
    if cursor is not None:
        page = client.trace_further(cursor, PARTS_A_PAGE)
        return page.digest, {page.direction: _way(client, page)}
    traced = client.trace(digest, PARTS_A_PAGE)
    pages = (traced.made_from, traced.led_to)
    return traced.digest, {page.direction: _way(client, page) for page in pages}


def _way(client: Client, page: Page) -> Way:
    return Way(tuple(_part(client, each) for each in page.parts), page.next)


def _part(client: Client, part: Part) -> WayPart:
    run = client.metadata.summary(part.run)
    entered = found_in(part.entered)
    there = {each.value.digest for each in entered}
    reached = found_in(each for each in part.reached if each.digest not in there)
    return WayPart(run.id, run.name, run.status, entered, reached)


def found_in(values: Iterable[FieldValue]) -> tuple[Found, ...]:
    """Values, each digest once, in the order in which they come."""
    alike: dict[str, list[FieldValue]] = {}
    for value in values:
        alike.setdefault(value.digest, []).append(value)
    return tuple(
        Found(first, tuple(each.port for each in those), _picture(first))
        for those in alike.values()
        # One that repeats another has no document of its own.
        for first in (min(those, key=lambda each: bool(each.source)),)
    )


def _picture(value: FieldValue) -> str:
    document = value.document
    if value.type == "Image" and isinstance(document, Mapping):
        return str(document.get("$artifact", ""))
    return ""


def _type(schema: Mapping[str, Any]) -> str:
    return type_name(schema)


def _steps(counts: Mapping[str, int]) -> str:
    """``2 succeeded, 1 failed``."""
    order = {status: index for index, status in enumerate(_ORDER)}
    known = sorted(counts.items(), key=lambda item: order.get(item[0], len(order)))  # type: ignore[call-overload]
    return ", ".join(f"{count} {status}" for status, count in known if count)


def _seconds(run: RunSummary) -> float | None:
    return None if run.finished_at is None else run.finished_at - run.created_at
